"""Subscriptions at the desk: what would happen is shown with its amounts, and done when it is confirmed."""

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy.orm import Session

from app import clock
from app.db import db
from app.models import AuditRecord, PlanMove, PlanMoveItem, Subscription
from app.permissions import Role
from app.services import plans
from jobs import plan_moves as move_jobs
from tests import factories as make
from tests.admin.conftest import Desk, Person

# 16 October 2026, 10:00 in India.
AT = datetime(2026, 10, 16, 4, 30, tzinfo=UTC)


@pytest.fixture
def subscription(session: Session, monkeypatch: pytest.MonkeyPatch) -> Subscription:
    """₹3,100 a month since 1 October."""
    monkeypatch.setattr(clock, "now", lambda: AT)
    return make.make_subscription(plan=make.make_plan("basic", name="Basic", components=[make.fee("3100")]))


def operation(subscription: Subscription, name: str) -> str:
    return f"/admin/subscriptions/operation/{name}/?id={subscription.id}"


def words(answer: Any) -> str:
    """Return what a page says, without its tags."""
    text = re.sub(r"<[^>]+>", " ", answer.get_data(as_text=True))
    return re.sub(r"\s+", " ", text)


def segments() -> list[tuple[str, str]]:
    rows = db.session.query(Subscription).order_by(Subscription.start_at, Subscription.id)
    return [(row.plan.code, row.status) for row in rows]


def test_a_change_is_shown_and_then_done(desk: Person, subscription: Subscription) -> None:
    """15 of 31 days of 3,100 are 1,500; 16 of 6,200 are 3,200."""
    pro = make.make_plan("pro", name="Pro", components=[make.fee("6200")])
    path = operation(subscription, "change")
    assert "The day of the change belongs to the new plan." in desk.text(path)
    given = {"plan": str(pro.id), "version": "", "when": "now", "day": ""}
    answer = desk.post(path, given)
    assert answer.status_code == 200
    told = words(answer)
    assert "Change plan: pro v1, effective 16 Oct 2026, 00:00" in told
    assert "Nothing has changed yet." in told
    for part in (
        "Fee, 1 Oct 2026 to 15 Oct 2026",
        "₹1,500.00",
        "Fee, 16 Oct 2026 to 31 Oct 2026",
        "₹3,200.00",
    ):
        assert part.replace("Fee", "Platform fee") in told
    assert segments() == [("basic", "active")]
    assert f'name="plan" value="{pro.id}"' in answer.get_data(as_text=True)

    assert desk.post(path, {**given, "step": "do"}).status_code == 302
    assert segments() == [("basic", "ended"), ("pro", "active")]
    new = db.session.query(Subscription).filter_by(previous_id=subscription.id).one()
    page = desk.text(f"/admin/subscriptions/details/?id={new.id}")
    assert "basic v1" in page
    assert "Another plan or version" in page


def test_a_pause_a_resumption_and_what_is_offered(desk: Person, subscription: Subscription) -> None:
    page = desk.text(f"/admin/subscriptions/details/?id={subscription.id}")
    offered = ("change", "pause", "cancel", "resume", "take_back")
    assert [name for name in offered if f"/operation/{name}/" in page] == ["change", "pause", "cancel"]
    given = {"when": "now", "day": "", "reason": "Diwali", "step": "do"}
    assert desk.post(operation(subscription, "pause"), given).status_code == 302
    assert segments() == [("basic", "paused")]
    page = desk.text(f"/admin/subscriptions/details/?id={subscription.id}")
    assert [name for name in offered if f"/operation/{name}/" in page] == ["cancel", "resume"]
    assert "Paused: Diwali" in page
    answer = desk.post(operation(subscription, "resume"), {"when": "now", "day": "", "step": "do"})
    assert answer.status_code == 302
    assert segments() == [("basic", "ended"), ("basic", "active")]


