"""Each aggregation from its definition to the wallet and the invoice, through the API alone, by hand.

A prepaid and a postpaid account in India's time are sent the same events of October 2026, 31 local days:

    when (IST)             v     user     change
    1 Oct 00:00            10    u        +10
    1 Oct 00:10            4     v          0
    11 Oct 00:00           7     u        +31
    21 Oct 00:00           7.5   w        −31
    31 Oct 23:59:59.999999 6     u (out)    0
    1 Nov 00:00            100   z       +100    the first of November

At ₹2.50 a unit October costs:

    count         5                                                    12.50
    sum           10 + 4 + 7 + 7.5 + 6 = 34.5                          86.25
    max           10                                                   25.00
    min           4                                                    10.00
    average       34.5 ÷ 5 = 6.9                                       17.25
    latest        6                                                    15.00
    unique_count  v and w; u was taken out                              5.00
    weighted_sum  10 × 31/31 + 31 × 21/31 − 31 × 11/31 = 20            50.00
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from app import clock
from app.db import db, in_transaction
from app.domain.aggregations import aggregations
from app.services import keys, metering, reference, verify
from tests.scenarios.test_billing_month import NOVEMBER_1, SYSTEM, Story

OCTOBER = datetime(2026, 9, 30, 18, 30, tzinfo=UTC)
DAY, LAST = timedelta(days=1), timedelta(microseconds=1)
SENT: list[tuple[timedelta, dict[str, str]]] = [
    (0 * DAY, {"v": "10", "user": "u", "change": "10"}),
    (timedelta(minutes=10), {"v": "4", "user": "v", "change": "0"}),
    (10 * DAY, {"v": "7", "user": "u", "change": "31"}),
    (20 * DAY, {"v": "7.5", "user": "w", "change": "-31"}),
    (31 * DAY - LAST, {"v": "6", "user": "u", "operation_type": "remove", "change": "0"}),
    (31 * DAY, {"v": "100", "user": "z", "change": "100"}),
]
PROPERTY = {"count": None, "unique_count": "user", "weighted_sum": "change"}
# Quantity and price of October; the quantities of 1 October and of the last day; what the wallet has left
# when the 1 or 100 of November is charged too.
BY_HAND = {
    "count": ("5", "12.50", "2", "1", "985.00"),
    "sum": ("34.5", "86.25", "14", "6", "663.75"),
    "max": ("10", "25.00", "10", "6", "725.00"),
    "min": ("4", "10.00", "4", "6", "740.00"),
    "average": ("6.9", "17.25", "7", "6", "732.75"),
    "latest": ("6", "15.00", "4", "6", "735.00"),
    "unique_count": ("2", "5.00", "2", "0", "992.50"),
    "weighted_sum": ("20", "50.00", "10", "0", "700.00"),
}


@pytest.fixture
def story(session: Session, client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> Iterator[Story]:
    """The service that calls, on 1 November 2026, 09:30 in India."""
    reference.load(at=OCTOBER, actor=SYSTEM)
    _, secret = keys.create("crm", scopes=["all"], actor=SYSTEM, at=OCTOBER)
    story = Story(client, secret)
    story.at = NOVEMBER_1
    monkeypatch.setattr(clock, "now", lambda: story.at)
    return story


def open_shop(story: Story, aggregation: str) -> None:
    """Define the metric and its price, and sign up a prepaid account with ₹1,000 and a postpaid one."""
    metric = {
        "code": "used",
        "aggregation": aggregation,
        "value_property": PROPERTY.get(aggregation, "v"),
        "dimensions": ["channel"],
    }
    story.post("/metrics", {name: value for name, value in metric.items() if value is not None})
    component = {"metric": "used", "model": "per_unit", "unit": "2.50"}
    story.post("/pricing", {"code": "growth", "name": "Growth", "components": [component]})
    story.post("/pricing/growth/versions/1/publish", status=200)
    address = {"line1": "12 MG Road", "state_code": "29"}
    customer = {"name": "Namma Kirana", "email": "accounts@namma.example.in", "external_id": "namma"}
    story.post("/customers", {**customer, "billing_address": address})
    for mode in ("prepaid", "postpaid"):
        account = {
            "customer_id": "namma",
            "external_id": mode,
            "billing_mode": mode,
            "timezone": "Asia/Kolkata",
        }
        story.post("/accounts", account)
        subscription = {"plan_code": "growth", "start_at": "2026-10-01T00:00:00+05:30"}
        story.post("/subscriptions", {"account_id": mode, **subscription})
    story.post(f"/wallets/{wallet_of(story)['id']}/credits", {"amount": "1000", "reason": "Welcome"})


def wallet_of(story: Story) -> Any:
    """Return the wallet of the prepaid account."""
    (wallet,) = story.get("/wallets", account_id="prepaid")
    return wallet


def send(story: Story, account: str) -> None:
    """Send the events by two channels in turn, the youngest first and each by itself, metering each."""
    for n, (offset, properties) in reversed(list(enumerate(SENT))):
        event = {
            "event_id": f"e{n}",
            "account_id": account,
            "metric": "used",
            "timestamp": (OCTOBER + offset).isoformat(),
            "properties": {"channel": ("sms", "email")[n % 2], **properties},
        }
        story.post("/events", event, status=202)
        while metering.drain(at=story.at):
            pass
        db.session.expire_all()


def used(story: Story, granularity: str, **more: Any) -> list[tuple[str, str]]:
    """Return start and quantity of each row of October's usage of the postpaid account."""
    window = {"from": "2026-10-01T00:00:00+05:30", "to": "2026-11-01T00:00:00+05:30"}
    query = {"account_id": "postpaid", "metric": "used", "granularity": granularity, **window, **more}
    return [
        (row["attributes"]["start"], row["attributes"]["quantity"]) for row in story.get("/usage", **query)
    ]


