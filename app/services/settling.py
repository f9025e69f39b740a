"""What an invoice's status is, given what was paid of it and what credit notes have taken off."""

from datetime import date

from app.domain.invoicing import settlement
from app.domain.states import move
from app.models import Invoice
from app.models.invoices import InvoiceStatus
from app.services.inputs import refusals


def settle(invoice: Invoice, *, on: date) -> None:
    """Bring the status of a locked, issued invoice up to date on a day.

    All of it credited, it is cancelled. One that was given up stays so until money comes.

    Raises:
        IllegalTransition: the table of states does not allow it.
    """
    status = _status(invoice, on)
    if invoice.status is InvoiceStatus.uncollectible and status is InvoiceStatus.overdue:
        status = InvoiceStatus.partially_paid if invoice.amount_paid else InvoiceStatus.uncollectible
    if status is not invoice.status:
        with refusals():
            invoice.status = InvoiceStatus(move("invoice", invoice.status, status))


def _status(invoice: Invoice, on: date) -> InvoiceStatus:
    assert invoice.due_on is not None
    if invoice.amount_credited and invoice.amount_credited == invoice.total:
        return InvoiceStatus.cancelled
    asked = invoice.total - invoice.amount_credited
    return InvoiceStatus(settlement(asked, invoice.amount_paid, due_on=invoice.due_on, today=on))
