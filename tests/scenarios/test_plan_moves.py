"""Who subscribed keeps the prices, until the subscriptions are moved to another version."""

from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.models import PlanMove, Subscription
from jobs import plan_moves as move_jobs
from tests.scenarios.subscribing import Story, check_books, fee, ist, open_shop, otp

PATH = "/pricing/basic/versions/2/migrate"


@pytest.fixture
def story(session: Session, client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> Iterator[Story]:
    """Two accounts on the first version of `basic`; the second costs 6,200 a month."""
    story = open_shop(client, monkeypatch, ist("2026-10-01 09:00"))
    for name in ("acme", "beta"):
        story.open_account(name)
        story.subscribe("basic", "2026-10-01", account=name)
    body = {"components": [fee("6200"), otp("1")]}
    story.call("POST", "/pricing/basic/versions", body, 201)
    story.call("POST", "/pricing/basic/versions/2/publish")
    story.at = ist("2026-10-16 10:00")
    yield story
    check_books(story)


def counts(story: Story, move: Any) -> dict[str, int]:
    """Let a worker do the move; return what became of how many subscriptions."""
    move_jobs.move_subscriptions(move["id"])
    found = story.call("GET", f"/plan-moves/{move['id']}")["attributes"]
    assert found["status"] == "done"
    return {name: number for name, number in found["counts"].items() if number}


def test_a_new_version_changes_nothing_for_who_is_there(story: Story) -> None:
    assert story.bill("2026-10", "2026-11-01") == [("Fee, 1 Oct 2026 to 31 Oct 2026", "3100.00")]


def test_a_move_is_shown_first_and_writes_nothing(session: Session, story: Story) -> None:
    shown = story.call("POST", PATH, {"preview": True})["attributes"]
    assert (shown["plan_version"], shown["count"]) == ("basic v2", 2)
    assert [
        (row["from_version"], row["to_version"], row["at"], row["problem"]) for row in shown["subscriptions"]
    ] == [("basic v1", "basic v2", "2026-10-31T18:30:00Z", None)] * 2
    assert session.scalar(select(func.count()).select_from(PlanMove)) == 0
    assert session.scalar(select(func.count()).select_from(Subscription)) == 2


def test_all_are_moved_at_the_end_of_their_period_and_once(session: Session, story: Story) -> None:
    """October is 3,100 by the first version, November 6,200 by the second."""
    move = story.call("POST", PATH, {"from_version": 1}, 202)
    assert counts(story, move) == {"moved": 2}
    items = story.call("GET", f"/plan-moves/{move['id']}/subscriptions", limit=200)
    assert [(row["attributes"]["status"], row["attributes"]["at"]) for row in items] == [
        ("moved", "2026-10-31T18:30:00Z")
    ] * 2
    again = story.call("POST", PATH, {"from_version": 1}, 202)
    assert counts(story, again) == {"unchanged": 2}
    assert counts(story, move) == {"moved": 2}
    assert session.scalar(select(func.count()).select_from(Subscription)) == 4
    assert story.bill("2026-10", "2026-11-01") == [("Fee, 1 Oct 2026 to 31 Oct 2026", "3100.00")]
    assert story.bill("2026-11", "2026-12-01") == [("Fee, 1 Nov 2026 to 30 Nov 2026", "6200.00")]


def test_one_is_moved_on_a_day(story: Story) -> None:
    """15 days at 100 are 1,500, 16 at 200 are 3,200."""
    (row,) = story.call("GET", "/subscriptions", account_id="acme")
    body = {"subscription_ids": [row["id"]], "when": "2026-10-16"}
    assert counts(story, story.call("POST", PATH, body, 202)) == {"moved": 1}
    assert story.bill("2026-10", "2026-11-01") == [
        ("Fee, 1 Oct 2026 to 15 Oct 2026", "1500.00"),
        ("Fee, 16 Oct 2026 to 31 Oct 2026", "3200.00"),
    ]
    (other,) = story.call("GET", "/subscriptions", account_id="beta")
    assert other["attributes"]["version"] == 1


def test_what_cannot_be_moved_says_why_and_stops_no_other(story: Story) -> None:
    (row,) = story.call("GET", "/subscriptions", account_id="beta")
    story.act(row["id"], "cancel", when="period_end")
    shown = story.call("POST", PATH, {"preview": True})["attributes"]["subscriptions"]
    assert [each["problem"] for each in shown] == [None, "It ends on 2026-11-01, or changes then."]
    assert counts(story, story.call("POST", PATH, {}, 202)) == {"moved": 1, "unchanged": 1}


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        ({"when": "now"}, "/when", "not_a_moment"),
        ({"when": "soon"}, "/when", "not_a_moment"),
        ({"subscription_ids": ["5b0c9c1e-6f0e-4a53-9f5d-3d1d0a3f9a11"]}, "/subscription_ids", "not_found"),
    ],
)
def test_what_is_asked_for_wrongly_is_refused(story: Story, body: Any, pointer: str, code: str) -> None:
    refused = story.call("POST", PATH, body, 400)
    assert [(field["pointer"], field["code"]) for field in refused["fields"]] == [(pointer, code)]


def test_a_draft_is_no_version_to_move_to(story: Story) -> None:
    story.call("POST", "/pricing/basic/versions", {}, 201)
    refused = story.call("POST", "/pricing/basic/versions/3/migrate", {"preview": True}, 400)
    assert refused["message"] == "basic v3 is draft, not published."
