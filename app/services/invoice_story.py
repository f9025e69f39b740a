"""How an invoice came to where it stands, for who made it and for who pays it: the same steps for both."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import select

from app.db import db
from app.domain.periods import day_start
from app.formatting import format_money
from app.models import DocumentMail, EInvoice, Invoice, Payment
from app.models.invoices import InvoiceKind, InvoiceStatus
from app.models.payments import PaymentStatus

INDIA = "Asia/Kolkata"
WAITING = (InvoiceStatus.issued, InvoiceStatus.partially_paid, InvoiceStatus.overdue)


@dataclass(frozen=True, slots=True)
class Step:
    """Something that happened to an invoice, or is to happen (`ahead`); a whole day where it says `on`.
    `invoice_id` names another document that it led to."""

    at: datetime
    icon: str
    title: str
    note: str = ""
    on: date | None = None
    ahead: bool = False
    invoice_id: UUID | None = None


def story(invoice: Invoice, *, today: date) -> list[Step]:
    """Return the steps of an invoice in the order of time, what is still to come last."""
    steps = [*_made(invoice), *_sent(invoice), *_paid(invoice), *_credited(invoice), *_due(invoice, today)]
    return sorted(steps, key=lambda step: (step.ahead, step.at))


def notes_of(invoice: Invoice) -> list[Invoice]:
    """Return the credit notes of an invoice, the oldest first."""
    query = select(Invoice).where(Invoice.original_id == invoice.id, Invoice.number.is_not(None))
    return list(db.session.scalars(query.order_by(Invoice.issued_at, Invoice.id)))


def payments_of(invoice: Invoice) -> list[Payment]:
    """Return what was paid for an invoice, the oldest first."""
    query = select(Payment).where(Payment.invoice_id == invoice.id, Payment.status == PaymentStatus.succeeded)
    return list(db.session.scalars(query.order_by(Payment.settled_at, Payment.id)))


def _made(invoice: Invoice) -> Iterator[Step]:
    if invoice.issued_at is None:
        yield Step(invoice.created_at, "circle-dashed", "Drafted")
        return
    total = format_money(invoice.total, invoice.currency)
    yield Step(invoice.issued_at, "send", "Issued", f"{invoice.number} over {total}")
    if invoice.paid_from_wallet:
        paid = format_money(invoice.paid_from_wallet, invoice.currency)
        yield Step(invoice.issued_at, "wallet", "Paid from the wallet", paid)


def _sent(invoice: Invoice) -> Iterator[Step]:
    registered = db.session.scalar(select(EInvoice).where(EInvoice.invoice_id == invoice.id))
    if registered is not None and registered.ack_at is not None:
        yield Step(
            registered.ack_at, "shield-check", "Registered as e-invoice", f"IRN {registered.irn[:12]}…"
        )
    if registered is not None and registered.cancelled_at is not None:
        yield Step(registered.cancelled_at, "ban", "E-invoice cancelled", registered.cancel_remark or "")
    query = select(DocumentMail).where(
        DocumentMail.document_id == invoice.id, DocumentMail.sent_at.is_not(None)
    )
    for mail in db.session.scalars(query.order_by(DocumentMail.sent_at)):
        assert mail.sent_at is not None
        yield Step(mail.sent_at, "mail", "Mailed", mail.recipient)


def _paid(invoice: Invoice) -> Iterator[Step]:
    for payment in payments_of(invoice):
        if payment.settled_at is not None:
            amount = format_money(payment.amount, payment.currency)
            yield Step(payment.settled_at, "cash", "Payment received", amount)


def _credited(invoice: Invoice) -> Iterator[Step]:
    for note in notes_of(invoice):
        assert note.issued_at is not None
        total = format_money(note.total, note.currency)
        title = f"Credit note {note.number}"
        yield Step(note.issued_at, "receipt-refund", title, total, invoice_id=note.id)


def _due(invoice: Invoice, today: date) -> Iterator[Step]:
    if invoice.kind is InvoiceKind.credit_note or invoice.due_on is None or invoice.status not in WAITING:
        return
    amount = f"{format_money(invoice.amount_due, invoice.currency)} is open"
    late = invoice.due_on < today
    title = "Was due" if late else "Due"
    at = day_start(invoice.due_on, INDIA)
    yield Step(at, "clock", title, amount, on=invoice.due_on, ahead=not late)
