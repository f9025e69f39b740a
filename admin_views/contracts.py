"""Custom contracts on the pages of subscriptions and accounts: what was agreed, and agreeing on more."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from flask import request
from wtforms import SelectField, StringField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import InputRequired, Length, Optional

from admin_views.fields import DayField, ExactField
from admin_views.operations import Operation
from admin_views.payload_field import PayloadField
from admin_views.records import Related
from app.errors import DomainError, FieldError
from app.models import (
    Account,
    AccountCredit,
    CouponRedemption,
    Discount,
    PriceComponent,
    Subscription,
)
from app.permissions import Actor
from app.services import commitments, contracts, coupons, discounts

PERCENT, AMOUNT = "percent", "amount"


def days() -> dict[str, Any]:
    """Return the inputs of a span of days."""
    return {
        "start_on": DayField("From", validators=[Optional()]),
        "end_on": DayField(
            "Until before",
            validators=[Optional()],
            description="First day on which it no longer holds; empty: open.",
        ),
        "reason": StringField("Reason", validators=[Optional(), Length(max=300)], description="For staff."),
    }


@contextmanager
def at_fields(names: Collection[str], rest: str) -> Iterator[None]:
    """Put a refusal at the field of a form that its pointer ends with, any other at `rest`."""
    try:
        yield
    except DomainError as error:
        error.fields = tuple(_at_field(one, names, rest) for one in error.fields)
        raise


def _at_field(problem: FieldError, names: Collection[str], rest: str) -> FieldError:
    name = problem.pointer.rpartition("/")[2]
    if name in names:
        return replace(problem, pointer=f"/{name}")
    where = problem.pointer.removeprefix("/overrides/0/")
    told = problem.message if where.startswith("/") else f"{where}: {problem.message}"
    return replace(problem, pointer=f"/{rest}", message=told)


def own_terms(
    subscription: Subscription,
    *,
    component: str,
    terms: dict[str, Any],
    start_on: date | None,
    end_on: date | None,
    reason: str,
    at: datetime,
    actor: Actor,
) -> str:
    """Agree on other terms of a component."""
    row = {**terms, "component": component, "start_on": start_on, "end_on": end_on, "reason": reason}
    with at_fields(("component", "start_on", "end_on", "reason"), "terms"):
        (made,) = contracts.override(subscription, [row], actor=actor)
    return f"{made.component.name} has its own terms."


def named_component(subscription: Subscription | None) -> PriceComponent | None:
    """Return the component that the address names, if the subscription has it."""
    code = request.args.get("component")
    offered = subscription.version.components if subscription else ()
    return next(
        (one for one in offered if code == one.code and one.currency == _currency(subscription)), None
    )


def terms_now(subscription: Subscription | None) -> Mapping[str, Any]:
    """Return the component that the address names with the terms that it has, to be changed in the form."""
    component = named_component(subscription)
    if component is None or subscription is None:
        return {}
    own = [each for each in contracts.overrides_of(subscription) if each.component_id == component.id]
    source: Any = own[-1] if own else component
    return {"component": component.code, "terms": {"model": source.model, **source.terms}}


def commit_to(
    subscription: Subscription,
    *,
    amount: Decimal,
    start_on: date | None,
    end_on: date | None,
    reason: str,
    at: datetime,
    actor: Actor,
) -> str:
    """Agree on a minimum commitment."""
    made = commitments.agree(
        subscription, amount, start_on=start_on, end_on=end_on, reason=reason or None, actor=actor
    )
    return f"A commitment holds from {made.start_on.isoformat()} on."


def discount(
    account: Account,
    *,
    name: str,
    kind: str,
    value: Decimal,
    start_on: date | None,
    end_on: date | None,
    reason: str,
    at: datetime,
    actor: Actor,
    subscription: Subscription | None = None,
) -> str:
    """Give an account, or one of its subscriptions, a discount."""
    given = {
        "name": name,
        kind: value,
        "start_on": start_on,
        "end_on": end_on,
        "reason": reason,
        "subscription_id": subscription.id if subscription else None,
    }
    with at_fields(("name", "start_on", "end_on"), "value"):
        made = discounts.grant(account, given, actor=actor)
    return f"{made.name}: {discounts.worth(made)}."


def discount_subscription(subscription: Subscription, **inputs: Any) -> str:
    """Give one subscription a discount."""
    return discount(subscription.account, subscription=subscription, **inputs)


def redeem(account: Account, *, code: str, at: datetime, actor: Actor) -> str:
    """Redeem a coupon for an account."""
    made = coupons.redeem(account, code, at=at, actor=actor)
    return f"{made.coupon.code} reduces the next invoices: {discounts.worth(made.coupon)}."


def _currency(subscription: Subscription | None) -> str:
    return subscription.account.currency if subscription else ""


def _offered(subscription: Subscription | None) -> str:
    listed = subscription.version.components if subscription else ()
    codes = ", ".join(one.code for one in listed if one.currency == _currency(subscription))
    return (
        f"Components: {codes}. The terms hold from a border of the billing periods on, by default the next; "
        "what was metered in an open period is priced anew, and a wallet is charged or credited at once."
    )


def discount_inputs() -> dict[str, Any]:
    """Return the inputs of a discount."""
    kinds = [SelectChoice(PERCENT, "Percent off"), SelectChoice(AMOUNT, "Amount off a period")]
    return {
        "name": StringField(
            "Name",
            validators=[InputRequired(), Length(max=300)],
            description="The customer reads this on invoices.",
        ),
        "kind": SelectField("Kind", choices=kinds),
        "value": ExactField(label="How much", scale=6, validators=[InputRequired()]),
        **days(),
    }


CONTRACT_OPERATIONS = (
    Operation(
        "own_terms",
        "Own terms",
        run=own_terms,
        icon="coins",
        inputs={
            "component": StringField("Component", validators=[InputRequired(), Length(max=100)]),
            "terms": PayloadField(
                label="Terms", description='A model and its fields: {"model": "per_unit", "unit": "0.20"}.'
            ),
            **days(),
        },
        initial=terms_now,
        explain=_offered,
    ),
    Operation(
        "commit",
        "Commitment",
        run=commit_to,
        icon="scale",
        inputs={
            "amount": ExactField(
                label="Amount per period",
                scale=4,
                validators=[InputRequired()],
                description="In the account's currency, before tax.",
            ),
            **days(),
        },
        confirm=(
            "The last run of each billing period bills what is missing to the commitment, before discounts. "
            "A period in which it begins or ends counts by its days. It begins with the next period unless a "
            "day is given."
        ),
    ),
    Operation(
        "discount",
        "Discount",
        run=discount_subscription,
        icon="percentage",
        inputs=discount_inputs(),
        confirm="Off what this subscription is charged, before tax. Issued invoices stay as they are.",
    ),
)
ACCOUNT_OPERATIONS = (
    Operation(
        "discount",
        "Discount",
        run=discount,
        icon="percentage",
        inputs=discount_inputs(),
        confirm="Off everything that this account is charged, before tax. Issued invoices stay as they are.",
    ),
    Operation(
        "credit",
        "Credit",
        run=discounts.give_credit,
        icon="plus",
        inputs={
            "amount": ExactField(label="Amount", scale=4, validators=[InputRequired()]),
            "reason": StringField(
                "Reason",
                validators=[InputRequired(), Length(max=300)],
                description="The customer reads this on invoices.",
            ),
        },
        confirm="Reduces the next invoices, before tax, until it is used up. It is no money in a wallet.",
    ),
    Operation(
        "redeem",
        "Redeem a coupon",
        run=redeem,
        icon="tag",
        inputs={"code": StringField("Code", validators=[InputRequired(), Length(max=50)])},
        confirm="The coupon reduces the invoices that are issued from now on.",
    ),
)
ACCOUNT_RELATED = (
    Related(Discount, by="account_id", columns=("name", "percent", "amount", "start_on", "end_on")),
    Related(CouponRedemption, by="account_id", columns=("coupon", "redeemed_at", "used", "periods")),
    Related(AccountCredit, by="account_id", columns=("reason", "amount", "remaining", "created_at")),
)
