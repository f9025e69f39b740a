"""Usage that comes late, is refused first, or turns out to be wrong, and what becomes of the money."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from app import clock
from app.db import db
from app.models import Invoice
from app.permissions import Actor
from app.services import audit_chain, billing_runs, keys, metering, reference, verify
from jobs import invoices as invoice_jobs
from tests.services.tampering import red

SYSTEM = Actor.system("tests")
OCTOBER_30 = datetime(2026, 10, 30, 6, 30, tzinfo=UTC)
NOVEMBER_1 = datetime(2026, 11, 1, 4, 0, tzinfo=UTC)
DECEMBER_1 = datetime(2026, 12, 1, 4, 0, tzinfo=UTC)
# The last instant of October in India, and the first of November.
LAST = "2026-10-31T18:29:59.999999Z"
FIRST = "2026-10-31T18:30:00Z"


class Story:
    """A service that sends usage at ₹2 an OTP, and the clock that it lives by."""

    def __init__(self, client: FlaskClient, secret: str) -> None:
        self.client, self.at = client, OCTOBER_30
        self.headers = {"Authorization": f"Bearer {secret}"}

    def call(self, method: str, path: str, body: Any = None, status: int = 201, **query: Any) -> Any:
        """Call the API and return `data`, its status as expected."""
        answer = self.client.open(
            f"/api/v1{path}", method=method, json=body, query_string=query, headers=self.headers
        )
        assert answer.status_code == status, json.dumps(answer.json, indent=1)
        return answer.json["data"]  # type: ignore[index]

    def sell(self) -> None:
        """Define what is sold."""
        self.call("POST", "/metrics", {"code": "auth.otp", "unit": "message", "dimensions": ["channel"]})
        priced = {"code": "otp", "name": "OTPs", "metric": "auth.otp", "model": "per_unit", "unit": "2"}
        self.call("POST", "/pricing", {"code": "growth", "name": "Growth", "components": [priced]})
        self.call("POST", "/pricing/growth/versions/1/publish", status=200)

    def sign_up(self, **account: Any) -> None:
        """Make the customer with the account `acme` on the plan since 1 October."""
        customer = {"name": "Acme", "email": "pay@acme.example.in", "external_id": "crm-acme"}
        self.call("POST", "/customers", {**customer, "billing_address": {"state_code": "29"}})
        self.call("POST", "/accounts", {"customer_id": "crm-acme", "external_id": "acme", **account})
        start = {"plan_code": "growth", "start_at": "2026-10-01T00:00:00+05:30"}
        self.call("POST", "/subscriptions", {"account_id": "acme", **start})

    def send(self, *events: tuple[str, str], status: int = 202) -> Any:
        """Send events by id and timestamp, and have them metered; return the results."""
        fixed = {"account_id": "acme", "metric": "auth.otp", "properties": {"channel": "sms"}}
        batch = [{"event_id": event_id, "timestamp": at, **fixed} for event_id, at in events]
        data = self.call("POST", "/events", batch, status)
        self.meter()
        return data

    def meter(self) -> None:
        """Let the worker meter what waits."""
        while metering.drain(at=self.at):
            pass
        db.session.expire_all()

    def bill(self, period: str) -> None:
        """Bill a month."""
        self.call("POST", "/admin/billing-runs", {"period": period}, status=202)
        for run_id in billing_runs.unfinished():
            invoice_jobs.bill_accounts(str(run_id), "0")
        db.session.expire_all()

    def lines(self) -> list[list[tuple[str, str, str]]]:
        """Return kind, quantity and amount of the lines of each invoice, the oldest invoice first."""
        listed = self.call("GET", "/invoices", status=200, account_id="acme")
        invoices = [self.call("GET", f"/invoices/{row['id']}", status=200) for row in reversed(listed)]
        return [
            [(line["kind"], line["quantity"], line["amount"]) for line in one["attributes"]["lines"]]
            for one in invoices
        ]

    def behind(self, number: int, line: int = 1) -> dict[str, str]:
        """Return the status of the events behind a line by their ids."""
        invoice = self.call("GET", "/invoices", status=200, account_id="acme")[-1 - number]
        path = f"/invoices/{invoice['id']}/lines/{line}/events"
        rows = self.call("GET", path, status=200, limit=200)
        return {row["id"]: row["attributes"]["status"] for row in rows}

    def fund(self) -> None:
        """Put ₹100 into the account's wallet."""
        (wallet,) = self.call("GET", "/wallets", status=200, account_id="acme")
        self.call("POST", f"/wallets/{wallet['id']}/credits", {"amount": "100", "reason": "Opening balance"})

    def balance(self) -> str:
        """Return the balance of the account's wallet."""
        (wallet,) = self.call("GET", "/wallets", status=200, account_id="acme")
        return str(wallet["attributes"]["balance"])

    def correct(self, event_id: str, act: str = "cancel", **more: Any) -> Any:
        """Take an event back and have that metered."""
        body = {"account_id": "acme", "reason": "Sent by mistake", **more}
        data = self.call("POST", f"/events/{event_id}/{act}", body, status=200)
        self.meter()
        return data["attributes"]


