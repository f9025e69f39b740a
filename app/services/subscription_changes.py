"""What happens to a subscription after it began: another plan, a pause, the way back, and taking back what is
scheduled. Each says which segment stands then; `subscriptions.end` cancels.

A moment is `now`, `period_end`, or a day in the account's zone, from its first instant on.
"""

from datetime import date, datetime

from app import clock
from app.domain.periods import bucket_start, day_start
from app.domain.states import move
from app.errors import Conflict, Invalid
from app.models import Subscription
from app.models.plans import Ending, SubscriptionStatus
from app.permissions import Actor
from app.services import audit, metering, segments, subscriptions
from app.services.inputs import refusals

NOW, PERIOD_END = "now", "period_end"
FIRST_YEAR, LAST_YEAR = 1970, 9000


def moment(subscription: Subscription, when: str, at: datetime) -> datetime:
    """Return the instant that `when` names for a subscription at `at`: `now`, `period_end`, or `2026-11-15`.

    Raises:
        Invalid: it is none of them.
    """
    if when == NOW:
        return bucket_start(at)
    if when == PERIOD_END:
        return segments.period_end(subscription, at)
    return day_start(day_of(when), subscription.account.timezone)


def day_of(when: str) -> date:
    """Return the day that `when` names.

    Raises:
        Invalid: it names none.
    """
    try:
        day = date.fromisoformat(when)
    except ValueError:
        day = date.min
    if not FIRST_YEAR <= day.year <= LAST_YEAR:
        message = "Write now, period_end, or a day such as 2026-11-15."
        raise Invalid.at("/when", message, code="not_a_moment")
    return day


def moment_of(subscription: Subscription, when: str) -> datetime:
    """Return the instant that `when` names now, by the segment that stands now.

    Raises:
        Invalid: it is no moment.
    """
    at = clock.now()
    return moment(segments.current(segments.of(subscription), at), when, at)


def change(
    subscription: Subscription,
    plan_code: str,
    *,
    version: int | None = None,
    when: str = NOW,
    at: datetime | None = None,
    actor: Actor,
) -> Subscription:
    """Put a subscription on another plan or version, and return the segment that begins then.

    It begins on a local midnight: the day of the change belongs to the new plan, so `now` is the start of
    today. A change that is scheduled already is replaced. Anchor and trial go on.

    Raises:
        NotFound, CurrencyMismatch: as `subscriptions.start` says.
        Invalid: as `subscriptions.start` says; it is on that version then; the moment is none, or before the
            present prices began.
        Conflict: it is paused, or will end.
        IllegalTransition: it has ended.
        Overlapping: the account is on that plan by another subscription.
    """
    at = at or clock.now()
    line = segments.of(subscription)
    running = segments.current(line, at)
    _check_goes_on(line, at)
    begins_at = moment(running, when, at)
    if when == NOW:
        begins_at = max(segments.midnight(running, at), running.start_at)
    _check_not_before(running, begins_at)
    chosen = subscriptions.version_to_sell(plan_code, version, begins_at, running.account.currency)
    if chosen.id == running.plan_version_id:
        message = f"The account is on {chosen.label} already."
        raise Invalid.at("/plan_code", message, code="unchanged")
    segments.cut(line, begins_at, Ending.change)
    new = _follow(running, begins_at, plan=chosen.plan, version=chosen)
    segments.add(new, "/plan_code")
    segments.settle([*line, new], at)
    audit.record(
        actor,
        "subscription.changed",
        new,
        summary=f"{new.account.name} changes from {running.version.label} to {chosen.label}",
        at=at,
        before={"version": running.version.label},
        after={"version": chosen.label, "start_at": begins_at},
    )
    metering.rebuild(new.account_id, since=begins_at)
    return new


def pause(
    subscription: Subscription,
    *,
    when: str = NOW,
    reason: str | None = None,
    at: datetime | None = None,
    actor: Actor,
) -> Subscription:
    """Let a subscription rest: from then on nothing is owed and usage is denied, until it is resumed. Returns
    the segment that ends.

    Raises:
        Invalid: the moment is none, or before the present prices began.
        Conflict: it is paused, will end, or will change: take that back first.
        IllegalTransition: it has ended.
    """
    at = at or clock.now()
    line = segments.of(subscription)
    running = segments.current(line, at)
    _check_goes_on(line, at)
    if segments.last(line) is not running:
        raise Conflict("A change is scheduled: take it back first.")
    ends_at = moment(running, when, at)
    _check_not_before(running, ends_at)
    segments.cut(line, ends_at, Ending.pause, reason)
    segments.settle(line, at)
    audit.record(
        actor,
        "subscription.paused",
        running,
        summary=f"{running.account.name} pauses {running.version.label}",
        at=at,
        after={"end_at": ends_at, "end_reason": reason},
    )
    metering.rebuild(running.account_id, since=ends_at)
    return running


