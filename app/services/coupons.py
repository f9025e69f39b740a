"""Coupons: made by staff, redeemed by accounts, and never more often than they may be."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, or_, select, update

from app.db import db, lock
from app.domain.errors import RuleBroken
from app.domain.events import read_instant
from app.domain.money import exponent, parse_amount
from app.errors import Conflict, CurrencyMismatch, Invalid, NotFound
from app.models import Account, Coupon, CouponRedemption, PricePlan, Subscription
from app.models.contracts import CouponDuration
from app.permissions import Actor
from app.services import audit, inputs
from app.services.discounts import a_percentage, check_one_value, worth
from app.services.inputs import Reader, optional, text

MOST_PERIODS, MOST_REDEMPTIONS = 120, 2_000_000_000
LONGEST_CODE = 50


def a_code(value: Any, pointer: str) -> str:
    """Return a coupon's code in capitals: letters, digits, points, dashes and underscores."""
    code = value.strip().upper() if isinstance(value, str) else ""
    allowed = code.isascii() and code[:1].isalnum() and code.replace("-", "a").replace(".", "a")
    if not allowed or not allowed.replace("_", "a").isalnum() or len(code) > LONGEST_CODE:
        message = f"1 to {LONGEST_CODE} letters, digits and . - _ are needed, a letter or digit first."
        raise RuleBroken(pointer, "bad_code", message)
    return code


def an_instant(value: Any, pointer: str) -> datetime:
    """Return an instant from itself or its text."""
    return value if isinstance(value, datetime) else read_instant(value, pointer=pointer)


def plan_codes(value: Any, pointer: str) -> list[str]:
    """Return codes of plans that exist, each once."""
    if not isinstance(value, list | tuple) or not all(isinstance(one, str) for one in value):
        raise RuleBroken(pointer, "not_a_list", "A list of plan codes is needed.")
    wanted = sorted(set(value))
    known = set(db.session.scalars(select(PricePlan.code).where(PricePlan.code.in_(wanted))))
    for code in wanted:
        if code not in known:
            raise RuleBroken(pointer, "unknown_plan", f"There is no plan {code!r}.")
    return wanted


CHANGEABLE: dict[str, Reader] = {
    "max_redemptions": optional(inputs.whole(1, MOST_REDEMPTIONS)),
    "expires_at": optional(an_instant),
    "active": inputs.yes_or_no,
}
READERS: dict[str, Reader] = {
    **CHANGEABLE,
    "code": a_code,
    "name": text(),
    "percent": optional(a_percentage),
    "currency": optional(inputs.currency),
    "amount": optional(lambda value, pointer: value),
    "duration": inputs.choice(CouponDuration),
    "periods": optional(inputs.whole(1, MOST_PERIODS)),
    "max_per_account": inputs.whole(1, MOST_REDEMPTIONS),
    "plan_codes": plan_codes,
}


def create(given: Mapping[str, Any], *, actor: Actor) -> Coupon:
    """Make a coupon from `{"code", "name", "percent" | "amount" + "currency", "duration"?, "periods"?,
    "max_redemptions"?, "max_per_account"?, "expires_at"?, "plan_codes"?}`.

    `duration` is `once` (the default), `periods` (as many as `periods` says) or `forever`.

    Raises:
        Invalid: with the field that cannot be used.
        Conflict: there is a coupon with this code.
    """
    values = inputs.read(given, READERS, required=("code", "name"))
    check_one_value(values)
    _read_amount(values)
    duration = values.setdefault("duration", CouponDuration.once)
    if (duration is CouponDuration.periods) != (values.get("periods") is not None):
        message = "Say for how many periods, if it is for some."
        raise Invalid.at("/periods", message, code="periods_of_duration")
    if db.session.scalar(select(Coupon.id).where(Coupon.code == values["code"])) is not None:
        raise Conflict.at("/code", f"There is a coupon {values['code']}.", code="taken")
    made = Coupon(**values)
    db.session.add(made)
    summary = f"The coupon {made.code} was made: {worth(made)}"
    audit.record(actor, "coupon.created", made, summary=summary, after=values)
    return made


def change(coupon: Coupon, given: Mapping[str, Any], *, actor: Actor) -> Coupon:
    """Change until when and how often a coupon may be redeemed: `max_redemptions`, `expires_at`, `active`.

    Raises:
        Invalid: with the field that cannot be used; fewer redemptions than there were.
    """
    values = inputs.read(given, CHANGEABLE)
    (coupon,) = lock(Coupon, [coupon.id])
    most = values.get("max_redemptions")
    if most is not None and most < coupon.redeemed:
        message = f"It was redeemed {coupon.redeemed} times already."
        raise Invalid.at("/max_redemptions", message, code="too_small")
    for name, value in values.items():
        setattr(coupon, name, value)
    before, after = audit.changes(coupon)
    if after:
        summary = f"The coupon {coupon.code} was changed"
        audit.record(actor, "coupon.changed", coupon, summary=summary, before=before, after=after)
    return coupon