@pytest.fixture
def story(session: Session, client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> Iterator[Story]:
    reference.load(at=OCTOBER_30, actor=SYSTEM)
    _, secret = keys.create("crm", scopes=["all"], actor=SYSTEM, at=OCTOBER_30)
    story = Story(client, secret)
    monkeypatch.setattr(clock, "now", lambda: story.at)
    yield story
    # The documents of the invoices are not delivered here.
    audit_chain.seal(story.at)
    assert red(verify.run([name for name in verify.checks if name != "outbox"], at=story.at)) == {}


def issued(number: int = 0) -> tuple[Any, ...]:
    """Return everything that an invoice says, with the bytes of its snapshot's hash."""
    invoice = db.session.scalars(select(Invoice).order_by(Invoice.created_at, Invoice.id)).all()[number]
    return (invoice.number, invoice.total, json.dumps(invoice.snapshot), invoice.snapshot_sha256)


def test_a_late_event_of_an_open_period_simply_counts(story: Story) -> None:
    story.sell()
    story.sign_up()
    story.at = datetime(2026, 11, 20, tzinfo=UTC)
    story.send(("late", "2026-10-18T00:00:00Z"), ("later", FIRST))
    story.at = DECEMBER_1
    story.bill("2026-10")
    story.bill("2026-11")
    assert story.lines() == [[("usage", "1", "2.00")], [("usage", "1", "2.00")]]


def test_usage_of_an_invoiced_period_that_comes_late_or_goes_is_adjusted_on_the_next_invoice(
    story: Story,
) -> None:
    story.sell()
    story.sign_up()
    story.at = NOVEMBER_1
    story.send(*((f"e{n}", "2026-10-20T06:30:00Z") for n in range(10)), ("last", LAST), ("first", FIRST))
    story.bill("2026-10")
    before = issued()
    assert story.lines() == [[("usage", "11", "22.00")]]

    story.correct("e1")
    story.correct("e2")
    story.correct("last", "amend", timestamp=FIRST)
    story.send(("late", "2026-10-20T07:00:00Z"))
    story.at = DECEMBER_1
    story.bill("2026-11")

    kept = dict.fromkeys(("e0", *(f"e{n}" for n in range(3, 10)), "late"), "counted")
    assert story.behind(0) == {**kept, "e1": "cancelled", "e2": "cancelled", "last": "amended"}
    assert story.behind(1, line=2) == {"first": "counted", "last~2": "counted"}
    # Two were cancelled and one moved into November; one came late.
    assert story.lines() == [
        [("usage", "11", "22.00")],
        [("adjustment", "-2", "-4.00"), ("usage", "2", "4.00")],
    ]
    assert issued() == before


def test_an_event_that_is_too_old_waits_for_a_person(story: Story) -> None:
    story.sell()
    story.sign_up()
    story.at = DECEMBER_1
    data = story.send(("old", "2026-10-20T00:00:00Z"), ("new", "2026-11-20T00:00:00Z"), status=207)
    assert [(one["status"], one.get("code")) for one in data["attributes"]["results"]] == [
        ("rejected", "too_old"),
        ("accepted", None),
    ]
    (letter,) = story.call("GET", "/admin/dead-letters", status=200, code="too_old")
    assert letter["attributes"]["replayable"] is True

    story.call("POST", f"/admin/dead-letters/{letter['id']}/replay", status=200)
    story.meter()

    story.bill("2026-10")
    assert story.lines() == [[("usage", "1", "2.00")]]


def test_a_prepaid_wallet_gets_back_exactly_what_was_taken(story: Story) -> None:
    story.sell()
    story.sign_up(billing_mode="prepaid")
    story.fund()
    story.at = NOVEMBER_1
    story.send(*((f"e{n}", LAST) for n in range(10)))
    paid = story.balance()
    story.correct("e1")
    cancelled = story.balance()
    amended = story.correct("e2", "amend", timestamp=FIRST)
    moved = story.balance()
    story.correct(amended["replacement_event_id"])
    assert (paid, cancelled, moved, story.balance()) == ("80.00", "82.00", "82.00", "84.00")


@pytest.mark.parametrize("prepaid", [False, True])
def test_usage_of_somebody_unknown_is_billed_once_they_have_an_account(story: Story, prepaid: bool) -> None:
    story.sell()
    events = [(f"e{n}", f"2026-10-20T06:{n:02}:00Z") for n in range(5)]
    story.send(*events, status=400)
    story.send(*events, status=400)
    waiting = story.call("GET", "/admin/dead-letters", status=200, code="unknown_account", account="acme")
    assert [(one["attributes"]["seen"], one["attributes"]["replayable"]) for one in waiting] == [
        (2, False)
    ] * 5

    story.sign_up(billing_mode="prepaid" if prepaid else "postpaid")
    if prepaid:
        story.fund()
    story.meter()
    waiting = story.call("GET", "/admin/dead-letters", status=200, account="acme")
    assert [one["attributes"]["replayable"] for one in waiting] == [True] * 5
    chosen = {"code": "unknown_account", "account": "acme"}
    for replayed in (5, 0):
        done = story.call("POST", "/admin/dead-letters/replay", chosen, status=200)["attributes"]
        assert (done["phase"], done["total"], done["replayed"]) == ("done", replayed, replayed)
    story.meter()

    if prepaid:
        assert story.balance() == "90.00"
    else:
        story.at = NOVEMBER_1 + timedelta(days=1)
        story.bill("2026-10")
        assert story.lines() == [[("usage", "5", "10.00")]]
