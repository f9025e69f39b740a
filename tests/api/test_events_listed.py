from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.orm import Session

from app import clock
from app.models import Account, Metric
from tests import factories
from tests.api.conftest import Caller, NewCaller


@pytest.fixture
def account(app: Any) -> Account:
    return factories.make_account(external_id="acme")


@pytest.fixture
def metric(app: Any) -> Metric:
    return factories.make_metric("auth.otp", dimensions=["channel", "country"])


def event(event_id: str = "otp-1", **more: Any) -> dict[str, Any]:
    return {"event_id": event_id, "account_id": "acme", "metric": "auth.otp", **more}


def test_events_are_listed_newest_first_page_by_page(
    caller: Caller, session: Session, account: Account, metric: Metric
) -> None:
    newest = clock.now().replace(microsecond=0)
    batch = [event(f"e{n}", timestamp=(newest - timedelta(minutes=n)).isoformat()) for n in range(5)]
    caller.post("/events", batch)

    seen: list[str] = []
    cursor = None
    pages = 0
    while pages == 0 or cursor:
        page = caller.get(
            "/events", account_id="acme", limit=2, **({"cursor": cursor} if cursor else {})
        ).json
        seen += [row["id"] for row in page["data"]]
        cursor = page["meta"]["next_cursor"]
        pages += 1

    assert (seen, pages) == (["e0", "e1", "e2", "e3", "e4"], 3)


def test_the_list_of_events_takes_a_metric_and_a_half_open_time(
    caller: Caller, session: Session, account: Account, metric: Metric
) -> None:
    factories.make_metric("other")
    start = clock.now().replace(microsecond=0) - timedelta(hours=2)
    at: Sequence[datetime] = [start, start + timedelta(minutes=10)]
    caller.post(
        "/events",
        [
            event("a", timestamp=at[0].isoformat()),
            event("b", timestamp=at[1].isoformat()),
            event("c", metric="other"),
        ],
    )

    response = caller.get(
        "/events", **{"metric": "auth.otp", "from": at[0].isoformat(), "to": at[1].isoformat()}
    )

    assert [row["attributes"]["event_id"] for row in response.json["data"]] == ["a"]
    assert response.json["data"][0]["attributes"]["metric"] == "auth.otp"


def test_a_key_of_one_account_lists_its_own_events_only(
    caller: Caller, new_caller: NewCaller, session: Session, account: Account, metric: Metric
) -> None:
    globex = factories.make_account(external_id="globex")
    caller.post("/events", [event(), event("theirs", account_id="globex")])
    bound = new_caller("usage:read", account=globex)

    assert [row["id"] for row in bound.get("/events").json["data"]] == ["theirs"]
    assert bound.get("/events", account_id="acme").status_code == 404