def resume(
    subscription: Subscription, *, when: str = NOW, at: datetime | None = None, actor: Actor
) -> Subscription:
    """Let a paused subscription go on with the version, the anchor and what is left of the trial that it had;
    return the segment that begins.

    Raises:
        Invalid: the moment is none, or before the pause began.
        IllegalTransition: it is not paused.
        Overlapping: the account is on the plan by another subscription.
    """
    at = at or clock.now()
    line = segments.of(subscription)
    paused = segments.last(line)
    if paused.ended_by is not Ending.pause or paused.end_at is None:
        with refusals():
            move("subscription", paused.status, SubscriptionStatus.active)
        raise Conflict("The subscription is not paused.")
    begins_at = moment(paused, when, at)
    if begins_at < paused.end_at:
        message = f"The pause began on {segments.local_day(paused, paused.end_at)}: choose a later day."
        raise Invalid.at("/when", message, code="too_early")
    new = segments.add(_follow(paused, begins_at, plan=paused.plan, version=paused.version), "/when")
    segments.settle([*line, new], at)
    audit.record(
        actor,
        "subscription.resumed",
        new,
        summary=f"{new.account.name} resumes {new.version.label}",
        at=at,
        after={"start_at": begins_at},
    )
    metering.rebuild(new.account_id, since=begins_at)
    return new


def take_back(subscription: Subscription, *, at: datetime | None = None, actor: Actor) -> Subscription:
    """Take back what is scheduled for a subscription: a change, a pause, a cancellation, or the end of a
    pause. Return the segment that goes on.

    Raises:
        Conflict: nothing is scheduled.
        Overlapping: the account is on the plan by another subscription then.
    """
    at = at or clock.now()
    line = segments.of(subscription)
    running = segments.current(line, at)
    coming = [each for each in line if segments.begins(each) and each.start_at > at and each is not running]
    reopened = running.end_at is not None and running.end_at > at and segments.begins(running)
    if not coming and not reopened:
        raise Conflict("Nothing is scheduled for this subscription.")
    since = min(each.start_at for each in coming) if coming else running.end_at
    assert since is not None
    for each in coming:
        segments.extend(each, each.start_at, Ending.cancel, "Taken back")
    if reopened:
        segments.extend(running, None, None, None)
    segments.settle(line, at)
    audit.record(
        actor,
        "subscription.kept",
        running,
        summary=f"What was scheduled for {running.account.name} on {running.version.label} was taken back",
        at=at,
        before={"at": since},
    )
    metering.rebuild(running.account_id, since=since)
    return running


def _check_goes_on(line: list[Subscription], at: datetime) -> None:
    """Raise unless the subscription is open-ended."""
    latest = segments.last(line)
    if latest.end_at is None:
        return
    if latest.end_at > at and segments.begins(latest):
        verb = "paused" if latest.ended_by is Ending.pause else "cancelled"
        day = segments.local_day(latest, latest.end_at)
        raise Conflict(f"The subscription is {verb} from {day} on: take that back first.")
    if latest.ended_by is Ending.pause:
        raise Conflict("The subscription is paused: resume it first.")
    with refusals():
        move("subscription", SubscriptionStatus.ended, SubscriptionStatus.active)


def _check_not_before(running: Subscription, at: datetime) -> None:
    if at < running.start_at:
        day = segments.local_day(running, running.start_at)
        message = f"{running.version.label} began on {day}: choose that day or later."
        raise Invalid.at("/when", message, code="too_early")


def _follow(before: Subscription, start_at: datetime, **on: object) -> Subscription:
    trial = before.trial_end_at
    return Subscription(
        account=before.account,
        anchor=before.anchor,
        anchor_on=before.anchor_on,
        start_at=start_at,
        trial_end_at=trial if trial is not None and trial > start_at else None,
        origin_id=before.origin_id,
        previous_id=before.id,
        **on,
    )
