"""e-invoices by the API: read, registered again, cancelled within a day (CGST Rule 48)."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from flask import Flask
from sqlalchemy.orm import Session

from app import clock
from app.models import Account, Invoice
from app.services import einvoice_attempts
from tests import factories as make
from tests.api.conftest import Caller, NewCaller
from tests.services.invoicing import IN_NOVEMBER
from tests.services.reporting import issue_to, registered_buyer, reporting

CANCEL = {"reason": 2, "remark": "Wrong customer"}


@pytest.fixture(autouse=True)
def portal(app: Flask, tmp_path: Path) -> Iterator[None]:
    """Report documents from 1 November on."""
    with time_machine.travel(IN_NOVEMBER, tick=False), reporting(app, tmp_path):
        yield


@pytest.fixture
def account(session: Session) -> Account:
    make.make_seller()
    make.make_tax_rate("18")
    return registered_buyer()


@pytest.fixture
def invoice(account: Account) -> Invoice:
    return issue_to(account)


def read(caller: Caller, invoice: Invoice) -> dict[str, Any]:
    answer = caller.get(f"/invoices/{invoice.id}/e-invoice")
    assert answer.status_code == 200, answer.json
    return dict(answer.json["data"]["attributes"])


def cancel(caller: Caller, invoice: Invoice, body: Any = None, key: str = "1") -> Any:
    path = f"/invoices/{invoice.id}/e-invoice/cancel"
    return caller.post(path, body or CANCEL, Idempotency_Key=key)


def test_it_is_awaited_then_registered(caller: Caller, invoice: Invoice) -> None:
    before = read(caller, invoice)
    assert (before["status"], before["ack_no"], before["signed_qr"]) == ("awaiting_irn", None, None)
    einvoice_attempts.run()
    after = read(caller, invoice)
    assert (after["status"], after["irn"], after["attempts"]) == ("registered", before["irn"], 1)
    assert (after["document_number"], after["ack_at"]) == (invoice.number, "2026-11-01T04:00:00Z")
    assert after["signed_qr"].count(".") == after["signed_invoice"].count(".") == 2


def test_the_document_is_refused_until_then(caller: Caller, invoice: Invoice) -> None:
    answer = caller.get(f"/invoices/{invoice.id}/pdf")
    assert (answer.status_code, answer.json["error"]["code"]) == (409, "awaiting_irn")


def test_what_the_portal_is_told_is_a_file_of_its_own_form(caller: Caller, invoice: Invoice) -> None:
    answer = caller.get(f"/invoices/{invoice.id}/e-invoice/document")
    told = json.loads(answer.data)
    assert (told["Version"], told["DocDtls"]["No"], told["ValDtls"]["TotInvVal"]) == (
        "1.1",
        invoice.number,
        1180,
    )
    assert answer.headers["Content-Disposition"] == 'attachment; filename="OT29-26-27-00001.json"'


def test_it_is_cancelled_within_a_day(caller: Caller, invoice: Invoice) -> None:
    einvoice_attempts.run()
    answer = cancel(caller, invoice)
    assert (answer.status_code, answer.json["data"]["attributes"]["status"]) == (202, "cancelling")
    assert cancel(caller, invoice).json == answer.json
    einvoice_attempts.run()
    after = read(caller, invoice)
    assert (after["status"], after["cancel_reason"], after["cancelled_at"]) == (
        "cancelled",
        2,
        "2026-11-01T04:00:00Z",
    )


def test_after_a_day_a_credit_note_is_the_way(caller: Caller, invoice: Invoice) -> None:
    einvoice_attempts.run()
    with time_machine.travel(clock.now() + timedelta(hours=24, seconds=1), tick=False):
        answer = cancel(caller, invoice)
    assert (answer.status_code, answer.json["error"]["code"]) == (409, "conflict")
    assert answer.json["error"]["message"].endswith("Issue a credit note instead.")
    assert read(caller, invoice)["status"] == "registered"


def test_a_reason_that_the_portal_does_not_know_is_named(caller: Caller, invoice: Invoice) -> None:
    einvoice_attempts.run()
    answer = cancel(caller, invoice, {"reason": 9, "remark": "Wrong customer"})
    assert (answer.status_code, answer.json["error"]["fields"][0]["pointer"]) == (400, "/reason")
    assert read(caller, invoice)["status"] == "registered"


def test_what_is_registered_is_not_registered_again(caller: Caller, invoice: Invoice) -> None:
    path = f"/invoices/{invoice.id}/e-invoice"
    waiting = caller.post(path, {}, Idempotency_Key="1")
    assert (waiting.status_code, waiting.json["data"]["attributes"]["status"]) == (202, "awaiting_irn")
    einvoice_attempts.run()
    assert caller.post(path, {}, Idempotency_Key="2").status_code == 409


def test_one_that_was_issued_before_they_were_on_is_registered_by_hand(
    app: Flask, caller: Caller, account: Account, tmp_path: Path
) -> None:
    with reporting(app, tmp_path, einvoice_provider="", einvoice_from=""):
        invoice = issue_to(account)
    path = f"/invoices/{invoice.id}/e-invoice"
    assert caller.get(path).status_code == 404
    assert caller.post(path, {}, Idempotency_Key="1").status_code == 202
    einvoice_attempts.run()
    assert read(caller, invoice)["status"] == "registered"


def test_who_needs_none_has_none(caller: Caller, account: Account) -> None:
    invoice = issue_to(make.make_account())
    path = f"/invoices/{invoice.id}/e-invoice"
    assert caller.get(path).status_code == 404
    assert caller.post(path, {}, Idempotency_Key="1").status_code == 404


def test_they_are_listed_by_status(caller: Caller, invoice: Invoice) -> None:
    assert [row["attributes"]["document_number"] for row in listed(caller, "awaiting_irn")] == [
        invoice.number
    ]
    assert listed(caller, "failed") == []
    assert caller.get("/e-invoices", status="lost").json["error"]["fields"][0]["pointer"] == "/status"


def listed(caller: Caller, status: str) -> list[dict[str, Any]]:
    return list(caller.get("/e-invoices", status=status).json["data"])


def test_a_key_of_another_account_sees_nothing_and_its_own_may_not_cancel(
    new_caller: NewCaller, account: Account, invoice: Invoice
) -> None:
    stranger = new_caller("all", account=make.make_account())
    own = new_caller("all", account=account)
    assert stranger.get(f"/invoices/{invoice.id}/e-invoice").status_code == 404
    assert own.get(f"/invoices/{invoice.id}/e-invoice").status_code == 200
    einvoice_attempts.run()
    assert cancel(own, invoice).status_code == 403
    assert own.get("/e-invoices").status_code == 403
    assert read(own, invoice)["status"] == "registered"


def test_those_of_some_days_are_one_file(caller: Caller, account: Account, invoice: Invoice) -> None:
    issue_to(make.make_account())
    days = {"first": "2026-11-01", "last": "2026-11-30"}
    told = json.loads(caller.get("/e-invoices/documents", **days).data)
    assert [each["DocDtls"]["No"] for each in told] == [invoice.number]
    assert json.loads(caller.get("/e-invoices/documents", **{**days, "first": "2026-11-02"}).data) == []
    answer = caller.get("/e-invoices/documents", **{**days, "last": "soon"})
    assert (answer.status_code, answer.json["error"]["fields"][0]["pointer"]) == (400, "/last")
