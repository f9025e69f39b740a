"""Discounts and credits: what an account, or one of its subscriptions, is given off its invoices."""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import select, update

from app import clock
from app.db import db, lock
from app.domain.errors import RuleBroken
from app.domain.money import parse_amount, parse_decimal, plain
from app.domain.periods import local_date
from app.errors import Conflict, Invalid, NotFound
from app.models import Account, AccountCredit, Discount, Subscription
from app.permissions import Actor
from app.services import audit, inputs
from app.services.contracts import check_order
from app.services.inputs import Reader, a_day, optional, refusals, text

NOTHING, WHOLE = Decimal(0), Decimal(100)
PERCENT_DECIMALS = 6


def a_percentage(value: Any, pointer: str) -> Decimal:
    """Return a percentage above 0, up to 100, with at most six decimals."""
    percent = parse_decimal(value, pointer=pointer, minimum=NOTHING)
    if not NOTHING < percent <= WHOLE:
        raise RuleBroken(pointer, "out_of_range", "A percentage above 0 and up to 100 is needed.")
    if percent != round(percent, PERCENT_DECIMALS):
        raise RuleBroken(pointer, "too_many_decimals", f"At most {PERCENT_DECIMALS} decimals are possible.")
    return percent


def an_amount_of(currency: str) -> Reader:
    """Return a reader of an amount above zero in a currency."""

    def read_amount(value: Any, pointer: str) -> Decimal:
        return parse_amount(value, currency, pointer=pointer)

    return read_amount


def check_one_value(values: Mapping[str, Any]) -> None:
    """Return if there is a percentage or an amount, and not both.

    Raises:
        Invalid: at `/percent`.
    """
    if (values.get("percent") is None) == (values.get("amount") is None):
        raise Invalid.at("/percent", "Give a percentage or an amount, one of them.", code="one_of")


def grant(account: Account, given: Mapping[str, Any], *, actor: Actor) -> Discount:
    """Give an account a discount from `{"name", "percent" | "amount", "start_on"?, "end_on"?,
    "subscription_id"?, "reason"?}`.

    It reduces what is charged for days from `start_on` (by default today) until before `end_on`; an amount
    once per invoiced period. With a subscription only that one's charges. No issued invoice changes.

    Raises:
        Invalid: with the field that cannot be used.
    """
    readers: dict[str, Reader] = {
        "name": text(),
        "percent": optional(a_percentage),
        "amount": optional(an_amount_of(account.currency)),
        "start_on": optional(a_day),
        "end_on": optional(a_day),
        "subscription_id": optional(inputs.identifier),
        "reason": optional(text()),
    }
    values = inputs.read(given, readers, required=("name",))
    check_one_value(values)
    first = values.get("start_on") or local_date(clock.now(), account.timezone)
    with refusals():
        check_order(first, values.get("end_on"), "/end_on")
    origin_id = _origin(account, values.pop("subscription_id", None))
    currency = None if values.get("amount") is None else account.currency
    made = Discount(
        **{**values, "start_on": first}, account=account, subscription_id=origin_id, currency=currency
    )
    db.session.add(made)
    summary = f"{account.name} was given {worth(made)}: {made.name}"
    told = {**values, "start_on": first, "subscription_id": origin_id}
    audit.record(actor, "discount.granted", made, summary=summary, after=told)
    return made


def worth(reduction: Any) -> str:
    """Return what a discount or coupon takes off: `10 % off` or `500 INR off`."""
    if reduction.percent is not None:
        return f"{plain(reduction.percent)} % off"
    return f"{plain(reduction.amount)} {reduction.currency} off"


def end(discount: Discount, *, on: Any, actor: Actor) -> Discount:
    """Let a discount hold no longer from a day on.

    Raises:
        Invalid: the day cannot be used, or is not after the start.
    """
    (discount,) = lock(Discount, [discount.id])
    with refusals():
        after = a_day(on, "/on")
        check_order(discount.start_on, after, "/on")
    before: date | None = discount.end_on
    discount.end_on = after
    summary = f"{discount.name} of {discount.account.name} ends"
    audit.record(
        actor, "discount.ended", discount, summary=summary, before={"end_on": before}, after={"end_on": after}
    )
    return discount


def get(account: Account, discount_id: UUID) -> Discount:
    """Return a discount of an account.

    Raises:
        NotFound: there is none.
    """
    found = db.session.get(Discount, discount_id)
    if found is None or found.account_id != account.id:
        raise NotFound("There is no such discount.")
    return found


def give_credit(account: Account, amount: Any, *, reason: str, at: datetime, actor: Actor) -> AccountCredit:
    """Give an account an amount in its currency that reduces its invoices, before tax, until it is used up.

    Raises:
        Invalid: the amount is not positive or too precise; no reason.
    """
    with refusals():
        value = parse_amount(amount, account.currency, pointer="/amount")
        why = text()(reason, "/reason")
    made = AccountCredit(
        account=account, amount=value, remaining=value, currency=account.currency, reason=why
    )
    db.session.add(made)
    summary = f"{account.name} was given a credit of {plain(value)} {account.currency}"
    audit.record(actor, "credit.given", made, summary=summary, at=at, after={"amount": value, "reason": why})
    return made


def withdraw_credit(credit: AccountCredit, *, reason: str, at: datetime, actor: Actor) -> AccountCredit:
    """Take back what is left of a credit.

    Raises:
        Conflict: nothing is left.
    """
    (credit,) = lock(AccountCredit, [credit.id])
    rest = credit.remaining
    if not rest:
        raise Conflict("Nothing is left of this credit.")
    credit.withdrawn, credit.remaining = credit.withdrawn + rest, NOTHING
    summary = f"{plain(rest)} {credit.currency} of the credit of {credit.account.name} was withdrawn"
    after = {"withdrawn": rest, "reason": reason}
    audit.record(actor, "credit.withdrawn", credit, summary=summary, at=at, after=after)
    return credit


def use_credit(credit_id: UUID, amount: Decimal) -> None:
    """Take an amount of what is left of a credit, by one conditional update.

    Raises:
        Conflict: so much is not left.
    """
    taken = db.session.scalar(
        update(AccountCredit)
        .where(AccountCredit.id == credit_id, AccountCredit.remaining >= amount)
        .values(remaining=AccountCredit.remaining - amount)
        .returning(AccountCredit.id)
    )
    if taken is None:
        raise Conflict("The credit was used by another invoice meanwhile. Make the draft again.")


def get_credit(account: Account, credit_id: UUID) -> AccountCredit:
    """Return a credit of an account.

    Raises:
        NotFound: there is none.
    """
    found = db.session.get(AccountCredit, credit_id)
    if found is None or found.account_id != account.id:
        raise NotFound("There is no such credit.")
    return found


def _origin(account: Account, subscription_id: UUID | None) -> UUID | None:
    if subscription_id is None:
        return None
    query = select(Subscription.origin_id).where(
        Subscription.id == subscription_id, Subscription.account_id == account.id
    )
    found: UUID | None = db.session.scalar(query)
    if found is None:
        raise Invalid.at("/subscription_id", "The account has no such subscription.", code="unknown")
    return found
