"""A billing month as a story, told through the API alone: who buys, what is used, what is billed and paid."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from app import clock
from app.db import db
from app.permissions import Actor
from app.services import billing_runs, keys, metering, outbox, reference
from jobs import invoices as invoice_jobs
from jobs import outbox as outbox_jobs

SYSTEM = Actor.system("tests")
OCTOBER_20 = datetime(2026, 10, 20, 6, 30, tzinfo=UTC)
OCTOBER_31 = datetime(2026, 10, 31, 6, 30, tzinfo=UTC)
NOVEMBER_1 = datetime(2026, 11, 1, 4, 0, tzinfo=UTC)
DECEMBER_1 = datetime(2026, 12, 1, 4, 0, tzinfo=UTC)


class Story:
    """The service that calls, and the clock that it lives by."""

    def __init__(self, client: FlaskClient, secret: str) -> None:
        self.client = client
        self.headers = {"Authorization": f"Bearer {secret}"}
        self.at = OCTOBER_31

    def post(self, path: str, body: Any = None, *, status: int = 201) -> Any:
        """Post to the API and return `data`, its status as expected."""
        answer = self.client.post(f"/api/v1{path}", json=body, headers=self.headers)
        assert answer.status_code == status, json.dumps(answer.json, indent=1)
        return answer.json["data"]

    def get(self, path: str, **query: Any) -> Any:
        """Read from the API and return `data`."""
        answer = self.client.get(f"/api/v1{path}", query_string=query, headers=self.headers)
        assert answer.status_code == 200, answer.json
        return answer.json["data"]

    def use(self, account: str, count: int, *, day: datetime, channel: str = "sms") -> None:
        """Send events of one day, in batches as a service does, and let the worker meter them."""
        events = [
            {
                "event_id": f"{account}-{channel}-{day:%m%d}-{n}",
                "account_id": account,
                "metric": "auth.otp",
                "timestamp": (day + timedelta(seconds=n)).isoformat(),
                "properties": {"channel": channel},
            }
            for n in range(count)
        ]
        for start in range(0, count, 1000):
            self.post("/events", {"events": events[start : start + 1000]}, status=202)
        while metering.drain():
            pass
        db.session.expire_all()

    def bill(self, period: str) -> dict[str, Any]:
        """Start the billing run of a month and let the worker do it; return the run."""
        run = self.post("/admin/billing-runs", {"period": period}, status=202)
        for run_id in billing_runs.unfinished():
            invoice_jobs.bill_accounts(str(run_id), "0")
        outbox_jobs.deliver()
        assert not outbox.has_due()
        db.session.expire_all()
        return dict(self.get(f"/admin/billing-runs/{run['id']}")["attributes"])

    def invoices_of(self, account: str) -> list[Any]:
        """Return an account's invoices, the oldest first, with their lines."""
        listed = self.get("/invoices", account_id=account)
        return [self.get(f"/invoices/{row['id']}") for row in reversed(listed)]


