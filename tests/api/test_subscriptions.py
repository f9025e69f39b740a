"""Subscriptions by the API: what is answered, and what is refused with its field."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app import clock
from app.models import Account, AuditRecord, PricePlan, Subscription
from tests import factories as make
from tests.api.conftest import Caller, NewCaller

# 16 October 2026, 10:07 in India.
NOW = datetime(2026, 10, 16, 4, 37, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: NOW)


@pytest.fixture
def account(session: Session) -> Account:
    return make.make_account()


@pytest.fixture
def basic(session: Session) -> PricePlan:
    return make.make_plan("basic", components=[make.fee("3100")])


@pytest.fixture
def running(account: Account, basic: PricePlan) -> Subscription:
    return make.make_subscription(account, basic)


def fields(answer: Any) -> list[tuple[str, str]]:
    return [(field["pointer"], field["code"]) for field in answer.json["error"]["fields"]]


def rows(session: Session) -> list[tuple[Any, ...]]:
    query = select(Subscription.id, Subscription.start_at, Subscription.end_at, Subscription.status)
    return [tuple(row) for row in session.execute(query.order_by(Subscription.id))]


def test_a_start_tells_everything(caller: Caller, account: Account, basic: PricePlan) -> None:
    body = {
        "account_id": str(account.id),
        "plan_code": "basic",
        "start_at": "2026-10-20T12:00:00+05:30",
        "anchor": "anniversary",
        "trial_days": 14,
    }
    made = caller.post("/subscriptions", body)
    assert made.status_code == 201
    data = made.json["data"]
    assert data["attributes"] == {
        "account_id": str(account.id),
        "plan_code": "basic",
        "version": 1,
        "status": "scheduled",
        "anchor": "anniversary",
        "anchor_on": "2026-10-20",
        "start_at": "2026-10-20T06:30:00Z",
        "end_at": None,
        "trial_end_at": "2026-11-02T18:30:00Z",
        "ended_by": None,
        "end_reason": None,
        "origin_id": data["id"],
        "previous_id": None,
    }
    listed = caller.get("/subscriptions", status="scheduled").json["data"]
    assert [row["id"] for row in listed] == [data["id"]]
    assert caller.get("/subscriptions", status="active").json["data"] == []
    assert fields(caller.get("/subscriptions", status="asleep")) == [("/status", "unknown_choice")]


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"trial_days": -1}, ("/trial_days", "out_of_range")),
        ({"trial_days": 731}, ("/trial_days", "out_of_range")),
        ({"trial_days": "10"}, ("/trial_days", "wrong_type")),
        ({"anchor": "moon"}, ("/anchor", "unknown_choice")),
        ({"version": 2}, None),
    ],
)
def test_a_start_that_cannot_be_is_refused(
    session: Session, caller: Caller, account: Account, basic: PricePlan, more: Any, expected: Any
) -> None:
    refused = caller.post("/subscriptions", {"account_id": str(account.id), "plan_code": "basic", **more})
    assert refused.status_code == (400 if expected else 404)
    if expected:
        assert [pointer for pointer, _ in fields(refused)] == [expected[0]]
    assert rows(session) == []


def test_an_overlap_names_its_field(
    session: Session, caller: Caller, running: Subscription, account: Account
) -> None:
    before = rows(session)
    body = {"account_id": str(account.id), "plan_code": "basic", "start_at": "2026-12-01T00:00:00Z"}
    refused = caller.post("/subscriptions", body)
    assert (refused.status_code, fields(refused)) == (409, [("/start_at", "overlapping")])
    other = make.make_subscription(account, make.make_plan("pro", components=[make.fee("6200")]))
    before = rows(session)
    refused = caller.post(f"/subscriptions/{other.id}/change", {"plan_code": "basic"})
    assert (refused.status_code, fields(refused)) == (409, [("/plan_code", "overlapping")])
    assert rows(session) == before


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"plan_code": "basic"}, ("/plan_code", "unchanged")),
        ({"plan_code": "pro", "when": "soon"}, ("/when", "not_a_moment")),
        ({"plan_code": "pro", "when": "2026-13-01"}, ("/when", "not_a_moment")),
        ({"plan_code": "pro", "when": "0001-01-01"}, ("/when", "not_a_moment")),
        ({"plan_code": "pro", "when": "2026-09-30"}, ("/when", "too_early")),
        ({"plan_code": "dollars"}, ("/plan_code", "currency_mismatch")),
        ({"plan_code": "draft"}, ("/plan_code", "not_published")),
        ({"plan_code": "draft", "version": 1}, ("/version", "not_published")),
    ],
)
def test_a_change_that_cannot_be_is_refused_and_changes_nothing(
    session: Session, caller: Caller, running: Subscription, body: Any, expected: tuple[str, str]
) -> None:
    make.make_plan("pro", components=[make.fee("6200")])
    make.make_plan("dollars", components=[make.fee("10", currency="USD")])
    make.make_plan("draft", components=[make.fee("10")], publish=False)
    before = rows(session)
    for preview in (True, False):
        refused = caller.post(f"/subscriptions/{running.id}/change", {**body, "preview": preview})
        assert (refused.status_code, fields(refused)) == (400, [expected])
    assert rows(session) == before


def test_a_preview_leaves_nothing(session: Session, caller: Caller, running: Subscription) -> None:
    make.make_plan("pro", components=[make.fee("6200")])
    before, audits = rows(session), session.scalar(select(func.count()).select_from(AuditRecord))
    for act, body in (
        ("change", {"plan_code": "pro"}),
        ("cancel", {"when": "2026-10-20"}),
        ("pause", {"when": "period_end"}),
    ):
        shown = caller.post(f"/subscriptions/{running.id}/{act}", {**body, "preview": True})
        assert (shown.status_code, shown.json["data"]["type"]) == (200, "subscription_preview")
    assert rows(session) == before
    assert session.scalar(select(func.count()).select_from(AuditRecord)) == audits


def test_a_change_of_the_day_of_the_start_replaces_it(
    session: Session, caller: Caller, account: Account, basic: PricePlan
) -> None:
    """It started at 10:00 today; today's midnight is before that, so the new plan begins at 10:00 too."""
    make.make_plan("pro", components=[make.fee("6200")])
    first = make.make_subscription(account, basic, start_at=NOW - timedelta(minutes=7))
    changed = caller.post(f"/subscriptions/{first.id}/change", {"plan_code": "pro"}).json["data"]
    assert changed["attributes"]["start_at"] == "2026-10-16T04:30:00Z"
    assert [(row[1], row[2]) for row in rows(session)] == [
        (NOW - timedelta(minutes=7), NOW - timedelta(minutes=7)),
        (NOW - timedelta(minutes=7), None),
    ]
    back = caller.post(f"/subscriptions/{changed['id']}/change", {"plan_code": "basic"}).json["data"]
    assert (back["attributes"]["plan_code"], back["attributes"]["status"]) == ("basic", "active")


