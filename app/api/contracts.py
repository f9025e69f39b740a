"""Custom contracts of subscriptions: own terms, minimum commitments, and quotes by them."""

from datetime import date
from typing import Annotated, Any
from uuid import UUID

from flask import Blueprint, Response
from sqlalchemy import select

from app.api.body import Body, Meta, Positive, Text
from app.api.endpoint import endpoint
from app.api.envelope import decimal_text, instant_text, related, resource, success
from app.api.guards import current_actor, guard, limit_to_caller
from app.api.idempotency import idempotent
from app.api.serializers import need_staff
from app.db import db
from app.errors import NotFound
from app.models import Commitment, Subscription, TermsOverride
from app.services import commitments, contracts, subscription_quotes

blueprint = Blueprint("contracts", __name__)

Overrides = Annotated[
    list[dict[str, Any]],
    Meta(
        max_length=100,
        description="Own terms: each `component` (its code), `start_on`, `end_on`, `reason`, and the terms "
        "as in a plan: `model` and its fields. `start_on` is a border of the billing periods, by default the "
        "next.",
    ),
]
LastDay = Annotated[date | None, Meta(description="First day on which it no longer holds; null: open")]


class NewOverrides(Body):
    """Other terms for components of a subscription."""

    overrides: Overrides


class EndOfTerms(Body):
    """When own terms end."""

    on: Annotated[date | None, Meta(description="A border of the billing periods; default: the next")] = None


class NewCommitment(Body):
    """The least per billing period, in the account's currency."""

    amount: Positive
    start_on: Annotated[date | None, Meta(description="Default: first day of the next period")] = None
    end_on: LastDay = None
    reason: Text | None = None


class EndOfCommitment(Body):
    """When a commitment ends."""

    on: Annotated[date, Meta(description="First day on which it no longer holds")]


class SubscriptionQuote(Body):
    """Usage to be priced as this subscription's."""

    usage: Annotated[list[Any], Meta(max_length=100)]
    on: Annotated[date | None, Meta(description="A day of the billing period; default: today")] = None


@blueprint.get("/subscriptions/<uuid:subscription_id>/overrides")
@guard("billing", "read")
@endpoint("List own terms", answers="terms_override", many=True)
def list_overrides(subscription_id: UUID) -> Response:
    """Past and future ones too, by their start."""
    return success([_override(row) for row in contracts.overrides_of(_get(subscription_id))])


@blueprint.post("/subscriptions/<uuid:subscription_id>/overrides")
@guard("billing", "write")
@idempotent
@endpoint("Agree on own terms", body=NewOverrides, answers="terms_override", many=True, status=201)
def agree_on_terms(subscription_id: UUID, body: NewOverrides) -> Response:
    """Own terms that hold until now end where the new ones start. What was metered in an open period is
    priced anew at once, and a wallet is charged or credited the difference. A period that was billed keeps
    its terms: 400 `already_billed`.
    """
    row = _get(subscription_id)
    need_staff("Agreeing on terms")
    made = contracts.override(row, body.overrides, actor=current_actor())
    return success([_override(each) for each in made], 201)


@blueprint.post("/subscriptions/<uuid:subscription_id>/overrides/<uuid:override_id>/end")
@guard("billing", "write")
@idempotent
@endpoint("End own terms", body=EndOfTerms, answers="terms_override")
def end_terms(subscription_id: UUID, override_id: UUID, body: EndOfTerms) -> Response:
    """From then on the price list holds. Terms that end before they begin are withdrawn."""
    row = _get(subscription_id)
    need_staff("Ending terms")
    agreed = contracts.get_override(row, override_id)
    told = _override(agreed)
    ended = contracts.end_override(agreed, on=body.on, actor=current_actor())
    if ended is None:
        told["attributes"]["end_at"] = told["attributes"]["start_at"]
    return success(told if ended is None else _override(ended))


@blueprint.get("/subscriptions/<uuid:subscription_id>/commitments")
@guard("billing", "read")
@endpoint("List commitments", answers="commitment", many=True)
def list_commitments(subscription_id: UUID) -> Response:
    """By their start."""
    return success([_commitment(row) for row in commitments.of(_get(subscription_id))])


@blueprint.post("/subscriptions/<uuid:subscription_id>/commitments")
@guard("billing", "write")
@idempotent
@endpoint("Agree on a commitment", body=NewCommitment, answers="commitment", status=201)
def agree_on_commitment(subscription_id: UUID, body: NewCommitment) -> Response:
    """The last run of each period bills what is missing to it, before tax and discounts."""
    row = _get(subscription_id)
    need_staff("Agreeing on a commitment")
    made = commitments.agree(
        row,
        body.amount,
        start_on=body.start_on,
        end_on=body.end_on,
        reason=body.reason,
        actor=current_actor(),
    )
    return success(_commitment(made), 201)


@blueprint.post("/subscriptions/<uuid:subscription_id>/commitments/<uuid:commitment_id>/end")
@guard("billing", "write")
@idempotent
@endpoint("End a commitment", body=EndOfCommitment, answers="commitment")
def end_commitment(subscription_id: UUID, commitment_id: UUID, body: EndOfCommitment) -> Response:
    """A period in which it ends counts by its days."""
    row = _get(subscription_id)
    need_staff("Ending a commitment")
    agreed = commitments.get(row, commitment_id)
    return success(_commitment(commitments.end(agreed, on=body.on, actor=current_actor())))


@blueprint.post("/subscriptions/<uuid:subscription_id>/quote")
@guard("billing", "read")
@endpoint("Price usage by a subscription", body=SubscriptionQuote, answers="quote")
def quote_by_subscription(subscription_id: UUID, body: SubscriptionQuote) -> Response:
    """What a whole billing period with this usage costs by the plan version and the own terms of that period.
    Nothing is stored.
    """
    priced = subscription_quotes.quote(_get(subscription_id), body.usage, on=body.on)
    return success({"type": "quote", "attributes": priced})


def _get(subscription_id: UUID) -> Subscription:
    chosen = limit_to_caller(select(Subscription), Subscription.account_id)
    row: Subscription | None = db.session.scalar(chosen.where(Subscription.id == subscription_id))
    if row is None:
        raise NotFound("There is no such subscription.")
    return row


def _override(row: TermsOverride) -> dict[str, Any]:
    attributes = {
        "component": row.component.code,
        "model": row.model,
        **row.terms,
        "start_at": instant_text(row.start_at),
        "end_at": instant_text(row.end_at),
        "reason": row.reason,
    }
    links = {"subscription": related("subscription", row.subscription_id)}
    return resource("terms_override", row.id, attributes, links)


def _commitment(row: Commitment) -> dict[str, Any]:
    attributes = {
        "amount": decimal_text(row.amount, row.currency),
        "currency": row.currency,
        "start_on": row.start_on.isoformat(),
        "end_on": row.end_on.isoformat() if row.end_on else None,
        "reason": row.reason,
    }
    links = {"subscription": related("subscription", row.subscription_id)}
    return resource("commitment", row.id, attributes, links)
