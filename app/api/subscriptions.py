"""Subscriptions: which account is on which plan version (API.md §3)."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from flask import Blueprint, Response
from sqlalchemy import Select, select
from sqlalchemy.orm import joinedload

from app import clock
from app.api import serializers
from app.api.body import Body, Code, Instant, Meta, Page, Text
from app.api.endpoint import endpoint
from app.api.envelope import paginate, success
from app.api.guards import current_actor, get_account, guard, limit_to_caller
from app.api.idempotency import idempotent
from app.api.serializers import need_staff
from app.db import db
from app.errors import Invalid, NotFound
from app.models import Subscription
from app.models.plans import Anchor
from app.services import subscriptions

blueprint = Blueprint("subscriptions", __name__)


class NewSubscription(Body):
    """An account to be put on a plan."""

    account_id: Annotated[str, Meta(max_length=255, description="The account's id or external id.")]
    plan_code: Code
    version: Annotated[
        int | None, Meta(description="Default: the version in effect at the start; it stays")
    ] = None
    start_at: Annotated[
        Instant | None, Meta(description="Default: now; moved back to a 15-minute border")
    ] = None
    anchor: Annotated[str, Meta(description="`calendar` (periods from the 1st) or `anniversary`")] = (
        "calendar"
    )


class Cancellation(Body):
    """When and why a subscription ends."""

    at: Annotated[Instant | None, Meta(description="Default: now")] = None
    reason: Text | None = None


class ListQuery(Page):
    """Which subscriptions."""

    account_id: str | None = None


@blueprint.get("/subscriptions")
@guard("billing", "read")
@endpoint("List subscriptions", query=ListQuery, answers="subscription", many=True)
def list_subscriptions(query: ListQuery) -> Response:
    """The newest first."""
    chosen = _visible()
    if query.account_id is not None:
        chosen = chosen.where(Subscription.account_id == get_account(query.account_id).id)
    rows, cursor = paginate(chosen, query, (Subscription.id,))
    return success([serializers.subscription(row) for row in rows], next_cursor=cursor)


@blueprint.post("/subscriptions")
@guard("billing", "write")
@idempotent
@endpoint("Subscribe an account to a plan", body=NewSubscription, answers="subscription", status=201)
def subscribe(body: NewSubscription) -> Response:
    """409 `overlapping` where the account is on that plan in the same time."""
    need_staff("Subscribing")
    try:
        anchor = Anchor(body.anchor)
    except ValueError:
        raise Invalid.at("/anchor", f"Choose one of: {', '.join(Anchor)}.", code="unknown_choice") from None
    made = subscriptions.start(
        get_account(body.account_id),
        body.plan_code,
        version=body.version,
        start_at=body.start_at,
        anchor=anchor,
        actor=current_actor(),
    )
    return success(serializers.subscription(made), 201)


@blueprint.get("/subscriptions/<uuid:subscription_id>")
@guard("billing", "read")
@endpoint("Read a subscription", answers="subscription")
def read_subscription(subscription_id: UUID) -> Response:
    """By its id."""
    return success(serializers.subscription(_get(subscription_id)))


@blueprint.post("/subscriptions/<uuid:subscription_id>/cancel")
@guard("billing", "write")
@idempotent
@endpoint("Cancel a subscription", body=Cancellation, answers="subscription")
def cancel(subscription_id: UUID, body: Cancellation) -> Response:
    """What was used until then is still billed."""
    row = _get(subscription_id)
    need_staff("Cancelling")
    at: datetime = body.at or clock.now()
    ended = subscriptions.end(row, at=at, reason=body.reason, actor=current_actor())
    return success(serializers.subscription(ended))


def _visible() -> Select[Any]:
    loaded = (joinedload(Subscription.plan), joinedload(Subscription.version))
    return limit_to_caller(select(Subscription).options(*loaded), Subscription.account_id)


def _get(subscription_id: UUID) -> Subscription:
    row: Subscription | None = db.session.scalar(_visible().where(Subscription.id == subscription_id))
    if row is None:
        raise NotFound("There is no such subscription.")
    return row
