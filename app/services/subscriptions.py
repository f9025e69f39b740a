"""Subscriptions: which account is on which plan version, from when until when."""

from datetime import datetime
from uuid import UUID

from psycopg.errors import ExclusionViolation
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import joinedload

from app import clock
from app.db import db, lock
from app.domain.periods import Cycle, bucket_start
from app.domain.states import move
from app.errors import CurrencyMismatch, Invalid, NotFound, Overlapping
from app.models import Account, PlanVersion, Subscription
from app.models.plans import Anchor, SubscriptionStatus, VersionStatus
from app.permissions import Actor
from app.services import audit, metering, plans
from app.services.inputs import refusals
from app.services.rating import cycle_of


def start(
    account: Account,
    plan_code: str,
    *,
    version: int | None = None,
    start_at: datetime | None = None,
    anchor: Anchor = Anchor.calendar,
    actor: Actor,
) -> Subscription:
    """Put an account on a plan from `start_at` (by default now) on, which is moved back to a 15-minute
    border.

    The version is the one in effect at the start unless its number is given, and stays: who subscribed keeps
    the prices. Usage since a start in the past is charged by the new prices at once.

    Raises:
        NotFound: there is no such plan or version.
        Invalid: nothing of the plan is published for that day, or the plan is no longer offered.
        CurrencyMismatch: the version has no price in the account's currency.
        Overlapping: the account is on that plan in the same time.
    """
    start_at = bucket_start(start_at or clock.now())
    chosen = _version(plan_code, version, start_at)
    if not plans.has_price_in(chosen, account.currency):
        message = f"{chosen.label} has no price in {account.currency}, the currency of the account."
        raise CurrencyMismatch.at("/plan_code", message)
    subscription = Subscription(
        account=account,
        plan=chosen.plan,
        version=chosen,
        anchor=anchor,
        start_at=start_at,
        status=SubscriptionStatus.active,
    )
    try:
        with db.session.begin_nested():
            db.session.add(subscription)
    except IntegrityError as error:
        if isinstance(error.orig, ExclusionViolation):
            message = f"The account is on {chosen.plan.code} already at some time after {start_at:%Y-%m-%d}."
            raise Overlapping.at("/start_at", message) from None
        raise
    audit.record(
        actor,
        "subscription.started",
        subscription,
        summary=f"{account.name} subscribed to {chosen.label}",
        after={
            "account_id": account.id,
            "version": chosen.label,
            "start_at": start_at,
            "anchor": str(anchor),
        },
    )
    metering.adopt(subscription)
    return subscription


def end(subscription: Subscription, *, at: datetime, reason: str | None = None, actor: Actor) -> Subscription:
    """End a subscription at `at`, moved back to a 15-minute border; one that has not begun by then never
    begins. Usage after an end in the past is no longer charged by it.

    Raises:
        IllegalTransition: it has ended already.
    """
    (subscription,) = lock(Subscription, [subscription.id])
    with refusals():
        subscription.status = SubscriptionStatus(
            move("subscription", subscription.status, SubscriptionStatus.ended)
        )
    subscription.end_at = max(bucket_start(at), subscription.start_at)
    subscription.end_reason = reason
    audit.record(
        actor,
        "subscription.ended",
        subscription,
        summary=f"{subscription.account.name} left {subscription.version.label}",
        after={"end_at": subscription.end_at, "end_reason": reason},
    )
    metering.rebuild(subscription.account_id, since=subscription.end_at)
    return subscription


def get(subscription_id: UUID) -> Subscription:
    """Return the subscription with this id, its account, plan and version loaded.

    Raises:
        NotFound: there is none.
    """
    subscription = db.session.scalar(
        select(Subscription)
        .where(Subscription.id == subscription_id)
        .options(
            joinedload(Subscription.account), joinedload(Subscription.plan), joinedload(Subscription.version)
        )
    )
    if subscription is None:
        raise NotFound("There is no such subscription.")
    return subscription


def cycle(subscription: Subscription) -> Cycle:
    """Return how the time of a subscription is cut into billing periods: in its account's zone, by its
    version's interval."""
    interval = subscription.version.interval
    return cycle_of(subscription.anchor, subscription.start_at, subscription.account.timezone, interval)


def _version(plan_code: str, number: int | None, at: datetime) -> PlanVersion:
    found = plans.find_active(plan_code, at) if number is None else plans.get_version(plan_code, number)
    if found is None:
        plan = plans.get(plan_code)
        message = f"No published version of {plan.code} is in effect on {at:%Y-%m-%d}."
        raise Invalid.at("/plan_code", message, code="not_published")
    if not found.plan.active:
        raise Invalid.at("/plan_code", f"The plan {plan_code} is no longer offered.", code="not_offered")
    if found.status is not VersionStatus.published:
        raise Invalid.at("/version", f"{found.label} is {found.status}, not published.", code="not_published")
    return found
