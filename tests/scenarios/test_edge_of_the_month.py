"""A microsecond decides: usage at the end of a month is metered and billed in the month of the account's own
time zone, however its instant is written and whichever door it comes through.
"""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from app import clock
from app.db import db
from app.permissions import Actor
from app.services import billing_runs, keys, metering, reference
from jobs import invoices as invoice_jobs

SYSTEM = Actor.system("tests")
OCTOBER_20 = datetime(2026, 10, 20, 6, 30, tzinfo=UTC)
NOVEMBER_1 = datetime(2026, 11, 1, 4, 0, tzinfo=UTC)
DECEMBER_1 = datetime(2026, 12, 1, 4, 0, tzinfo=UTC)


class Edge:
    """The last microsecond of October in a time zone, and the first of November, as senders write them."""

    def __init__(self, offset: str) -> None:
        self.november = datetime.fromisoformat(f"2026-11-01T00:00:00{offset}")
        self.second = self.november.astimezone(UTC) - timedelta(seconds=1)
        self.utc, self.offset = f"{self.second:%Y-%m-%dT%H:%M:%S}", offset
        self.unix = int(self.second.timestamp())

    def last_of_october(self) -> list[Any]:
        """Return ways to write the last microsecond; digits beyond it move nothing."""
        return [
            f"{self.utc}.999999Z",
            f"{self.utc}.999999999Z",
            f"2026-10-31T23:59:59.999999{self.offset}",
            f"{self.unix}.999999",
            f"{self.unix}.999999999",
        ]

    def first_of_november(self) -> list[Any]:
        """Return ways to write the first instant; a leap second is the second after it."""
        return [
            f"{self.november.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
            f"2026-11-01T00:00:00.000000{self.offset}",
            self.unix + 1,
            f"{self.utc[:-2]}60Z",
            f"2026-10-31T23:59:60.999999{self.offset}",
        ]


@pytest.fixture
def call(session: Session, client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> Any:
    """`call(method, path, body)` as a service at 1 November."""
    reference.load(at=OCTOBER_20, actor=SYSTEM)
    _, secret = keys.create("crm", scopes=["all"], actor=SYSTEM, at=OCTOBER_20)
    monkeypatch.setattr(clock, "now", lambda: NOVEMBER_1)

    def send(method: str, path: str, body: Any = None, kind: str = "application/json", **query: Any) -> Any:
        answer = client.open(
            path,
            method=method,
            data=None if body is None else json.dumps(body),
            content_type=kind,
            query_string=query,
            headers={"Authorization": f"Bearer {secret}"},
        )
        assert answer.status_code in {200, 201, 202, 204}, answer.get_data(as_text=True)
        return answer.json.get("data") if answer.data else None

    return send


def open_account(call: Any, timezone: str, offset: str) -> None:
    """Sell messages at a rupee to an account that lives in a time zone, since its 1 October."""
    call("POST", "/api/v1/metrics", {"code": "sms", "aggregation": "sum", "unit": "message"})
    component = {"code": "sms", "name": "SMS", "metric": "sms", "model": "per_unit", "unit": "1"}
    call("POST", "/api/v1/pricing", {"code": "growth", "name": "Growth", "components": [component]})
    call("POST", "/api/v1/pricing/growth/versions/1/publish")
    address = {"line1": "12 MG Road", "state_code": "29", "country": "IN"}
    customer = {"name": "Asha", "email": "a@asha.example.in", "country": "IN", "billing_address": address}
    owner = call("POST", "/api/v1/customers", customer)["id"]
    account = {"customer_id": owner, "external_id": "asha", "timezone": timezone}
    call("POST", "/api/v1/accounts", account)
    start = {"plan_code": "growth", "start_at": f"2026-10-01T00:00:00{offset}"}
    call("POST", "/api/v1/subscriptions", {"account_id": "asha", **start})


def send_through_every_door(call: Any, name: str, times: list[Any]) -> None:
    """Send each time once, 1, 10, 100 … by our own door; 5,000,000 as a CloudEvent and 1 by Lago's."""
    ours = [
        {"event_id": f"{name}-{n}", "account_id": "asha", "metric": "sms", "timestamp": at, "quantity": 10**n}
        for n, at in enumerate(times)
    ]
    call("POST", "/api/v1/events", ours)
    cloud = {"specversion": "1.0", "source": "/s", "type": "sms", "subject": "asha", "id": f"{name}-cloud"}
    cloud |= {"time": times[0], "data": {"quantity": "5000000"}}
    call("POST", "/api/v1/events", cloud, "application/cloudevents+json")
    event = {"transaction_id": f"{name}-lago", "external_subscription_id": "asha", "code": "sms"}
    call("POST", "/compat/lago/api/v1/events", {"event": {**event, "timestamp": times[2]}})


def bill(call: Any, period: str) -> None:
    """Bill a month and let the worker do it."""
    call("POST", "/api/v1/admin/billing-runs", {"period": period})
    for run_id in billing_runs.unfinished():
        invoice_jobs.bill_accounts(str(run_id), "0")
    db.session.expire_all()


@pytest.mark.parametrize(
    ("timezone", "offset", "last", "first"),
    [
        ("Asia/Kolkata", "+05:30", "2026-10-31T18:29:59.999999Z", "2026-10-31T18:30:00Z"),
        ("Asia/Kathmandu", "+05:45", "2026-10-31T18:14:59.999999Z", "2026-10-31T18:15:00Z"),
    ],
)
def test_the_last_microsecond_and_the_next_one_are_billed_in_different_months(
    timezone: str, offset: str, last: str, first: str, call: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    edge = Edge(offset)
    assert (edge.last_of_october()[0], edge.first_of_november()[0]) == (last, first)
    open_account(call, timezone, offset)

    send_through_every_door(call, "october", edge.last_of_october())
    send_through_every_door(call, "november", [*edge.first_of_november(), first])
    while metering.drain():
        pass
    db.session.expire_all()

    listed = call("GET", "/api/v1/events", account_id="asha", limit=200)
    times = {row["attributes"]["event_id"]: row["attributes"]["timestamp"] for row in listed}
    assert {at for name, at in times.items() if name.startswith("october")} == {last}
    assert {at for name, at in times.items() if name.startswith("november")} == {first}

    query = {"account_id": "asha", "metric": "sms", "granularity": "month"}
    months = {"from": f"2026-10-01T00:00:00{offset}", "to": f"2026-12-01T00:00:00{offset}"}
    rows = [row["attributes"] for row in call("GET", "/api/v1/usage", **query, **months)]
    begin = {"Asia/Kolkata": "2026-09-30T18:30:00Z", "Asia/Kathmandu": "2026-09-30T18:15:00Z"}[timezone]
    assert [(row["start"], row["end"], row["quantity"], row["events"]) for row in rows[:2]] == [
        (begin, first, "5011112", 7),
        (first, first.replace("10-31", "11-30"), "5111112", 8),
    ]

    bill(call, "2026-10")
    monkeypatch.setattr(clock, "now", lambda: DECEMBER_1)
    bill(call, "2026-11")
    told = []
    for row in reversed(call("GET", "/api/v1/invoices", account_id="asha")):
        bill_of = call("GET", f"/api/v1/invoices/{row['id']}")["attributes"]
        lines = [(line["quantity"], line["amount"]) for line in bill_of["lines"]]
        told.append((bill_of["period_start"], bill_of["period_end"], lines))
    assert told == [
        (begin, first, [("5011112", "5011112.00")]),
        (first, first.replace("10-31", "11-30"), [("5111112", "5111112.00")]),
    ]
