"""A price for each country, from the plan to the wallet and the invoice, through the API alone, by hand.

₹1 a unit to 100 and ₹0.50 above, the first 10 free and ₹20 at least, each country by itself:

    IN      60 + 90 = 150, paid 140    100 × 1 + 40 × 0.5    120.00
    US      40, paid 30                                       30.00
    NP      12, paid 2                                         2.00, at the end of October 20.00
    none    30.5, paid 20.5                                   20.50

The wallet pays 172.50 as it comes; October costs ₹190.50.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from app import clock
from app.db import db, in_transaction
from app.domain.money import plain
from app.services import audit_chain, keys, metering, reference, verify
from tests.scenarios.test_aggregations import OCTOBER, wallet_of
from tests.scenarios.test_billing_month import NOVEMBER_1, SYSTEM, Story

SENT = [("60", "IN"), ("90", "IN"), ("40", "US"), ("12", "NP"), ("30.5", None)]
DECEMBER_1 = datetime.fromisoformat("2026-12-01T09:30:00+05:30")
COMPONENT: dict[str, Any] = {
    "code": "sms",
    "name": "SMS by country",
    "metric": "used",
    "model": "graduated",
    "tiers": [{"up_to": "100", "unit": "1"}, {"up_to": None, "unit": "0.5"}],
    "free_units": "10",
    "minimum": "20",
    "group_by": "country",
}


@pytest.fixture
def story(session: Session, client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> Iterator[Story]:
    """The service that calls, on 1 November 2026, 09:30 in India."""
    reference.load(at=OCTOBER, actor=SYSTEM)
    _, secret = keys.create("crm", scopes=["all"], actor=SYSTEM, at=OCTOBER)
    story = Story(client, secret)
    story.at = NOVEMBER_1
    monkeypatch.setattr(clock, "now", lambda: story.at)
    yield story
    audit_chain.seal(story.at)
    report = in_transaction(verify.run)
    assert [(each.name, each.problems) for each in report.results if not each.ok] == []


def open_shop(story: Story) -> None:
    """Define the metric and its price, and sign up a prepaid account with ₹1,000 and a postpaid one."""
    story.post("/metrics", {"code": "used", "aggregation": "sum", "dimensions": ["country"]})
    story.post("/pricing", {"code": "growth", "name": "Growth", "components": [COMPONENT]})
    story.post("/pricing/growth/versions/1/publish", status=200)
    address = {"line1": "12 MG Road", "state_code": "29"}
    customer = {"name": "Namma Kirana", "email": "accounts@namma.example.in", "external_id": "namma"}
    story.post("/customers", {**customer, "billing_address": address})
    for mode in ("prepaid", "postpaid"):
        account = {"customer_id": "namma", "external_id": mode, "billing_mode": mode}
        story.post("/accounts", {**account, "timezone": "Asia/Kolkata"})
        subscription = {"plan_code": "growth", "start_at": "2026-10-01T00:00:00+05:30"}
        story.post("/subscriptions", {"account_id": mode, **subscription})
    story.post(f"/wallets/{wallet_of(story)['id']}/credits", {"amount": "1000", "reason": "Welcome"})


def send(story: Story, account: str, sent: Any, *, at: datetime = OCTOBER, name: str = "e") -> None:
    """Send events an hour apart, metering each."""
    for n, (quantity, country) in enumerate(sent):
        event = {
            "event_id": f"{name}{n}",
            "account_id": account,
            "metric": "used",
            "timestamp": (at + n * timedelta(hours=1)).isoformat(),
            "quantity": quantity,
            "properties": {"country": country} if country else {},
        }
        story.post("/events", event, status=202)
        while metering.drain(at=story.at):
            pass
    db.session.expire_all()


@pytest.mark.parametrize("order", [(0, 1, 2, 3, 4), (4, 3, 2, 1, 0), (2, 0, 4, 1, 3)])
def test_every_country_is_charged_and_invoiced_by_itself(story: Story, order: tuple[int, ...]) -> None:
    open_shop(story)
    for account in ("prepaid", "postpaid"):
        send(story, account, [SENT[n] for n in order])
    assert wallet_of(story)["attributes"]["balance"] == "827.50"

    assert story.bill("2026-10")["counts"]["issued"] == 2

    for account in ("prepaid", "postpaid"):
        (invoice,) = story.invoices_of(account)
        (line,) = invoice["attributes"]["lines"]
        assert (line["quantity"], line["amount"]) == ("232.5", "190.50")
        assert by_group(line) == {"": "20.5", "IN": "120", "NP": "20", "US": "30"}


def by_group(line: Any) -> dict[str, str]:
    """Return what a line costs by group."""
    found: dict[str, Decimal] = {}
    for row in line["breakdown"]:
        found[row["group"]] = found.get(row["group"], Decimal(0)) + Decimal(row["amount"])
    return {group: plain(amount) for group, amount in found.items()}


def test_usage_that_comes_late_is_an_adjustment_by_the_tiers_of_its_country(story: Story) -> None:
    """Ten more of NP are 22, paid 12: still the minimum. Ten more of US are 50, paid 40: ₹10."""
    open_shop(story)
    send(story, "postpaid", SENT)
    story.bill("2026-10")
    send(story, "postpaid", [("10", "NP"), ("10", "US")], at=OCTOBER + timedelta(days=9), name="late")
    story.at = DECEMBER_1
    story.bill("2026-11")
    _, second = story.invoices_of("postpaid")
    (line,) = second["attributes"]["lines"]
    assert (line["kind"], line["quantity"], line["amount"]) == ("adjustment", "20", "10.00")
    assert line["breakdown"][-1]["kind"] == "invoiced"


def test_versions_tell_that_the_grouping_is_what_differs(story: Story) -> None:
    open_shop(story)
    together = {name: value for name, value in COMPONENT.items() if name != "group_by"}
    story.post("/pricing/growth/versions", {"components": [together]})
    compared = story.get("/pricing/growth/versions/1/diff/2")
    (component,) = compared["attributes"]["components"]
    assert component["fields"] == [
        {"field": "group_by", "title": "Each by itself", "before": "country", "after": None}
    ]