def redeem(account: Account, code: str, *, at: datetime, actor: Actor) -> CouponRedemption:
    """Redeem a coupon for an account: the invoices issued from then on are reduced by it.

    Counted by one conditional update: of any number at once, no more succeed than may.

    Raises:
        Invalid: at `/code`: `unknown_coupon`, `expired`, `used_up`, `already_redeemed`, `wrong_plan`.
        CurrencyMismatch: its amount is in another currency than the account's.
    """
    with db.session.begin_nested():
        coupon = _count(code, at)
        if coupon.currency not in (None, account.currency):
            message = f"The coupon is in {coupon.currency}, the account in {account.currency}."
            raise CurrencyMismatch.at("/code", message)
        if coupon.plan_codes and not _is_on_plan(account, coupon.plan_codes, at):
            message = f"The coupon is for these plans only: {', '.join(coupon.plan_codes)}."
            raise _refusal("wrong_plan", message)
        before = db.session.scalar(
            select(func.count()).where(
                CouponRedemption.coupon_id == coupon.id, CouponRedemption.account_id == account.id
            )
        )
        assert before is not None
        if before >= coupon.max_per_account:
            raise _refusal("already_redeemed", "The account has redeemed this coupon already.")
        made = CouponRedemption(
            coupon=coupon,
            account=account,
            number=before + 1,
            periods=1 if coupon.duration is CouponDuration.once else coupon.periods,
            redeemed_at=at,
        )
        db.session.add(made)
        summary = f"{account.name} redeemed {coupon.code}: {worth(coupon)}"
        after = {"coupon": coupon.code, "account_id": account.id, "number": made.number}
        audit.record(actor, "coupon.redeemed", made, summary=summary, at=at, after=after)
    return made


def use(redemption_id: UUID) -> None:
    """Count one more invoiced period that a redeemed coupon has reduced, by one conditional update.

    Raises:
        Conflict: it is used up.
    """
    left = or_(CouponRedemption.periods.is_(None), CouponRedemption.used < CouponRedemption.periods)
    counted = db.session.scalar(
        update(CouponRedemption)
        .where(CouponRedemption.id == redemption_id, left)
        .values(used=CouponRedemption.used + 1)
        .returning(CouponRedemption.id)
    )
    if counted is None:
        raise Conflict("The coupon was used up by another invoice meanwhile. Make the draft again.")


def get(code: str) -> Coupon:
    """Return the coupon with this code, in capitals or not.

    Raises:
        NotFound: there is none.
    """
    found = db.session.scalar(select(Coupon).where(Coupon.code == code.strip().upper()))
    if found is None:
        raise NotFound("There is no such coupon.")
    return found


def _read_amount(values: dict[str, Any]) -> None:
    """Read the amount in the coupon's currency; a percentage has none."""
    if values.get("amount") is None:
        values["currency"] = None
        return
    if values.get("currency") is None:
        raise Invalid.at("/currency", "An amount needs its currency.", code="required")
    exponent(values["currency"])
    with inputs.refusals():
        values["amount"] = parse_amount(values["amount"], values["currency"], pointer="/amount")


def _count(code: str, at: datetime) -> Coupon:
    """Count one redemption and return the coupon, which stays locked.

    Raises:
        Invalid: it may not be redeemed, or not any more.
    """
    wanted = code.strip().upper()
    counted: UUID | None = db.session.scalar(
        update(Coupon)
        .where(
            Coupon.code == wanted,
            Coupon.active,
            or_(Coupon.expires_at.is_(None), Coupon.expires_at > at),
            or_(Coupon.max_redemptions.is_(None), Coupon.redeemed < Coupon.max_redemptions),
        )
        .values(redeemed=Coupon.redeemed + 1)
        .returning(Coupon.id)
    )
    coupon = db.session.scalar(
        select(Coupon).where(Coupon.code == wanted).execution_options(populate_existing=True)
    )
    if coupon is None:
        raise _refusal("unknown_coupon", "There is no such coupon.")
    if counted is not None:
        return coupon
    if not coupon.active or (coupon.expires_at is not None and coupon.expires_at <= at):
        raise _refusal("expired", "This coupon can no longer be redeemed.")
    raise _refusal("used_up", "This coupon has been redeemed as often as it may be.")


def _refusal(code: str, message: str) -> Exception:
    return Invalid.at("/code", message, code=code)


def _is_on_plan(account: Account, codes: list[str], at: datetime) -> bool:
    query = (
        select(Subscription.id)
        .join(PricePlan, PricePlan.id == Subscription.plan_id)
        .where(
            Subscription.account_id == account.id,
            PricePlan.code.in_(codes),
            or_(Subscription.end_at.is_(None), Subscription.end_at > at),
        )
    )
    return bool(db.session.scalar(select(query.exists())))
