"""The screen of e-invoices: what the portal refused, the document for it, cancelling within a day."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import time_machine
from flask import Flask
from sqlalchemy.orm import Session

from app import clock
from app.db import db
from app.models import EInvoice
from app.models.einvoices import EInvoiceStatus
from app.services import einvoice_attempts
from tests import factories as make
from tests.admin.conftest import Person
from tests.services.invoicing import IN_NOVEMBER
from tests.services.reporting import issue_to, registered_buyer, reporting


@pytest.fixture(autouse=True)
def _in_november(app: Flask, tmp_path: Path) -> Iterator[None]:
    with time_machine.travel(IN_NOVEMBER, tick=False), reporting(app, tmp_path):
        yield


@pytest.fixture
def row(session: Session) -> EInvoice:
    """The e-invoice of an invoice that was just issued."""
    make.make_seller()
    make.make_tax_rate("18")
    invoice = issue_to(registered_buyer())
    return db.session.query(EInvoice).filter_by(invoice_id=invoice.id).one()


def operate(desk: Person, operation: str, row: EInvoice, **form: str) -> str:
    """Do an operation on its page and return the page that follows."""
    answer = desk.post(f"/admin/e-invoices/operation/{operation}/?id={row.id}", form)
    return desk.text(answer.location) if answer.location else answer.get_data(as_text=True)


def test_the_list_shows_how_each_stands(desk: Person, row: EInvoice) -> None:
    text = desk.text("/admin/e-invoices/")
    assert row.invoice.number in text
    assert "Awaiting irn" in text or "awaiting irn" in text


def test_what_was_refused_says_why_and_is_asked_for_again(desk: Person, row: EInvoice) -> None:
    row.status, row.failure = EInvoiceStatus.failed, "3028: GSTIN is not present"
    db.session.flush()
    assert "3028: GSTIN is not present" in desk.text(f"/admin/e-invoices/details/?id={row.id}")
    assert "The portal is asked again" in operate(desk, "register_again", row)
    einvoice_attempts.run()
    db.session.refresh(row)
    assert (row.status, row.failure) == (EInvoiceStatus.registered, None)


def test_the_document_is_downloaded(desk: Person, row: EInvoice) -> None:
    told = json.loads(desk.text(f"/admin/e-invoices/download/inv01/?id={row.id}"))
    assert told["DocDtls"]["No"] == row.invoice.number


def test_it_is_cancelled_with_a_reason_within_a_day(desk: Person, row: EInvoice) -> None:
    page = f"/admin/e-invoices/details/?id={row.id}"
    assert "operation/cancel" not in desk.text(page)
    einvoice_attempts.run()
    db.session.refresh(row)
    assert "operation/cancel" in desk.text(page)
    assert "Field must be between 3 and 100 characters long." in operate(
        desk, "cancel", row, reason="2", remark="no"
    )
    assert "Then void the invoice itself" in operate(desk, "cancel", row, reason="2", remark="Wrong customer")
    einvoice_attempts.run()
    db.session.refresh(row)
    assert (row.status, row.cancel_reason, row.cancel_remark) == (
        EInvoiceStatus.cancelled,
        2,
        "Wrong customer",
    )


def test_after_a_day_cancelling_is_not_offered(row: EInvoice, request: pytest.FixtureRequest) -> None:
    einvoice_attempts.run()
    db.session.refresh(row)
    with time_machine.travel(clock.now() + timedelta(hours=24, seconds=1), tick=False):
        desk = request.getfixturevalue("desk")
        assert "operation/cancel" not in desk.text(f"/admin/e-invoices/details/?id={row.id}")
        answer = operate(desk, "cancel", row, reason="2", remark="Wrong customer")
    assert "Issue a credit note instead." in answer
    assert row.status is EInvoiceStatus.registered