def test_there_is_a_story_for_every_aggregation() -> None:
    assert BY_HAND.keys() == set(aggregations)


@pytest.mark.parametrize("aggregation", sorted(BY_HAND))
def test_what_an_aggregation_counts_is_read_charged_and_invoiced(story: Story, aggregation: str) -> None:
    quantity, price, first_day, last_day, left = BY_HAND[aggregation]
    open_shop(story, aggregation)
    for account in ("prepaid", "postpaid"):
        send(story, account)

    assert used(story, "month") == [("2026-09-30T18:30:00Z", quantity)]
    days = used(story, "day")
    assert [day for day, _ in days] == [
        f"2026-{day}T18:30:00Z" for day in ("09-30", "10-10", "10-20", "10-30")
    ]
    assert (days[0][1], days[-1][1]) == (first_day, last_day)

    assert wallet_of(story)["attributes"]["balance"] == left
    assert story.bill("2026-10")["counts"]["issued"] == 2
    (invoice,) = story.invoices_of("postpaid")
    (line,) = invoice["attributes"]["lines"]
    assert (line["quantity"], line["amount"]) == (quantity, price)
    (paid,) = story.invoices_of("prepaid")
    assert (paid["attributes"]["lines"][0]["amount"], paid["attributes"]["subtotal"]) == (price, price)
    report = in_transaction(verify.run)
    assert [(each.name, each.problems) for each in report.results if not each.ok] == []


def test_an_aggregation_that_could_not_count_is_refused_with_the_place(story: Story) -> None:
    refused = [
        ({"aggregation": "median"}, "/aggregation", "unknown_aggregation"),
        ({"aggregation": "unique_count"}, "/value_property", "required"),
        ({"aggregation": "weighted_sum"}, "/value_property", "required"),
        ({"aggregation": "count", "value_property": "v"}, "/value_property", "not_used"),
        (
            {"aggregation": "unique_count", "value_property": "user", "dimensions": ["channel", "user"]},
            "/dimensions/1",
            "bad_dimension",
        ),
    ]
    for definition, pointer, code in refused:
        answer = story.client.post("/api/v1/metrics", json={"code": "x", **definition}, headers=story.headers)
        assert answer.status_code == 400
        (problem,) = answer.json["error"]["fields"]
        assert (problem["pointer"], problem["code"]) == (pointer, code)
        if code == "unknown_aggregation":
            assert problem["message"] == f"Choose one of: {', '.join(aggregations)}."
    assert story.get("/metrics") == []
