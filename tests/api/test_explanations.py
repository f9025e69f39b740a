"""Lines of invoices explained by the API, down to their events."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.orm import Session

from app import clock
from app.models import Account, Invoice, Metric
from tests import factories as make
from tests.api.conftest import Caller, NewCaller
from tests.services.invoicing import IN_NOVEMBER, NOON, issue_for, priced, use


@pytest.fixture(autouse=True)
def _in_november(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: IN_NOVEMBER)


@pytest.fixture
def metric(session: Session) -> Metric:
    make.make_seller()
    make.make_tax_rate("18")
    return make.make_metric("auth.otp", name="One-time passwords", dimensions=["channel"])


@pytest.fixture
def account(metric: Metric) -> Account:
    account = make.make_account(make.make_customer(gstin=make.a_gstin("29")), external_id="acct-1")
    sms = make.per_unit(metric, "2.50", code="sms", name="SMS", filters={"channel": ["sms"]})
    priced(sms, make.fee("1000"), account=account)
    use(account, metric, 3, channel="sms")
    use(account, metric, 2, at=NOON + timedelta(hours=1), channel="sms")
    use(account, metric, 4, at=NOON + timedelta(hours=2), channel="email")
    return account


@pytest.fixture
def invoice(account: Account) -> Invoice:
    return issue_for(account)


def line_of(invoice: Invoice, component: str) -> str:
    """Return the address of the line of a component."""
    n = next(line.n for line in invoice.lines if line.component and line.component.code == component)
    return f"/invoices/{invoice.id}/lines/{n}"


def explanation(caller: Caller, path: str) -> dict[str, Any]:
    answer: Any = caller.get(f"{path}/explanation")
    assert answer.status_code == 200, answer.json
    return dict(answer.json["data"]["attributes"])


def rows_of(answer: Any) -> list[dict[str, Any]]:
    """Return the attributes of a list."""
    return [row["attributes"] for row in answer.json["data"]]


def meta_of(answer: Any) -> dict[str, Any]:
    """Return what stands beside a list."""
    return dict(answer.json["meta"])


def test_a_usage_line_is_explained_with_its_evidence(invoice: Invoice, caller: Caller) -> None:
    told = explanation(caller, line_of(invoice, "sms"))
    assert (told["amount"], told["quantity"], told["component"]["unit"]) == ("12.50", "5", "2.5")
    assert [row["says"] for step in told["steps"] for row in step["rows"]] == ["5 × ₹2.50 = ₹12.50"]
    evidence = told["evidence"]
    assert (evidence["verdict"], evidence["buckets"], evidence["events"]) == ("matches", 2, 5)
    assert evidence["recorded"] == evidence["recomputed"]
    assert evidence["archived_months"] == []
    assert told["asked_before"] == []


def test_a_fee_is_explained_without_evidence(invoice: Invoice, caller: Caller) -> None:
    path = line_of(invoice, "fee")
    told = explanation(caller, path)
    assert told["evidence"] is None
    assert {"label": "Days", "text": "31 of 31 days, 1 Oct 2026 to 31 Oct 2026"} in told["facts"]
    for list_of in ("buckets", "events"):
        assert caller.get(f"{path}/{list_of}").status_code == 404


def test_buckets_are_paged_by_time_and_lead_to_their_events(invoice: Invoice, caller: Caller) -> None:
    path = line_of(invoice, "sms")
    first = caller.get(f"{path}/buckets", limit=1)
    (row,) = rows_of(first)
    assert (row["quantity"], row["events"], row["dimensions"]) == ("3", 3, {"channel": "sms"})
    second = caller.get(f"{path}/buckets", limit=1, cursor=meta_of(first)["next_cursor"])
    (last,) = rows_of(second)
    assert (last["bucket_at"], meta_of(second)["next_cursor"]) == ("2026-10-15T07:30:00Z", None)
    events = rows_of(caller.get(f"{path}/events", bucket=last["bucket_at"]))
    assert [event["timestamp"] for event in events] == ["2026-10-15T07:30:00Z", "2026-10-15T07:30:01Z"]


def test_buckets_are_asked_for_by_time(invoice: Invoice, caller: Caller) -> None:
    answer = caller.get(f"{line_of(invoice, 'sms')}/buckets", **{"from": "2026-10-15T07:00:00Z"})
    assert [row["events"] for row in rows_of(answer)] == [2]
    wrong: Any = caller.get(f"{line_of(invoice, 'sms')}/buckets", cursor="yesterday")
    assert [field["pointer"] for field in wrong.json["error"]["fields"]] == ["/cursor"]


def test_a_stranger_sees_no_line(invoice: Invoice, new_caller: NewCaller) -> None:
    stranger = new_caller("billing:read", account=make.make_account())
    for what in ("explanation", "buckets", "events"):
        assert stranger.get(f"{line_of(invoice, 'sms')}/{what}").status_code == 404


def test_a_line_that_is_not_there_is_not_found(invoice: Invoice, caller: Caller) -> None:
    assert caller.get(f"/invoices/{invoice.id}/lines/99/explanation").status_code == 404
