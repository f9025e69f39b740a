"""Coupons, and who has redeemed them (docs/api/contracts.md)."""

from typing import Annotated, Any

from flask import Blueprint, Response
from sqlalchemy import select
from sqlalchemy.orm import joinedload

from app import clock
from app.api.body import (
    UNSET,
    Body,
    CurrencyCode,
    Instant,
    Meta,
    Page,
    Positive,
    UnsetType,
    given,
)
from app.api.endpoint import endpoint
from app.api.envelope import decimal_text, instant_text, paginate, related, resource, success
from app.api.guards import current_actor, get_account, guard
from app.api.idempotency import idempotent
from app.api.serializers import need_staff
from app.db import db
from app.models import Coupon, CouponRedemption
from app.services import coupons

blueprint = Blueprint("coupons", __name__)

Percent = Annotated[Positive | None, Meta(description="Percent off; or give an amount")]
AmountOff = Annotated[
    Positive | None, Meta(description="Amount off per invoiced period; or give a percentage")
]
Named = Annotated[str, Meta(min_length=1, max_length=300, description="As invoices show it")]


class NewCoupon(Body):
    """A coupon."""

    code: Annotated[str, Meta(max_length=50, description="Letters and digits; kept in capitals")]
    name: Named
    percent: Percent | UnsetType = UNSET
    amount: AmountOff | UnsetType = UNSET
    currency: CurrencyCode | UnsetType | None = UNSET
    duration: Annotated[str, Meta(description="`once`, `periods` or `forever`")] = "once"
    periods: Annotated[int | None, Meta(description="How many invoiced periods")] | UnsetType = UNSET
    max_redemptions: Annotated[int | None, Meta(description="By all accounts")] | UnsetType = UNSET
    max_per_account: int | UnsetType = UNSET
    expires_at: Instant | UnsetType | None = UNSET
    plan_codes: Annotated[list[str], Meta(max_length=100, description="Only these plans")] | UnsetType = UNSET


class CouponChange(Body):
    """Until when and how often it may be redeemed."""

    max_redemptions: int | UnsetType | None = UNSET
    expires_at: Instant | UnsetType | None = UNSET
    active: bool | UnsetType = UNSET


class Redemption(Body):
    """Who redeems it."""

    account_id: Annotated[str, Meta(max_length=255, description="The account's id or external id.")]


@blueprint.get("/coupons")
@guard("catalog", "read")
@endpoint("List coupons", query=Page, answers="coupon", many=True)
def list_coupons(query: Page) -> Response:
    """The newest first."""
    need_staff("Coupons")
    rows, cursor = paginate(select(Coupon), query, (Coupon.id,))
    return success([_coupon(row) for row in rows], next_cursor=cursor)


@blueprint.post("/coupons")
@guard("catalog", "write")
@idempotent
@endpoint("Make a coupon", body=NewCoupon, answers="coupon", status=201)
def make_coupon(body: NewCoupon) -> Response:
    """A percentage, or an amount with its currency."""
    need_staff("Making coupons")
    return success(_coupon(coupons.create(given(body), actor=current_actor())), 201)


@blueprint.get("/coupons/<code>")
@guard("catalog", "read")
@endpoint("Read a coupon", answers="coupon")
def read_coupon(code: str) -> Response:
    """By its code, in capitals or not."""
    need_staff("Coupons")
    return success(_coupon(coupons.get(code)))


@blueprint.patch("/coupons/<code>")
@guard("catalog", "write")
@idempotent
@endpoint("Change a coupon", body=CouponChange, answers="coupon")
def change_coupon(code: str, body: CouponChange) -> Response:
    """What was redeemed keeps what it was redeemed for."""
    need_staff("Changing coupons")
    return success(_coupon(coupons.change(coupons.get(code), given(body), actor=current_actor())))


@blueprint.post("/coupons/<code>/redeem")
@guard("billing", "write")
@idempotent
@endpoint("Redeem a coupon", body=Redemption, answers="coupon_redemption", status=201)
def redeem_coupon(code: str, body: Redemption) -> Response:
    """It reduces the invoices issued from then on. Refused at `/code`: `unknown_coupon`, `expired`,
    `used_up`, `already_redeemed`, `wrong_plan`, `currency_mismatch`.
    """
    account = get_account(body.account_id)
    made = coupons.redeem(account, code, at=clock.now(), actor=current_actor())
    return success(_redemption(made), 201)


@blueprint.get("/accounts/<reference>/coupons")
@guard("billing", "read")
@endpoint("List the coupons of an account", answers="coupon_redemption", many=True)
def list_redemptions(reference: str) -> Response:
    """In the order in which they were redeemed."""
    query = select(CouponRedemption).where(CouponRedemption.account_id == get_account(reference).id)
    rows = db.session.scalars(
        query.options(joinedload(CouponRedemption.coupon)).order_by(CouponRedemption.id)
    )
    return success([_redemption(row) for row in rows])


def _coupon(row: Coupon) -> dict[str, Any]:
    attributes = {
        "code": row.code,
        "name": row.name,
        "percent": decimal_text(row.percent),
        "amount": decimal_text(row.amount, row.currency),
        "currency": row.currency,
        "duration": row.duration,
        "periods": row.periods,
        "max_redemptions": row.max_redemptions,
        "max_per_account": row.max_per_account,
        "redeemed": row.redeemed,
        "expires_at": instant_text(row.expires_at),
        "plan_codes": row.plan_codes,
        "active": row.active,
    }
    return resource("coupon", row.id, attributes)


def _redemption(row: CouponRedemption) -> dict[str, Any]:
    attributes = {
        "code": row.coupon.code,
        "account_id": str(row.account_id),
        "periods": row.periods,
        "used": row.used,
        "redeemed_at": instant_text(row.redeemed_at),
    }
    return resource("coupon_redemption", row.id, attributes, {"coupon": related("coupon", row.coupon_id)})
