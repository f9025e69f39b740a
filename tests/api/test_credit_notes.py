"""Credit notes, refunds and drafts by the API."""

from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app import clock
from app.models import Invoice, Refund
from app.models.invoices import InvoiceKind
from app.services import payments
from tests import factories as make
from tests.api.conftest import Caller
from tests.services.invoicing import IN_NOVEMBER, OCTOBER, issue_for, priced, use

DRAFT = {"account_id": "acct-1", "period_start": "2026-10-01", "period_end": "2026-10-31"}


@pytest.fixture(autouse=True)
def _in_november(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: IN_NOVEMBER)


@pytest.fixture
def invoice(session: Session) -> Invoice:
    """An issued invoice of 1,180."""
    make.make_seller()
    make.make_tax_rate("18")
    metric = make.make_metric()
    account = make.make_account(make.make_customer(gstin=make.a_gstin("29")), external_id="acct-1")
    priced(make.per_unit(metric, "2.50"), account=account)
    use(account, metric, 400)
    assert OCTOBER
    return issue_for(account)


def notes(session: Session) -> int | None:
    return session.scalar(select(func.count()).where(Invoice.kind == InvoiceKind.credit_note))


def test_a_credit_note_is_issued_once_per_key_listed_and_read(
    session: Session, invoice: Invoice, caller: Caller
) -> None:
    body = {"lines": [{"n": 1, "quantity": "100"}], "reason": "Outage"}
    answers = [
        caller.post(f"/invoices/{invoice.id}/credit-notes", body, Idempotency_Key="note-1") for _ in range(2)
    ]
    assert [answer.status_code for answer in answers] == [201, 201]
    made = answers[0].json["data"]
    assert (answers[1].json["data"], notes(session)) == (made, 1)
    told = made["attributes"]
    assert (told["number"], told["total"], told["tax_total"], told["reason"], told["commercial"]) == (
        "OT29C/26-27/0001",
        "295.00",
        "45.00",
        "Outage",
        False,
    )
    assert told["invoice_number"] == invoice.number
    listed = caller.get(f"/invoices/{invoice.id}/credit-notes").json["data"]
    assert [one["id"] for one in listed] == [made["id"]]
    read = caller.get(f"/credit-notes/{made['id']}").json["data"]["attributes"]
    assert read["lines"][0]["amount"] == "250.00"
    pdf = caller.get(f"/credit-notes/{made['id']}/pdf")
    assert (pdf.mimetype, pdf.data[:4]) == ("application/pdf", b"%PDF")
    assert pdf.headers["Content-Disposition"] == 'attachment; filename="OT29C-26-27-0001.pdf"'
    assert caller.get(f"/credit-notes/{invoice.id}/pdf").status_code == 404
    shown = caller.get(f"/invoices/{invoice.id}").json["data"]["attributes"]
    assert (shown["amount_credited"], shown["amount_due"]) == ("295.00", "885.00")


def test_the_amount_of_a_note_may_name_its_currency(
    session: Session, invoice: Invoice, caller: Caller
) -> None:
    path, amount = f"/invoices/{invoice.id}/credit-notes", {"amount": "118", "currency": "INR"}
    other = caller.post(path, {"amount": {**amount, "currency": "USD"}, "reason": "Outage"})
    assert (other.status_code, other.json["error"]["code"]) == (400, "currency_mismatch")
    assert notes(session) == 0
    told = caller.post(path, {"amount": amount, "reason": "Outage"}).json["data"]["attributes"]
    assert (told["total"], told["tax_total"]) == ("118.00", "18.00")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"amount": "1180.01", "reason": "x"}, "/amount"),
        ({"amount": "1.001", "reason": "x"}, "/amount"),
        ({"amount": "100"}, "/reason"),
        ({"amount": "100", "reason": "x", "refund_to": "moon"}, "/refund_to"),
        ({"lines": [{"n": 9, "amount": "1"}], "reason": "x"}, "/lines/0"),
        ({"amount": "100", "reason": "x", "colour": "red"}, "/colour"),
    ],
)
def test_what_cannot_be_credited_is_refused_by_its_field(
    session: Session, invoice: Invoice, caller: Caller, body: dict[str, Any], pointer: str
) -> None:
    answer = caller.post(f"/invoices/{invoice.id}/credit-notes", body)
    assert answer.status_code == 400
    assert [field["pointer"] for field in answer.json["error"]["fields"]] == [pointer]
    assert notes(session) == 0


def test_an_invoice_is_cancelled_and_billed_again(invoice: Invoice, caller: Caller) -> None:
    body = {"reason": "Wrong price", "rebill": True}
    note = caller.post(f"/invoices/{invoice.id}/void", body)
    assert (note.status_code, note.json["data"]["attributes"]["total"]) == (201, "1180.00")
    shown = caller.get(f"/invoices/{invoice.id}").json["data"]["attributes"]
    assert (shown["status"], shown["amount_due"]) == ("cancelled", "0.00")
    again = caller.post("/invoices", DRAFT)
    assert (again.status_code, again.json["data"]["attributes"]["total"]) == (201, "1180.00")


def test_a_refund_by_bank_makes_the_invoice_wait_again(
    session: Session, invoice: Invoice, caller: Caller
) -> None:
    paid = payments.record_manual(invoice, "1180", reference="UTR1", at=IN_NOVEMBER, actor=make.ACTOR)
    body = {"amount": "180", "to": "bank", "reference": "UTR2", "reason": "Outage"}
    for _ in range(2):
        answer = caller.post(f"/payments/{paid.id}/refunds", body, Idempotency_Key="back-1")
        assert (answer.status_code, answer.json["data"]["attributes"]["status"]) == (201, "succeeded")
    assert session.scalar(select(func.count()).select_from(Refund)) == 1
    assert caller.get(f"/invoices/{invoice.id}").json["data"]["attributes"]["amount_due"] == "180.00"
    above = caller.post(f"/payments/{paid.id}/refunds", {**body, "amount": "1000.01"})
    assert above.json["error"]["fields"][0]["pointer"] == "/amount"
    assert len(caller.get("/refunds", payment_id=str(paid.id)).json["data"]) == 1


def test_a_draft_is_changed_and_discarded(session: Session, invoice: Invoice, caller: Caller) -> None:
    line = {"description": "Set-up", "quantity": "1", "unit_price": "100"}
    draft = caller.post("/invoices", {**DRAFT, "lines": [line]}).json["data"]["id"]
    path = f"/api/v1/invoices/{draft}"
    body = {"lines": [{**line, "quantity": "2"}], "due_on": "2026-11-30", "purchase_order": "PO-7"}
    changed = caller.client.patch(path, json=body, headers=caller.headers)
    told = changed.json["data"]["attributes"]
    assert (told["total"], told["due_on"], told["purchase_order"]) == ("236.00", "2026-11-30", "PO-7")
    gone = caller.post(f"/invoices/{draft}/discard", {"reason": "Mistake"})
    assert (gone.status_code, caller.get(f"/invoices/{draft}").status_code) == (200, 404)
    frozen = caller.client.patch(f"/api/v1/invoices/{invoice.id}", json=body, headers=caller.headers)
    assert (frozen.status_code, frozen.json["error"]["code"]) == (409, "frozen")


def test_a_late_invoice_is_reminded_of_and_written_off(invoice: Invoice, caller: Caller) -> None:
    assert caller.post(f"/invoices/{invoice.id}/remind").status_code == 200
    given_up = caller.post(f"/invoices/{invoice.id}/write-off", {"reason": "Insolvent"})
    assert given_up.json["data"]["attributes"]["status"] == "uncollectible"
