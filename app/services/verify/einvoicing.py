"""Checks of e-invoices: nothing that needs one is without, and what is registered is what was issued."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta

from sqlalchemy import select

from app.config import current_settings
from app.db import db
from app.domain.einvoices import irn_of_content
from app.models import EInvoice, Invoice
from app.models.einvoices import EInvoiceStatus
from app.services import einvoices
from app.services.verify.checks import Findings, check

# From the issue of the document; a cancellation may be asked for a day after the registration.
LONGEST_WAIT = {
    EInvoiceStatus.awaiting_irn: timedelta(hours=24),
    EInvoiceStatus.failed: timedelta(hours=24),
    EInvoiceStatus.cancelling: timedelta(hours=72),
}


@check("einvoices", "Every document that needs an e-invoice has one, under its own reference number")
def einvoiced(findings: Findings, at: datetime) -> None:
    """Work every reference number out again, and look for documents that were never reported or wait long."""
    for row in _stream():
        findings.count(str(row.status))
        content = row.invoice.snapshot
        if content is None or row.irn != irn_of_content(content):
            findings.add(f"e-invoice {row.irn}", f"It is not the reference number of {row.invoice.number}.")
        longest, issued_at = LONGEST_WAIT.get(row.status), row.invoice.issued_at
        if longest and issued_at and at - issued_at > longest:
            why = row.failure or row.last_error or "It was not tried yet."
            message = f"Its e-invoice is {row.status.replace('_', ' ')} for too long. {why}"
            findings.add(f"invoice {row.invoice.number}", message)
    for invoice in _unreported():
        findings.add(f"invoice {invoice.number}", "It needs an e-invoice and has none.")


def _stream() -> Iterator[EInvoice]:
    query = select(EInvoice).join(EInvoice.invoice).execution_options(yield_per=200)
    yield from db.session.scalars(query)


def _unreported() -> Iterator[Invoice]:
    """Yield the issued documents since the first day that need an e-invoice and have none; nothing while
    e-invoices are off."""
    settings = current_settings()
    if not settings.einvoice_from:
        return
    query = (
        select(Invoice)
        .outerjoin(EInvoice, EInvoice.invoice_id == Invoice.id)
        .where(EInvoice.id.is_(None), Invoice.issued_on >= date.fromisoformat(settings.einvoice_from))
        .execution_options(yield_per=200)
    )
    for invoice in db.session.scalars(query):
        if invoice.snapshot and einvoices.needs_one(invoice):
            yield invoice
