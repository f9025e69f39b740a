"""Invoices by the API."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app import clock
from app.models import Account, AuditRecord, Invoice, Metric
from tests import factories as make
from tests.api.conftest import Caller, NewCaller
from tests.services.invoicing import IN_NOVEMBER, NOON, drain, priced, use

OCTOBER = {"period_start": "2026-10-01", "period_end": "2026-11-01"}


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
    """A customer in Karnataka that used 400 messages at 2.50 in October."""
    sms = make.per_unit(metric, "2.50", code="sms", name="SMS", filters={"channel": ["sms"]})
    mail = make.per_unit(metric, "0.10", code="mail", name="E-mail", filters={"channel": ["email"]})
    account = make.make_account(make.make_customer(gstin=make.a_gstin("29")), external_id="acct-1")
    priced(sms, mail, account=account)
    use(account, metric, 400, channel="sms")
    return account


def pointers(answer: Any) -> list[tuple[str, str]]:
    return [(field["pointer"], field["code"]) for field in answer.json["error"]["fields"]]


def draft(caller: Caller, **more: Any) -> dict[str, Any]:
    answer = caller.post("/invoices", {"account_id": "acct-1", **OCTOBER, **more})
    assert answer.status_code == 201, answer.json
    return dict(answer.json["data"])


def test_a_draft_has_everything_and_no_number(account: Account, caller: Caller) -> None:
    attributes = draft(caller)["attributes"]
    figures = {
        name: attributes[name] for name in ("subtotal", "tax_total", "round_off", "total", "amount_due")
    }
    assert figures == {
        "subtotal": "1000.00",
        "tax_total": "180.00",
        "round_off": "0.00",
        "total": "1180.00",
        "amount_due": "1180.00",
    }
    assert (attributes["number"], attributes["status"]) == (None, "draft")
    assert attributes["period_start"] == "2026-09-30T18:30:00Z"
    assert attributes["period_end"] == "2026-10-31T18:30:00Z"
    (line,) = attributes["lines"]
    assert {name: line[name] for name in ("n", "sac", "metric", "quantity", "unit_price", "amount")} == {
        "n": 1,
        "sac": "998319",
        "metric": "auth.otp",
        "quantity": "400",
        "unit_price": "2.5",
        "amount": "1000.00",
    }
    assert (
        line["taxes"]
        == attributes["taxes"]
        == [
            {"code": "CGST", "rate": "9", "taxable": "1000.00", "amount": "90.00"},
            {"code": "SGST", "rate": "9", "taxable": "1000.00", "amount": "90.00"},
        ]
    )
    assert line["component"] == "sms"
    assert line["plan_version"].endswith(" v1")


@pytest.mark.parametrize(
    "period",
    [
        {"period_start": "2026-10-01", "period_end": "2026-10-31"},
        {"period_start": "2026-10-01T00:00:00+05:30", "period_end": "2026-11-01T00:00:00+05:30"},
    ],
)
def test_a_month_may_be_written_by_its_last_day_or_by_instants(
    account: Account, caller: Caller, period: dict[str, str]
) -> None:
    attributes = draft(caller, **period)["attributes"]
    assert attributes["period_end"] == "2026-10-31T18:30:00Z"
    assert attributes["total"] == "1180.00"


def test_a_preview_shows_the_same_and_stores_nothing(
    session: Session, account: Account, caller: Caller
) -> None:
    before = session.scalar(select(func.count()).select_from(AuditRecord))
    line = {"description": "Set-up", "quantity": "2", "unit_price": "50"}
    body = {"account_id": "acct-1", **OCTOBER, "preview": True, "lines": [line]}
    answer = caller.post("/invoices", body)
    assert answer.status_code == 200
    attributes = answer.json["data"]["attributes"]
    assert [entry["amount"] for entry in attributes["lines"]] == ["1000.00", "100.00"]
    assert attributes["total"] == "1298.00"
    assert caller.get("/invoices").json["data"] == []
    assert session.scalar(select(func.count()).select_from(AuditRecord)) == before


def test_a_draft_is_issued_once_and_downloaded_as_the_same_pdf(
    session: Session, account: Account, caller: Caller
) -> None:
    path = f"/invoices/{draft(caller)['id']}"
    assert caller.get(f"{path}/pdf").status_code == 409
    issued = caller.post(f"{path}/issue").json["data"]["attributes"]
    assert (issued["number"], issued["status"]) == ("OT29/26-27/00001", "issued")
    assert (issued["issued_on"], issued["due_on"]) == ("2026-11-01", "2026-11-16")
    assert caller.post(f"{path}/issue").json["data"]["attributes"] == issued
    pdfs = [caller.get(f"{path}/pdf") for _ in range(2)]
    assert pdfs[0].mimetype == "application/pdf"
    assert pdfs[0].data == pdfs[1].data
    assert pdfs[0].data.startswith(b"%PDF")
    assert pdfs[0].headers["Content-Disposition"] == 'attachment; filename="OT29-26-27-00001.pdf"'
    assert (
        caller.get("/invoices", status="issued").json["data"][0]["attributes"]["number"] == issued["number"]
    )


def test_a_line_is_explained_down_to_its_events(
    session: Session, metric: Metric, account: Account, caller: Caller
) -> None:
    use(account, metric, 3, at=NOON + timedelta(days=1), channel="email")
    path = f"/invoices/{draft(caller)['id']}/lines"
    first = caller.get(f"{path}/1/events", limit=200).json
    second = caller.get(f"{path}/1/events", limit=200, cursor=first["meta"]["next_cursor"]).json
    assert len(first["data"]) + len(second["data"]) == 400
    assert second["meta"]["next_cursor"] is None
    mails = caller.get(f"{path}/2/events").json["data"]
    assert [event["attributes"]["properties"] for event in mails] == [{"channel": "email"}] * 3
    assert caller.get(f"{path}/3/events").status_code == 404


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"period_end": "2026-09-01"}, ("/period_end", "bad_period")),
        ({"period_start": "yesterday"}, ("/period_start", "bad_timestamp")),
        ({"period_start": "0001-01-01"}, ("/period_start", "out_of_range")),
        ({"period_end": "9999-12-31"}, ("/period_end", "out_of_range")),
        ({"period_end": "9999-12-31T23:59:59Z"}, ("/period_end", "out_of_range")),
        ({"lines": [{"description": "x", "quantity": "1"}]}, ("/lines/0/unit_price", "required")),
        ({"colour": "red"}, ("/colour", "unknown_field")),
    ],
)
def test_an_invoice_that_cannot_be_is_refused_by_its_field(
    session: Session, account: Account, caller: Caller, body: dict[str, Any], expected: tuple[str, str]
) -> None:
    answer = caller.post("/invoices", {"account_id": "acct-1", **OCTOBER, **body})
    assert answer.status_code == 400
    assert pointers(answer) == [expected]
    assert session.scalar(select(func.count()).select_from(Invoice)) == 0


def test_nothing_to_bill_is_a_conflict(metric: Metric, caller: Caller) -> None:
    account = priced(make.per_unit(metric)).account
    answer = caller.post("/invoices", {"account_id": str(account.id), **OCTOBER})
    assert (answer.status_code, answer.json["error"]["code"]) == (409, "conflict")
    shown = caller.post("/invoices", {"account_id": str(account.id), **OCTOBER, "preview": True})
    assert (shown.status_code, shown.json["data"]) == (200, None)


def test_a_key_of_another_account_sees_no_invoice(
    session: Session, account: Account, caller: Caller, new_caller: NewCaller
) -> None:
    path = f"/invoices/{draft(caller)['id']}"
    stranger = new_caller("billing:read", "billing:write", account=make.make_account())
    for address in (path, f"{path}/pdf", f"{path}/lines/1/events"):
        assert stranger.get(address).status_code == 404
    assert stranger.post(f"{path}/issue").status_code == 404
    assert stranger.get("/invoices").json["data"] == []
    own = new_caller("billing:write", account=account)
    assert own.post(f"{path}/issue").status_code == 403
    assert caller.get(path).json["data"]["attributes"]["number"] is None


def test_only_who_may_write_billing_issues(account: Account, caller: Caller, new_caller: NewCaller) -> None:
    path = f"/invoices/{draft(caller)['id']}"
    reader = new_caller("billing:read")
    assert reader.get(path).status_code == 200
    assert reader.post(f"{path}/issue").status_code == 403
    assert reader.post("/admin/billing-runs", {"period": "2026-10"}).status_code == 403
    assert caller.get(path).json["data"]["attributes"]["status"] == "draft"


def test_a_draft_bills_what_is_metered(
    session: Session, metric: Metric, account: Account, caller: Caller
) -> None:
    use(account, metric, 100, channel="sms", meter=False)
    assert draft(caller)["attributes"]["subtotal"] == "1000.00"
    drain()
    assert draft(caller)["attributes"]["subtotal"] == "1250.00"