def test_a_cancellation_for_a_day_is_taken_back(desk: Person, subscription: Subscription) -> None:
    path = operation(subscription, "cancel")
    missing = desk.post(path, {"when": "day", "day": "", "reason": "Too dear"})
    assert missing.status_code == 422
    assert "Choose the day." in words(missing)
    given = {"when": "day", "day": "2026-10-20", "reason": "Too dear", "step": "do"}
    assert desk.post(path, given).status_code == 302
    assert subscription.end_at == datetime(2026, 10, 19, 18, 30, tzinfo=UTC)
    assert desk.post(operation(subscription, "take_back")).status_code == 302
    db.session.refresh(subscription)
    assert (subscription.end_at, subscription.ended_by) == (None, None)
    found = db.session.query(AuditRecord).filter_by(resource_type="Subscription")
    assert sorted(row.action for row in found) == [
        "subscription.ended",
        "subscription.kept",
        "subscription.started",
    ]


def test_who_may_only_read_sees_the_timeline_and_no_button(at_desk: Desk, subscription: Subscription) -> None:
    person = at_desk(Role.support)
    page = person.text(f"/admin/subscriptions/details/?id={subscription.id}")
    assert "Timeline" in page
    assert "/operation/" not in page
    assert person.post(operation(subscription, "cancel"), {"when": "now", "reason": "x"}).status_code == 403
    assert segments() == [("basic", "active")]


def test_many_are_moved_after_a_look(desk: Person, subscription: Subscription) -> None:
    version = plans.add_version(subscription.plan, actor=make.ACTOR)
    plans.publish(version, at=AT, actor=make.ACTOR)
    path = "/admin/plan-moves/operation/move/"
    given = {
        "plan": str(subscription.plan_id),
        "to_version": "2",
        "from_version": "",
        "when": "period_end",
        "day": "",
    }
    looked = desk.post(path, given)
    assert looked.status_code == 200
    told = words(looked)
    assert "1 of 1 subscriptions would move to basic v2." in told
    assert "1 Nov 2026, 00:00" in told
    assert db.session.query(PlanMove).count() == 0
    done = desk.post(path, {**given, "step": "do"})
    move = db.session.query(PlanMove).one()
    assert done.location == f"/admin/plan-moves/details/?id={move.id}"
    move_jobs.move_subscriptions(str(move.id))
    db.session.expire_all()
    assert [row.status for row in db.session.query(PlanMoveItem)] == ["moved"]
    assert segments() == [("basic", "active"), ("basic", "scheduled")]
    assert subscription.account.name in desk.text(done.location)


def test_an_account_is_put_on_a_plan_from_a_day_with_a_trial(
    desk: Person, subscription: Subscription
) -> None:
    other = make.make_account()
    given = {
        "plan": str(subscription.plan_id),
        "start_on": "2026-10-10",
        "anchor": "anniversary",
        "trial_days": "14",
    }
    assert desk.post(f"/admin/accounts/operation/subscribe/?id={other.id}", given).status_code == 302
    made = db.session.query(Subscription).filter_by(account_id=other.id).one()
    assert (made.start_at, made.trial_end_at, str(made.anchor_on), made.status) == (
        datetime(2026, 10, 9, 18, 30, tzinfo=UTC),
        datetime(2026, 10, 23, 18, 30, tzinfo=UTC),
        "2026-10-10",
        "trialing",
    )


def test_the_page_of_a_segment_that_is_over_leads_to_the_one_that_stands(
    desk: Person, subscription: Subscription
) -> None:
    pro = make.make_plan("pro", name="Pro", components=[make.fee("6200")])
    given = {"plan": str(pro.id), "version": "", "when": "now", "day": "", "step": "do"}
    answer = desk.post(operation(subscription, "change"), given)
    new = db.session.query(Subscription).filter_by(previous_id=subscription.id).one()
    page = desk.text(answer.location)
    assert f'goes on with <a href="/admin/subscriptions/details/?id={new.id}">pro v1</a>, active.' in page