def test_what_ends_is_not_changed_until_that_is_taken_back(caller: Caller, running: Subscription) -> None:
    path = f"/subscriptions/{running.id}"
    make.make_plan("pro", components=[make.fee("6200")])
    caller.post(f"{path}/cancel", {"when": "period_end"})
    refused = caller.post(f"{path}/change", {"plan_code": "pro"})
    assert (refused.status_code, refused.json["error"]["message"]) == (
        409,
        "The subscription is cancelled from 2026-11-01 on: take that back first.",
    )
    assert caller.post(f"{path}/pause", {}).status_code == 409
    assert caller.post(f"{path}/resume", {}).status_code == 409
    assert caller.post(f"{path}/undo").status_code == 200
    assert caller.post(f"{path}/change", {"plan_code": "pro"}).status_code == 200


def test_a_scheduled_change_stands_in_the_way_of_a_pause_only(caller: Caller, running: Subscription) -> None:
    path = f"/subscriptions/{running.id}"
    make.make_plan("pro", components=[make.fee("6200")])
    make.make_plan("lite", components=[make.fee("10")])
    caller.post(f"{path}/change", {"plan_code": "pro", "when": "period_end"})
    assert caller.post(f"{path}/pause", {}).status_code == 409
    replaced = caller.post(f"{path}/change", {"plan_code": "lite", "when": "period_end"})
    assert replaced.json["data"]["attributes"]["plan_code"] == "lite"
    gone = caller.post(f"{path}/cancel", {}).json["data"]["attributes"]
    assert (gone["plan_code"], gone["status"], gone["end_at"]) == ("basic", "ended", "2026-10-16T04:30:00Z")
    told = [
        (row["attributes"]["plan_code"], row["attributes"]["status"])
        for row in caller.get(f"{path}/segments").json["data"]
    ]
    assert sorted(told) == [("basic", "ended"), ("lite", "ended"), ("pro", "ended")]


def test_a_cancelled_pause_is_the_end(caller: Caller, running: Subscription) -> None:
    path = f"/subscriptions/{running.id}"
    caller.post(f"{path}/pause", {"reason": "Diwali"})
    gone = caller.post(f"{path}/cancel", {"reason": "Too dear"}).json["data"]["attributes"]
    assert (gone["status"], gone["ended_by"], gone["end_at"]) == ("ended", "cancel", "2026-10-16T04:30:00Z")
    assert caller.post(f"{path}/resume", {}).status_code == 409


@pytest.mark.parametrize("act", ["change", "cancel", "pause", "resume", "undo"])
def test_a_key_of_one_account_changes_nothing(
    session: Session, new_caller: NewCaller, running: Subscription, act: str
) -> None:
    own = new_caller("billing:read", "billing:write", account=running.account)
    before = rows(session)
    body = {"plan_code": "basic"} if act == "change" else {}
    assert own.post(f"/subscriptions/{running.id}/{act}", body).status_code == 403
    assert own.get(f"/subscriptions/{running.id}/segments").status_code == 200
    other = make.make_subscription(make.make_account(), running.plan)
    assert own.get(f"/subscriptions/{other.id}/segments").status_code == 404
    assert rows(session)[:1] == before
