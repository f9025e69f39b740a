"""Discounts and credits of accounts (docs/api/contracts.md)."""

from datetime import date
from typing import Annotated, Any
from uuid import UUID

from flask import Blueprint, Response
from sqlalchemy import select

from app import clock
from app.api.body import UNSET, Body, Meta, Positive, Text, UnsetType, given
from app.api.coupons import AmountOff, Named, Percent
from app.api.endpoint import endpoint
from app.api.envelope import decimal_text, related, resource, success
from app.api.guards import current_actor, get_account, guard
from app.api.idempotency import idempotent
from app.api.serializers import need_staff
from app.db import db
from app.models import AccountCredit, Discount, Invoice, InvoiceLine
from app.models.invoices import LineKind
from app.services import discounts

blueprint = Blueprint("discounts", __name__)


class NewDiscount(Body):
    """A discount; without `subscription_id` it is for the whole account."""

    name: Named
    percent: Percent | UnsetType = UNSET
    amount: AmountOff | UnsetType = UNSET
    subscription_id: str | UnsetType | None = UNSET
    start_on: Annotated[date | None, Meta(description="Default: today")] | UnsetType = UNSET
    end_on: Annotated[date | None, Meta(description="First day without it")] | UnsetType = UNSET
    reason: Text | UnsetType | None = UNSET


class EndOfDiscount(Body):
    """When a discount ends."""

    on: Annotated[date, Meta(description="First day without it")]


class NewCredit(Body):
    """An amount in the account's currency."""

    amount: Positive
    reason: Named


class Withdrawal(Body):
    """Why a credit is taken back."""

    reason: Text


@blueprint.get("/accounts/<reference>/discounts")
@guard("billing", "read")
@endpoint("List the discounts of an account", answers="discount", many=True)
def list_discounts(reference: str) -> Response:
    """By their start, in which order they are given."""
    query = select(Discount).where(Discount.account_id == get_account(reference).id)
    rows = db.session.scalars(query.order_by(Discount.start_on, Discount.id))
    return success([_discount(row) for row in rows])


@blueprint.post("/accounts/<reference>/discounts")
@guard("billing", "write")
@idempotent
@endpoint("Give a discount", body=NewDiscount, answers="discount", status=201)
def give_discount(reference: str, body: NewDiscount) -> Response:
    """Off what is charged for days from `start_on` until before `end_on`, before tax."""
    account = get_account(reference)
    need_staff("Giving discounts")
    return success(_discount(discounts.grant(account, given(body), actor=current_actor())), 201)


@blueprint.post("/accounts/<reference>/discounts/<uuid:discount_id>/end")
@guard("billing", "write")
@idempotent
@endpoint("End a discount", body=EndOfDiscount, answers="discount")
def end_discount(reference: str, discount_id: UUID, body: EndOfDiscount) -> Response:
    """Invoices that were issued stay as they are."""
    found = discounts.get(get_account(reference), discount_id)
    need_staff("Ending discounts")
    return success(_discount(discounts.end(found, on=body.on, actor=current_actor())))


@blueprint.get("/accounts/<reference>/credits")
@guard("billing", "read")
@endpoint("List the credits of an account", answers="credit", many=True)
def list_credits(reference: str) -> Response:
    """Each with its uses: on which invoice, how much."""
    query = select(AccountCredit).where(AccountCredit.account_id == get_account(reference).id)
    rows = list(db.session.scalars(query.order_by(AccountCredit.id)))
    uses = _uses([row.id for row in rows])
    return success([_credit(row, uses.get(row.id, [])) for row in rows])


@blueprint.post("/accounts/<reference>/credits")
@guard("billing", "write")
@idempotent
@endpoint("Give a credit", body=NewCredit, answers="credit", status=201)
def give_credit(reference: str, body: NewCredit) -> Response:
    """It reduces invoices before tax until it is used up; no total goes below zero."""
    account = get_account(reference)
    need_staff("Giving credits")
    made = discounts.give_credit(
        account, body.amount, reason=body.reason, at=clock.now(), actor=current_actor()
    )
    return success(_credit(made, []), 201)


@blueprint.post("/accounts/<reference>/credits/<uuid:credit_id>/withdraw")
@guard("billing", "write")
@idempotent
@endpoint("Withdraw a credit", body=Withdrawal, answers="credit")
def withdraw_credit(reference: str, credit_id: UUID, body: Withdrawal) -> Response:
    """What is left of it; what was used stays used."""
    found = discounts.get_credit(get_account(reference), credit_id)
    need_staff("Withdrawing credits")
    row = discounts.withdraw_credit(found, reason=body.reason, at=clock.now(), actor=current_actor())
    return success(_credit(row, _uses([row.id]).get(row.id, [])))


def _uses(ids: list[UUID]) -> dict[UUID, list[dict[str, Any]]]:
    query = (
        select(InvoiceLine.source_id, Invoice.id, Invoice.number, Invoice.currency, InvoiceLine.amount)
        .join(Invoice, Invoice.id == InvoiceLine.invoice_id)
        .where(InvoiceLine.source_id.in_(ids), InvoiceLine.kind == LineKind.credit)
        .where(Invoice.number.is_not(None))
        .order_by(Invoice.issued_at, InvoiceLine.n)
    )
    found: dict[UUID, list[dict[str, Any]]] = {}
    for row in db.session.execute(query):
        use = {
            "invoice_id": str(row.id),
            "number": row.number,
            "amount": decimal_text(-row.amount, row.currency),
        }
        found.setdefault(row.source_id, []).append(use)
    return found


def _discount(row: Discount) -> dict[str, Any]:
    attributes = {
        "account_id": str(row.account_id),
        "subscription_id": str(row.subscription_id) if row.subscription_id else None,
        "name": row.name,
        "percent": decimal_text(row.percent),
        "amount": decimal_text(row.amount, row.currency),
        "currency": row.currency,
        "start_on": row.start_on.isoformat(),
        "end_on": row.end_on.isoformat() if row.end_on else None,
        "reason": row.reason,
    }
    return resource("discount", row.id, attributes, {"account": related("account", row.account_id)})


def _credit(row: AccountCredit, uses: list[dict[str, Any]]) -> dict[str, Any]:
    attributes = {
        "account_id": str(row.account_id),
        "currency": row.currency,
        **{
            name: decimal_text(getattr(row, name), row.currency)
            for name in ("amount", "remaining", "withdrawn")
        },
        "reason": row.reason,
        "uses": uses,
    }
    return resource("credit", row.id, attributes, {"account": related("account", row.account_id)})
