"""Usage and entitlements through the API."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from app import clock
from app.models import Account, Metric
from app.services import keys
from tests.factories import ACTOR, make_account, make_metric
from tests.services.metered import a_rupee_each, add_usage, meter

MIDNIGHT = datetime(2026, 10, 31, 18, 30, tzinfo=UTC)
WINDOW = "from=2026-10-30T00:00:00Z&to=2026-11-02T00:00:00Z"


@pytest.fixture
def get(client: FlaskClient, session: Session) -> Any:
    """Ask the API with a key that may read usage, of every account unless one is given."""

    def ask(path: str, account: Account | None = None) -> Any:
        secret = keys.create("test", scopes=["usage:read"], account=account, actor=ACTOR, at=clock.now())[1]
        answer = client.get(f"/api/v1{path}", headers={"Authorization": f"Bearer {secret}"})
        return answer.status_code, answer.get_json()

    return ask


@pytest.fixture
def used(session: Session) -> tuple[Account, Metric]:
    """An account that used 1 before and 2 at Indian midnight."""
    account, metric = make_account(external_id="shop-1"), make_metric()
    add_usage(account, metric, 1, at=MIDNIGHT - timedelta(minutes=1), channel="sms")
    add_usage(account, metric, 2, at=MIDNIGHT, channel="email")
    meter()
    return account, metric


def test_usage_has_a_row_for_each_of_the_accounts_days(get: Any, used: tuple[Account, Metric]) -> None:
    status, answer = get(f"/usage?account_id=shop-1&{WINDOW}")
    code = used[1].code
    assert status == 200
    assert [each["attributes"] for each in answer["data"]] == [
        {
            "start": "2026-10-30T18:30:00Z",
            "end": "2026-10-31T18:30:00Z",
            "metric": code,
            "dimensions": {},
            "quantity": "1",
            "events": 1,
        },
        {
            "start": "2026-10-31T18:30:00Z",
            "end": "2026-11-01T18:30:00Z",
            "metric": code,
            "dimensions": {},
            "quantity": "2",
            "events": 1,
        },
    ]


def test_usage_comes_in_pages_by_dimension(get: Any, used: tuple[Account, Metric]) -> None:
    path = (
        f"/usage?account_id=shop-1&metric={used[1].code}&granularity=hour&group_by=channel&limit=1&{WINDOW}"
    )
    status, first = get(path)
    _, second = get(f"{path}&cursor={first['meta']['next_cursor']}")
    rows = [each["attributes"] for each in first["data"] + second["data"]]
    assert status == 200
    assert [(row["start"], row["dimensions"], row["quantity"]) for row in rows] == [
        ("2026-10-31T17:30:00Z", {"channel": "sms"}, "1"),
        ("2026-10-31T18:30:00Z", {"channel": "email"}, "2"),
    ]
    assert second["meta"]["next_cursor"] is None


@pytest.mark.parametrize(
    ("query", "status", "pointer"),
    [
        ("", 400, "/account_id"),
        ("account_id=shop-1&granularity=minute", 400, "/granularity"),
        ("account_id=shop-1&from=yesterday", 400, "/from"),
        (f"account_id=shop-1&{WINDOW}&cursor=zz", 400, "/cursor"),
        ("account_id=shop-1&metric=unknown", 404, None),
        ("account_id=shop-2", 404, None),
    ],
)
def test_a_question_that_cannot_be_answered_says_why(
    get: Any, used: tuple[Account, Metric], query: str, status: int, pointer: str | None
) -> None:
    found, answer = get(f"/usage?{query}")
    assert found == status
    assert pointer is None or [each["pointer"] for each in answer["error"]["fields"]] == [pointer]


def test_a_key_of_another_account_sees_no_usage(get: Any, used: tuple[Account, Metric]) -> None:
    stranger = make_account()
    assert get(f"/usage?account_id=shop-1&{WINDOW}", stranger)[0] == 404
    assert get(f"/entitlements?account_id=shop-1&metric={used[1].code}", stranger)[0] == 404


def test_an_entitlement_is_a_decision_with_its_reason(get: Any) -> None:
    subscription, _, metric = a_rupee_each(balance="10")
    account_id = str(subscription.account_id)
    status, answer = get(f"/entitlements?account_id={account_id}&metric={metric.code}")
    assert (status, answer["data"]["type"]) == (200, "entitlement")
    assert answer["data"]["attributes"] == {
        "account_id": account_id,
        "metric": metric.code,
        "decision": "allow",
        "allowed": True,
        "reason": "ok",
        "remaining": "10.00",
        "remaining_quantity": None,
        "currency": "INR",
    }
