"""Subscriptions: which account is on which plan version (docs/api/subscriptions.md)."""

from collections.abc import Callable
from typing import Annotated, Any
from uuid import UUID

from flask import Blueprint, Response
from sqlalchemy import Select, select
from sqlalchemy.orm import joinedload

from app.api import serializers
from app.api.body import Body, Code, Instant, Meta, Page, Text
from app.api.contracts import Overrides
from app.api.endpoint import endpoint
from app.api.envelope import paginate, success
from app.api.guards import current_actor, get_account, guard, limit_to_caller
from app.api.idempotency import idempotent
from app.api.serializers import need_staff
from app.api.subscription_answers import as_preview
from app.db import db
from app.errors import Invalid, NotFound
from app.models import Subscription
from app.models.plans import Anchor, SubscriptionStatus
from app.services import contracts, subscription_changes, subscriptions
from app.services.subscription_previews import preview

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
    trial_days: Annotated[int, Meta(description="Local days for nothing, the day of the start first")] = 0
    overrides: Overrides = []


When = Annotated[
    str,
    Meta(
        max_length=20,
        description="`now`, `period_end` (of the billing period), or a day in the account's zone: 2026-11-15",
    ),
]
Preview = Annotated[bool, Meta(description="Answer what it would do to the amounts, and do nothing")]


class Change(Body):
    """Another plan or version, from the first instant of a local day on."""

    plan_code: Code
    version: Annotated[int | None, Meta(description="Default: the version in effect then")] = None
    when: When = "now"
    preview: Preview = False


class Cancellation(Body):
    """When and why a subscription ends. `at` is an instant, instead of `when`."""

    when: When = "now"
    at: Annotated[Instant | None, Meta(description="Moved back to a 15-minute border")] = None
    reason: Text | None = None
    preview: Preview = False


class Pause(Body):
    """When and why a subscription rests."""

    when: When = "now"
    reason: Text | None = None
    preview: Preview = False


class Resumption(Body):
    """When a paused subscription goes on."""

    when: When = "now"
    preview: Preview = False


class ListQuery(Page):
    """Which subscriptions."""

    account_id: str | None = None
    status: str | None = None


@blueprint.get("/subscriptions")
@guard("billing", "read")
@endpoint("List subscriptions", query=ListQuery, answers="subscription", many=True)
def list_subscriptions(query: ListQuery) -> Response:
    """The newest first."""
    chosen = _visible()
    if query.account_id is not None:
        chosen = chosen.where(Subscription.account_id == get_account(query.account_id).id)
    if query.status is not None:
        if query.status not in set(SubscriptionStatus):
            message = f"Choose one of: {', '.join(SubscriptionStatus)}."
            raise Invalid.at("/status", message, code="unknown_choice")
        chosen = chosen.where(Subscription.status == SubscriptionStatus(query.status))
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
        trial_days=body.trial_days,
        actor=current_actor(),
    )
    if body.overrides:
        contracts.override(made, body.overrides, at_start=True, actor=current_actor())
    return success(serializers.subscription(made), 201)


@blueprint.get("/subscriptions/<uuid:subscription_id>")
@guard("billing", "read")
@endpoint("Read a subscription", answers="subscription")
def read_subscription(subscription_id: UUID) -> Response:
    """By its id."""
    return success(serializers.subscription(_get(subscription_id)))


@blueprint.get("/subscriptions/<uuid:subscription_id>/segments")
@guard("billing", "read")
@endpoint("List the segments of a subscription", answers="subscription", many=True)
def list_segments(subscription_id: UUID) -> Response:
    """The first one first: each plan and version, with the pauses between them. One that ends when it starts
    was scheduled once and never began.
    """
    chosen = _visible().where(Subscription.origin_id == _get(subscription_id).origin_id)
    rows = db.session.scalars(chosen.order_by(Subscription.start_at, Subscription.id))
    return success([serializers.subscription(row) for row in rows])


@blueprint.post("/subscriptions/<uuid:subscription_id>/change")
@guard("billing", "write")
@idempotent
@endpoint("Change the plan of a subscription", body=Change, answers="subscription")
def change(subscription_id: UUID, body: Change) -> Response:
    """Answers the segment on the new plan. The day of the change belongs to it; what was billed in advance
    and is no longer due is taken off the next invoice.
    """
    row = _get(subscription_id)
    need_staff("Changing plans")

    def act() -> Subscription:
        return subscription_changes.change(
            row, body.plan_code, version=body.version, when=body.when, actor=current_actor()
        )

    return _answer(row, act, only_shown=body.preview)


@blueprint.post("/subscriptions/<uuid:subscription_id>/cancel")
@guard("billing", "write")
@idempotent
@endpoint("Cancel a subscription", body=Cancellation, answers="subscription")
def cancel(subscription_id: UUID, body: Cancellation) -> Response:
    """What was used until then is still billed. A day belongs to the plan only if it was on it to its end."""
    row = _get(subscription_id)
    need_staff("Cancelling")

    def act() -> Subscription:
        at = body.at or subscription_changes.moment_of(row, body.when)
        return subscriptions.end(row, at=at, reason=body.reason, actor=current_actor())

    return _answer(row, act, only_shown=body.preview)


@blueprint.post("/subscriptions/<uuid:subscription_id>/pause")
@guard("billing", "write")
@idempotent
@endpoint("Pause a subscription", body=Pause, answers="subscription")
def pause(subscription_id: UUID, body: Pause) -> Response:
    """From then on nothing is owed, and usage is denied until it is resumed."""
    row = _get(subscription_id)
    need_staff("Pausing")

    def act() -> Subscription:
        return subscription_changes.pause(row, when=body.when, reason=body.reason, actor=current_actor())

    return _answer(row, act, only_shown=body.preview)


@blueprint.post("/subscriptions/<uuid:subscription_id>/resume")
@guard("billing", "write")
@idempotent
@endpoint("Resume a paused subscription", body=Resumption, answers="subscription")
def resume(subscription_id: UUID, body: Resumption) -> Response:
    """Answers the segment that begins, with the version and the anchor from before the pause."""
    row = _get(subscription_id)
    need_staff("Resuming")

    def act() -> Subscription:
        return subscription_changes.resume(row, when=body.when, actor=current_actor())

    return _answer(row, act, only_shown=body.preview)


@blueprint.post("/subscriptions/<uuid:subscription_id>/undo")
@guard("billing", "write")
@idempotent
@endpoint("Take back what is scheduled for a subscription", answers="subscription")
def undo(subscription_id: UUID) -> Response:
    """A change, pause, cancellation or resumption that is still to come."""
    row = _get(subscription_id)
    need_staff("Taking back changes")
    return success(serializers.subscription(subscription_changes.take_back(row, actor=current_actor())))


def _answer(row: Subscription, act: Callable[[], Subscription], *, only_shown: bool) -> Response:
    if only_shown:
        return success(as_preview(preview(row, act)))
    return success(serializers.subscription(act()))


def _visible() -> Select[Any]:
    loaded = (joinedload(Subscription.plan), joinedload(Subscription.version))
    return limit_to_caller(select(Subscription).options(*loaded), Subscription.account_id)


def _get(subscription_id: UUID) -> Subscription:
    row: Subscription | None = db.session.scalar(_visible().where(Subscription.id == subscription_id))
    if row is None:
        raise NotFound("There is no such subscription.")
    return row
