"""The segments of one subscription: read together, cut, added to, and what their dates make of them.

`origin_id` holds them together. A segment that ends when it starts never begins: it is kept as a record of
what was once scheduled.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime

from psycopg.errors import ExclusionViolation
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import aliased, joinedload

from app.db import db, lock
from app.domain.periods import Cycle, day_start, local_date, period_containing
from app.errors import Overlapping
from app.models import Subscription
from app.models.plans import Ending, SubscriptionStatus


def of(subscription: Subscription) -> list[Subscription]:
    """Lock a subscription and return all its segments as they are now, by their start."""
    lock(Subscription, [subscription.origin_id])
    query = (
        select(Subscription)
        .where(Subscription.origin_id == subscription.origin_id)
        .options(
            joinedload(Subscription.account, innerjoin=True),
            joinedload(Subscription.plan, innerjoin=True),
            joinedload(Subscription.version, innerjoin=True),
        )
        .order_by(Subscription.start_at, Subscription.id)
        .execution_options(populate_existing=True)
    )
    return list(db.session.scalars(query.with_for_update(of=Subscription)))


def begins(segment: Subscription) -> bool:
    """True unless it ends when it starts."""
    return segment.end_at is None or segment.end_at > segment.start_at


def last(segments: Sequence[Subscription]) -> Subscription:
    """Return the last segment that begins; the very last where none does."""
    return next((each for each in reversed(segments) if begins(each)), segments[-1])


def current(segments: Sequence[Subscription], at: datetime) -> Subscription:
    """Return the segment of an instant; else the latest before it, else the first to come."""
    begun = [each for each in segments if begins(each)] or list(segments)
    return next((each for each in reversed(begun) if each.start_at <= at), begun[0])


def status_at(segment: Subscription, at: datetime, *, followed: bool) -> SubscriptionStatus:
    """Return where a segment stands at an instant; `followed`: a later one has begun by then."""
    if segment.end_at is not None and (segment.end_at <= at or not begins(segment)):
        waits = segment.ended_by is Ending.pause and not followed and begins(segment)
        return SubscriptionStatus.paused if waits else SubscriptionStatus.ended
    if at < segment.start_at:
        return SubscriptionStatus.scheduled
    if segment.trial_end_at is not None and at < segment.trial_end_at:
        return SubscriptionStatus.trialing
    return SubscriptionStatus.active


def settle(segments: Sequence[Subscription], at: datetime) -> None:
    """Write down where each segment of a subscription stands at an instant."""
    for segment in segments:
        followed = any(
            each.start_at <= at and begins(each) and each.start_at >= (segment.end_at or each.start_at)
            for each in segments
            if each is not segment
        )
        segment.status = status_at(segment, at, followed=followed)
    db.session.flush()


def settle_all(at: datetime) -> int:
    """Write down where the segments stand whose dates have passed since; return how many changed."""
    later = aliased(Subscription)
    resumed = select(later.id).where(
        later.previous_id == Subscription.id, later.start_at <= at, later.status != SubscriptionStatus.ended
    )
    moved = (
        ((Subscription.status == SubscriptionStatus.scheduled) & (Subscription.start_at <= at))
        | ((Subscription.status == SubscriptionStatus.trialing) & (Subscription.trial_end_at <= at))
        | (
            Subscription.status.in_((SubscriptionStatus.trialing, SubscriptionStatus.active))
            & (Subscription.end_at <= at)
        )
        | ((Subscription.status == SubscriptionStatus.paused) & resumed.exists())
    )
    found = list(db.session.scalars(select(Subscription).where(moved).order_by(Subscription.origin_id)))
    origins = {each.origin_id: each for each in found}
    for each in origins.values():
        settle(of(each), at)
    return len(found)


def cut(segments: Sequence[Subscription], at: datetime, by: Ending, reason: str | None = None) -> None:
    """End the segment of an instant there; those that would start then or later never begin."""
    for segment in segments:
        if begins(segment) and (segment.end_at is None or segment.end_at > at):
            segment.end_at = max(at, segment.start_at)
            segment.ended_by, segment.end_reason = by, reason
    db.session.flush()


def extend(segment: Subscription, until: datetime | None, by: Ending | None, reason: str | None) -> None:
    """Let a segment end elsewhere or not at all.

    Raises:
        Overlapping: the account is on that plan by another subscription then.
    """
    with _refusing_overlaps(segment.plan.code, segment.start_at, "/when"), db.session.begin_nested():
        segment.end_at, segment.ended_by, segment.end_reason = until, by, reason


def add(segment: Subscription, pointer: str = "/start_at") -> Subscription:
    """Store a new segment.

    Raises:
        Overlapping: the account is on that plan in the same time; `pointer` names the field.
    """
    with _refusing_overlaps(segment.plan.code, segment.start_at, pointer), db.session.begin_nested():
        db.session.add(segment)
    return segment


def cycle(segment: Subscription) -> Cycle:
    """Return how its time is cut into billing periods: in its account's zone, by its version's interval."""
    return Cycle(segment.version.interval, segment.account.timezone, segment.anchor_on)


def local_day(segment: Subscription, at: datetime) -> date:
    """Return the day of an instant in the account's zone, as people are told it."""
    return local_date(at, segment.account.timezone)


def midnight(segment: Subscription, at: datetime) -> datetime:
    """Return the start of the local day of an instant."""
    return day_start(local_day(segment, at), segment.account.timezone)


def period_end(segment: Subscription, at: datetime) -> datetime:
    """Return the end of the billing period that holds an instant, or the first one to come."""
    return period_containing(max(at, segment.start_at), cycle(segment)).end


@contextmanager
def _refusing_overlaps(plan_code: str, since: datetime, pointer: str) -> Iterator[None]:
    try:
        yield
    except IntegrityError as error:
        if isinstance(error.orig, ExclusionViolation):
            message = f"The account is on {plan_code} already at some time after {since:%Y-%m-%d}."
            raise Overlapping.at(pointer, message) from None
        raise