@pytest.fixture
def story(session: Session, client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> Iterator[Story]:
    reference.load(at=OCTOBER_20, actor=SYSTEM)
    _, secret = keys.create("crm", scopes=["all"], actor=SYSTEM, at=OCTOBER_20)
    story = Story(client, secret)
    monkeypatch.setattr(clock, "now", lambda: story.at)
    return story


def open_shop(story: Story) -> None:
    """Define what is sold: OTPs by SMS with a free hundred, by e-mail, and a monthly fee."""
    story.post("/metrics", {"code": "auth.otp", "unit": "message", "dimensions": ["channel"]})
    tiers = [
        {"up_to": "100", "unit": "0"},
        {"up_to": "1000", "unit": "0.50"},
        {"up_to": None, "unit": "0.30"},
    ]
    priced = {"metric": "auth.otp", "model": "graduated", "tiers": tiers}
    components = [
        {"code": "fee", "name": "Monthly fee", "model": "flat", "price": "999"},
        {"code": "sms", "name": "SMS", "filters": {"channel": "sms"}, **priced},
        {
            "code": "mail",
            "name": "E-mail",
            "filters": {"channel": "email"},
            "metric": "auth.otp",
            "model": "per_unit",
            "unit": "0.04",
        },
    ]
    story.post("/pricing", {"code": "growth", "name": "Growth", "components": components})
    story.post("/pricing/growth/versions/1/publish", status=200)


def sign_up(story: Story, name: str, **customer: Any) -> str:
    """Make a customer with an account on the plan since 1 October; return the account's external id."""
    key = name.split()[0].lower()
    given = {"name": name, "email": f"accounts@{key}.example.in", "external_id": f"crm-{key}", **customer}
    story.post("/customers", given)
    story.post("/accounts", {"customer_id": f"crm-{key}", "external_id": key})
    body = {"account_id": key, "plan_code": "growth", "start_at": "2026-10-01T00:00:00+05:30"}
    story.post("/subscriptions", body)
    return key


def test_a_month_from_the_first_event_to_the_payment(story: Story) -> None:
    open_shop(story)
    namma = sign_up(story, "Namma Kirana", billing_address={"line1": "12 MG Road", "state_code": "29"})
    pune = sign_up(story, "Pune Pharma", gstin=reference.gstin("27", "AABCP1234F"))

    story.use(namma, 1250, day=OCTOBER_20)
    story.use(namma, 500, day=OCTOBER_20 + timedelta(days=1), channel="email")
    story.use(pune, 60, day=OCTOBER_20)
    assert story.invoices_of(namma) == []

    story.at = NOVEMBER_1
    run = story.bill("2026-10")
    assert (run["status"], run["counts"]["issued"], run["counts"]["failed"]) == ("done", 2, 0)

    (first,) = story.invoices_of(namma)
    bill = first["attributes"]
    assert [(line["component"], line["quantity"], line["amount"]) for line in bill["lines"]] == [
        ("fee", "1", "999.00"),
        ("sms", "1250", "525.00"),
        ("mail", "500", "20.00"),
    ]
    assert [(tax["code"], tax["amount"]) for tax in bill["taxes"]] == [("CGST", "138.96"), ("SGST", "138.96")]
    assert (bill["subtotal"], bill["tax_total"], bill["round_off"]) == ("1544.00", "277.92", "0.08")
    assert (bill["total"], bill["amount_due"], bill["status"]) == ("1822.00", "1822.00", "issued")

    (other,) = story.invoices_of(pune)
    assert [(tax["code"], tax["amount"]) for tax in other["attributes"]["taxes"]] == [("IGST", "179.82")]
    assert sorted([bill["number"], other["attributes"]["number"]]) == ["OTP/26-27/000001", "OTP/26-27/000002"]

    pdf = story.client.get(f"/api/v1/invoices/{first['id']}/pdf", headers=story.headers)
    assert pdf.data.startswith(b"%PDF")
    explained = story.get(f"/invoices/{first['id']}/lines/3/events", limit=200)
    assert {event["attributes"]["properties"]["channel"] for event in explained} == {"email"}

    story.use(namma, 10, day=OCTOBER_20 + timedelta(days=2))
    story.use(namma, 100, day=NOVEMBER_1)
    story.at = DECEMBER_1
    assert story.bill("2026-11")["counts"]["issued"] == 2
    kept, second = story.invoices_of(namma)
    assert kept["attributes"] == bill
    lines = second["attributes"]["lines"]
    assert [(line["kind"], line["component"], line["quantity"], line["amount"]) for line in lines] == [
        ("fixed", "fee", "1", "999.00"),
        ("adjustment", "sms", "10", "3.00"),
        ("usage", "sms", "100", "0.00"),
    ]

    invoice_jobs.mark_overdue()
    assert story.get(f"/invoices/{first['id']}")["attributes"]["status"] == "overdue"
    body = {"gateway": "manual", "invoice_id": first["id"], "amount": "1822.00", "reference": "UTR 4711"}
    story.post("/payments", body)
    paid = story.get(f"/invoices/{first['id']}")["attributes"]
    assert (paid["status"], paid["amount_paid"], paid["amount_due"]) == ("paid", "1822.00", "0.00")


def test_a_run_again_bills_nobody_twice(story: Story) -> None:
    open_shop(story)
    namma = sign_up(story, "Namma Kirana", billing_address={"state_code": "29"})
    story.use(namma, 200, day=OCTOBER_20)
    story.at = NOVEMBER_1
    story.bill("2026-10")
    (first,) = story.invoices_of(namma)
    again = story.bill("2026-10")
    assert (again["accounts"], again["counts"]["issued"]) == (1, 1)
    assert story.invoices_of(namma) == [first]
