"""Where segments stand as time passes, and two who change one subscription at once."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.orm import Session

from app import clock
from app.models import Subscription
from app.services import segments, subscription_changes, subscriptions
from tests import factories as make

START = make.START
DAY = timedelta(days=1)


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> list[datetime]:
    """The present, which a test may move."""
    now = [START - DAY]
    monkeypatch.setattr(clock, "now", lambda: now[0])
    return now


def statuses(subscription: Subscription) -> list[str]:
    return [str(each.status) for each in segments.of(subscription)]


def test_time_alone_moves_a_subscription_through_its_states(session: Session, at: list[datetime]) -> None:
    subscription = make.make_subscription(trial_days=5)
    assert statuses(subscription) == ["scheduled"]
    subscription_changes.pause(subscription, when="2026-10-11", actor=make.ACTOR)
    subscription_changes.resume(subscription, when="2026-10-21", actor=make.ACTOR)
    subscriptions.end(subscription, at=START + 30 * DAY, actor=make.ACTOR)
    told = []
    for days in (0, 4, 5, 9, 10, 19, 20, 29, 30):
        at[0] = START + days * DAY
        changed = segments.settle_all(at[0])
        told.append((days, changed, statuses(subscription)))
    assert told == [
        (0, 1, ["trialing", "scheduled"]),
        (4, 0, ["trialing", "scheduled"]),
        (5, 1, ["active", "scheduled"]),
        (9, 0, ["active", "scheduled"]),
        (10, 1, ["paused", "scheduled"]),
        (19, 0, ["paused", "scheduled"]),
        (20, 2, ["ended", "active"]),
        (29, 0, ["ended", "active"]),
        (30, 1, ["ended", "ended"]),
    ]
    assert segments.settle_all(at[0]) == 0


def test_a_segment_that_never_begins_is_over_at_once(session: Session, at: list[datetime]) -> None:
    subscription = make.make_subscription()
    plan = make.make_plan(components=[make.fee("10")])
    changed = subscription_changes.change(subscription, plan.code, when="2026-10-11", actor=make.ACTOR)
    assert statuses(subscription) == ["scheduled", "scheduled"]
    kept = subscription_changes.take_back(subscription, actor=make.ACTOR)
    assert (kept.id, statuses(subscription)) == (subscription.id, ["scheduled", "ended"])
    assert (changed.start_at, changed.end_at) == (changed.start_at, changed.start_at)
    assert changed.end_reason == "Taken back"


def test_any_segment_stands_for_its_subscription(session: Session, at: list[datetime]) -> None:
    first = make.make_subscription()
    at[0] = datetime(2026, 10, 16, 6, 30, tzinfo=UTC)
    plans = [make.make_plan(components=[make.fee(str(n))]) for n in (10, 20)]
    second = subscription_changes.change(first, plans[0].code, actor=make.ACTOR)
    third = subscription_changes.change(first, plans[1].code, when="2026-10-20", actor=make.ACTOR)
    assert (third.previous_id, third.origin_id) == (second.id, first.id)
    ended = subscriptions.end(first, at=datetime(2026, 10, 25, tzinfo=UTC), actor=make.ACTOR)
    assert ended.id == third.id
    assert [each.id for each in segments.of(second)] == [first.id, second.id, third.id]
