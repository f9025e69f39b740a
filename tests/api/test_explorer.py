"""The list of accepted events through the API: filters, cursors, and whose events they are."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func
from sqlalchemy.orm import Session

from app import clock
from app.models import Account, Metric
from app.services import explorer
from tests import factories
from tests.api.conftest import Caller, NewCaller
from tests.support.application import QueryCounter


@pytest.fixture
def account(app: Any) -> Account:
    return factories.make_account(external_id="acme")


@pytest.fixture
def metric(app: Any) -> Metric:
    return factories.make_metric("auth.otp", dimensions=["channel", "country"])


@pytest.fixture
def sent(caller: Caller, session: Session, account: Account, metric: Metric) -> str:
    """Five events of one instant, and one of another account an hour before; returns the instant."""
    factories.make_account(external_id="globex")
    at = clock.now().replace(microsecond=0) - timedelta(minutes=1)
    batch = [
        {
            "event_id": f"e{n}",
            "account_id": "acme",
            "metric": "auth.otp",
            "timestamp": at.isoformat(),
            "properties": {"channel": "sms" if n % 2 else "email"},
        }
        for n in range(5)
    ]
    earlier = (at - timedelta(hours=1)).isoformat()
    theirs = {"event_id": "e0", "account_id": "globex", "metric": "auth.otp", "timestamp": earlier}
    assert caller.post("/events", [*batch, theirs]).status_code == 202
    return at.isoformat()


def ids(caller: Caller, **query: Any) -> list[str]:
    """Return the event ids of all pages of a list."""
    found: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = caller.get("/events", **query, **({"cursor": cursor} if cursor else {}))
        assert page.status_code == 200, page.json
        found += [row["id"] for row in page.json["data"]]
        cursor = page.json["meta"]["next_cursor"]
    return found


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, ["e4", "e3", "e2", "e1", "e0", "e0"]),
        ({"account_id": "acme"}, ["e4", "e3", "e2", "e1", "e0"]),
        ({"event_id": "e0"}, ["e0", "e0"]),
        ({"event_id": "e0", "account_id": "globex"}, ["e0"]),
        ({"event_id": "e*", "account_id": "acme", "limit": 2}, ["e4", "e3", "e2", "e1", "e0"]),
        ({"property": "channel=sms"}, ["e3", "e1"]),
        ({"property": "channel=sms", "metric": "auth.otp", "limit": 1}, ["e3", "e1"]),
        ({"status": "counted", "limit": 4}, ["e4", "e3", "e2", "e1", "e0", "e0"]),
        ({"status": "cancelled"}, []),
    ],
)
def test_events_are_found_by_what_is_asked(
    caller: Caller, sent: str, query: dict[str, Any], found: list[str]
) -> None:
    assert ids(caller, **query) == found


@pytest.mark.parametrize("query", [{"account_id": "acme"}, {}])
def test_pages_cut_an_instant_without_gap_or_repeat(caller: Caller, sent: str, query: dict[str, Any]) -> None:
    assert ids(caller, **query, limit=2)[:5] == ["e4", "e3", "e2", "e1", "e0"]


def test_an_event_tells_whether_it_counts(caller: Caller, sent: str, account: Account) -> None:
    (row,) = caller.get("/events", event_id="e1").json["data"]
    attributes = row["attributes"]
    assert attributes.pop("received_at").endswith("Z")
    assert attributes == {
        "event_id": "e1",
        "account_id": str(account.id),
        "metric": "auth.otp",
        "timestamp": sent.replace("+00:00", "Z"),
        "quantity": "1",
        "properties": {"channel": "sms"},
        "status": "counted",
    }


@pytest.mark.parametrize(
    ("query", "status", "pointer"),
    [
        ({"property": "channel"}, 400, "/property"),
        ({"status": "lost"}, 400, "/status"),
        ({"metric": "unknown"}, 404, None),
        ({"account_id": "unknown"}, 404, None),
        ({"cursor": "zz"}, 400, "/cursor"),
        ({"account_id": "acme", "cursor": "5b5d"}, 400, "/cursor"),
    ],
)
def test_a_question_that_cannot_be_answered_says_why(
    caller: Caller, sent: str, query: dict[str, Any], status: int, pointer: str | None
) -> None:
    answer = caller.get("/events", **query)
    assert answer.status_code == status
    assert [each["pointer"] for each in answer.json["error"]["fields"]] == ([pointer] if pointer else [])


def test_a_search_that_takes_too_long_is_refused(
    caller: Caller, sent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(explorer, "LONGEST_MS", 1)
    monkeypatch.setattr(explorer, "conditions", lambda _: [func.pg_sleep(60).is_not(None)])
    answer = caller.get("/events", property="channel=sms")
    assert answer.status_code == 400
    assert [each["code"] for each in answer.json["error"]["fields"]] == ["too_broad"]


def test_a_key_of_one_account_finds_no_event_of_another(
    caller: Caller, new_caller: NewCaller, sent: str, account: Account
) -> None:
    bound = new_caller("usage:read", account=account)
    assert ids(bound, event_id="e0") == ["e0"]
    assert ids(bound, limit=2) == ["e4", "e3", "e2", "e1", "e0"]
    assert bound.get("/events", account_id="globex").status_code == 404


def test_a_page_costs_three_statements_and_none_counts_events(
    caller: Caller, sent: str, query_counter: QueryCounter
) -> None:
    caller.get("/events")
    with query_counter() as queries:
        caller.get("/events", account_id="acme")
    asked = [sql for sql in queries if "api_key" not in sql]
    assert len(asked) <= 3, asked
    assert [sql for sql in asked if "count(" in sql] == []
