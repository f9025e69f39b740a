"""Subscriptions: which account is on which plan version, from when until when."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from app import clock
from app.db import db
from app.domain.periods import Cycle, bucket_start, day_start, local_date
from app.domain.states import move
from app.errors import CurrencyMismatch, Invalid, NotFound
from app.models import Account, PlanVersion, Subscription
from app.models.plans import Anchor, Ending, SubscriptionStatus, VersionStatus
from app.permissions import Actor
from app.services import audit, metering, plans, segments
from app.services.inputs import refusals

LONGEST_TRIAL_DAYS = 730


def start(
    account: Account,
    plan_code: str,
    *,
    version: int | None = None,
    start_at: datetime | None = None,
    anchor: Anchor = Anchor.calendar,
    trial_days: int = 0,
    actor: Actor,
) -> Subscription:
    """Put an account on a plan from `start_at` (by default now) on, which is moved back to a 15-minute
    border.

    The version is the one in effect at the start unless its number is given, and stays: who subscribed keeps
    the prices. Usage since a start in the past is charged by the new prices at once. For the local days of a
    trial, the day of the start being the first, nothing is charged.

    Raises:
        NotFound: there is no such plan or version.
        Invalid: nothing of the plan is published for that day, the plan is no longer offered, or a trial of
            that length is not given.
        CurrencyMismatch: the version has no price in the account's currency.
        Overlapping: the account is on that plan in the same time.
    """
    start_at = bucket_start(start_at or clock.now())
    if not 0 <= trial_days <= LONGEST_TRIAL_DAYS:
        message = f"A trial lasts from 0 to {LONGEST_TRIAL_DAYS} days."
        raise Invalid.at("/trial_days", message, code="out_of_range")
    chosen = version_to_sell(plan_code, version, start_at, account.currency)
    first_day = local_date(start_at, account.timezone)
    subscription = Subscription(
        account=account,
        plan=chosen.plan,
        version=chosen,
        anchor=anchor,
        anchor_on=first_day if anchor is Anchor.anniversary else None,
        start_at=start_at,
        trial_end_at=day_start(first_day + timedelta(days=trial_days), account.timezone)
        if trial_days
        else None,
    )
    segments.add(subscription)
    segments.settle([subscription], clock.now())
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
            "trial_end_at": subscription.trial_end_at,
        },
    )
    metering.adopt(subscription)
    return subscription


def end(subscription: Subscription, *, at: datetime, reason: str | None = None, actor: Actor) -> Subscription:
    """Cancel a subscription at `at`, moved back to a 15-minute border; one that has not begun by then never
    begins. Usage after an end in the past is no longer charged by it. An end that is still to come is
    replaced, a change that is scheduled for later never happens.

    Returns the segment that ends then.

    Raises:
        IllegalTransition: it has ended already.
        Overlapping: an end that is moved to a later day meets another subscription to the plan.
    """
    line, now = segments.of(subscription), clock.now()
    latest, running = segments.last(line), segments.current(line, now)
    if latest.ended_by is Ending.cancel and latest.end_at is not None and latest.end_at <= now:
        with refusals():
            move("subscription", SubscriptionStatus.ended, SubscriptionStatus.ended)
    at = max(bucket_start(at), running.start_at)
    if latest.end_at is not None and latest.end_at <= at:
        # Paused, or to end before: only the cause changes for what is over by now.
        until = latest.end_at if latest.ended_by is Ending.pause else at
        segments.extend(latest, until, Ending.cancel, reason)
    else:
        segments.cut(line, at, Ending.cancel, reason)
    segments.settle(line, now)
    ended = segments.last(line)
    audit.record(
        actor,
        "subscription.ended",
        ended,
        summary=f"{ended.account.name} leaves {ended.version.label}",
        after={"end_at": ended.end_at, "end_reason": reason},
    )
    metering.rebuild(ended.account_id, since=min(at, ended.end_at or at))
    return ended


def get(subscription_id: UUID) -> Subscription:
    """Return the segment with this id, its account, plan and version loaded.

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
    return segments.cycle(subscription)


def version_to_sell(plan_code: str, number: int | None, at: datetime, currency: str) -> PlanVersion:
    """Return the version of a plan that is sold at an instant, or the one of that number.

    Raises:
        NotFound: there is no such plan or version.
        Invalid: nothing of the plan is published for that day, or the plan is no longer offered.
        CurrencyMismatch: it has no price in that currency.
    """
    found = plans.find_active(plan_code, at) if number is None else plans.get_version(plan_code, number)
    if found is None:
        plan = plans.get(plan_code)
        message = f"No published version of {plan.code} is in effect on {at:%Y-%m-%d}."
        raise Invalid.at("/plan_code", message, code="not_published")
    if not found.plan.active:
        raise Invalid.at("/plan_code", f"The plan {plan_code} is no longer offered.", code="not_offered")
    if found.status is not VersionStatus.published:
        raise Invalid.at("/version", f"{found.label} is {found.status}, not published.", code="not_published")
    if not plans.has_price_in(found, currency):
        message = f"{found.label} has no price in {currency}, the currency of the account."
        raise CurrencyMismatch.at("/plan_code", message)
    return found
