"""What the stories of subscriptions share: a service that sells two plans through the API, and the clock that
it lives by."""

import json
from datetime import UTC, datetime
from itertools import count
from typing import Any

import pytest
from flask.testing import FlaskClient

from app import clock
from app.db import db
from app.permissions import Actor
from app.services import audit_chain, billing_runs, keys, metering, reference, verify
from jobs import invoices as invoice_jobs
from jobs import subscriptions as subscription_jobs
from tests.services.tampering import red

SYSTEM = Actor.system("tests")
_events = count(1)


def open_shop(client: FlaskClient, monkeypatch: pytest.MonkeyPatch, at: datetime) -> "Story":
    """Return the story of a service that sells `basic`, ₹3,100 a month and ₹2 an OTP, and `pro`, ₹6,200 and
    ₹1."""
    reference.load(at=at, actor=SYSTEM)
    _, secret = keys.create("crm", scopes=["all"], actor=SYSTEM, at=at)
    story = Story(client, secret, at)
    monkeypatch.setattr(clock, "now", lambda: story.at)
    story.call("POST", "/metrics", {"code": "otp", "unit": "message"}, 201)
    story.sell("basic", fee("3100"), otp("2"))
    story.sell("pro", fee("6200"), otp("1"))
    return story


def check_books(story: "Story") -> None:
    """Prove the books; here no documents are delivered, and nobody makes the partitions of years to come."""
    audit_chain.seal(story.at)
    asked = [name for name in verify.checks if name not in {"outbox", "partitions"}]
    wrong = red(verify.run(asked, at=story.at))
    assert not wrong, wrong


def ist(text: str) -> datetime:
    """Return the instant of `2026-10-16 10:00` in India."""
    return datetime.fromisoformat(f"{text}+05:30").astimezone(UTC)


def otp(unit: str) -> dict[str, Any]:
    """Return the price of an OTP."""
    return {"code": "otp", "name": "OTPs", "metric": "otp", "model": "per_unit", "unit": unit}


def fee(price: str, **more: Any) -> dict[str, Any]:
    """Return the fee of a period, in arrears unless told otherwise."""
    return {"code": "fee", "name": "Fee", "model": "flat", "price": price, **more}


class Story:
    """A service with all scopes; `at` is the present."""

    def __init__(self, client: FlaskClient, secret: str, at: datetime) -> None:
        self.client, self.at = client, at
        self.headers = {"Authorization": f"Bearer {secret}"}

    def call(self, method: str, path: str, body: Any = None, status: int = 200, **query: Any) -> Any:
        """Call the API and return `data`, or the error where one is expected."""
        answer = self.client.open(
            f"/api/v1{path}", method=method, json=body, query_string=query, headers=self.headers
        )
        assert answer.status_code == status, json.dumps(answer.json, indent=1)
        assert answer.json is not None
        return answer.json["error"] if status >= 400 else answer.json["data"]

    def sell(self, code: str, *components: dict[str, Any], **version: Any) -> None:
        """Publish a plan."""
        self.call("POST", "/pricing", {"code": code, "components": components, **version}, 201)
        self.call("POST", f"/pricing/{code}/versions/1/publish")

    def open_account(self, name: str = "acme", **account: Any) -> None:
        """Make a customer in Karnataka with an account."""
        customer = {"name": name, "email": f"{name}@shop.example.in", "external_id": f"crm-{name}"}
        self.call("POST", "/customers", {**customer, "billing_address": {"state_code": "29"}}, 201)
        self.call("POST", "/accounts", {"customer_id": f"crm-{name}", "external_id": name, **account}, 201)

    def subscribe(self, plan: str, start: str, *, account: str = "acme", **more: Any) -> str:
        """Subscribe an account from an instant of India on; return the subscription's id."""
        body = {"account_id": account, "plan_code": plan, "start_at": f"{start}T00:00:00+05:30", **more}
        return str(self.call("POST", "/subscriptions", body, 201)["id"])

    def act(self, subscription: str, what: str, status: int = 200, **body: Any) -> Any:
        """Change, cancel, pause or resume a subscription; return the attributes of the answer."""
        answer = self.call("POST", f"/subscriptions/{subscription}/{what}", body, status)
        return answer if status >= 400 else answer["attributes"]

    def segments(self, subscription: str) -> list[tuple[str, str, str, str | None]]:
        """Return plan, status, start and end of each segment."""
        rows = [row["attributes"] for row in self.call("GET", f"/subscriptions/{subscription}/segments")]
        return [(row["plan_code"], row["status"], row["start_at"], row["end_at"]) for row in rows]

    def use(self, number: int, at: datetime | str, account: str = "acme") -> None:
        """Send events at one instant and have them metered."""
        moment = at if isinstance(at, str) else at.isoformat()
        rows = [
            {"event_id": f"s-{next(_events)}", "account_id": account, "metric": "otp", "timestamp": moment}
            for _ in range(number)
        ]
        self.call("POST", "/events", rows, 202)
        while metering.drain(at=self.at):
            pass
        db.session.expire_all()

    def bill(self, period: str, on: str) -> list[tuple[str, str]]:
        """Bill a month on a day; return description and amount of the lines of the new invoice of `acme`."""
        self.at = ist(f"{on} 09:30")
        subscription_jobs.settle()
        self.call("POST", "/admin/billing-runs", {"period": period}, 202)
        for run_id in billing_runs.unfinished():
            invoice_jobs.bill_accounts(str(run_id), "0")
        db.session.expire_all()
        return [(line["description"], line["amount"]) for line in self.invoice()["lines"]]

    def invoice(self) -> Any:
        """Return the latest invoice of `acme`, whatever its state."""
        rows = self.call("GET", "/invoices", account_id="acme")
        return self.call("GET", f"/invoices/{rows[0]['id']}")["attributes"]

    def entitled(self) -> tuple[str, str]:
        """Return decision and reason for an OTP of `acme`."""
        answer = self.call("GET", "/entitlements", account_id="acme", metric="otp")["attributes"]
        return answer["decision"], answer["reason"]
