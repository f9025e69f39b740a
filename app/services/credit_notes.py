"""Credit notes: the only way in which an issued invoice is corrected (CGST Rule 53, s.34; docs/adr/0017).

A note is an invoice of kind `credit_note` with a series of its own, which names its invoice by `original_id`;
its lines name the lines they take back. The invoice itself never changes: what is still asked for falls by
`amount_credited`. Together the notes of an invoice never exceed it, as its row is locked, and the last one
takes the exact remainder. After 30 November of the year after the supply a note takes back no tax.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import joinedload, selectinload

from app.db import db, lock
from app.domain.crediting import last_day_of_tax
from app.domain.money import plain, zero
from app.domain.numbering import ist_date
from app.errors import Conflict, Invalid, NotFound
from app.models import Invoice
from app.models.invoices import InvoiceKind, InvoiceStatus
from app.permissions import Actor
from app.services import (
    audit,
    credit_note_making,
    credit_note_parts,
    credited,
    einvoices,
    giving_back,
    inputs,
    invoiced_debts,
    outbox,
    overpayments,
    settling,
)
from app.services.inputs import refusals

NOTHING = Decimal(0)
UNCREDITED = (InvoiceStatus.draft, InvoiceStatus.parked)


class RefundTo(StrEnum):
    """Where money goes that was paid beyond what the invoice still asks for; `none` leaves it there."""

    wallet = "wallet"
    gateway = "gateway"
    none = "none"


def issue(
    invoice: Invoice,
    *,
    reason: str,
    lines: Sequence[Mapping[str, Any]] | None = None,
    amount: object = None,
    refund_to: RefundTo = RefundTo.none,
    at: datetime,
    actor: Actor,
) -> Invoice:
    """Take back a part of an invoice and return the credit note.

    Either `lines`, each `{"n", "quantity"}` or `{"n", "amount"}` with the taxable amount, or `amount`, which
    includes the tax (a commercial note has none) and is spread over all lines. All that is left of the
    invoice takes its round-off back as well.

    Raises:
        Invalid: more than is left of a line or of the invoice, an amount that cannot be used, no reason.
        Conflict: a draft, a credit note, or an invoice of which nothing is left; the money cannot go where
            it should.
    """
    why = _reason(reason)
    if (lines is None) == (amount is None):
        raise Invalid.at("/amount", "Give either lines or an amount.", code="required")
    return _issue(invoice, why, lines, amount, refund_to, at=at, actor=actor)


def void(
    invoice: Invoice,
    *,
    reason: str,
    rebill: bool = False,
    refund_to: RefundTo = RefundTo.none,
    at: datetime,
    actor: Actor,
) -> Invoice:
    """Cancel an invoice by a credit note over all that is left of it, and return the note.

    With `rebill` its usage, fees, coupons and credits are given back, and the next invoice bills them again.
    Without it they stay billed: what was cancelled is not asked for again.

    Raises:
        Conflict: the tax can no longer be taken back; with `rebill`, an invoice that has credit notes or
            that carried something on; else as `issue` says.
        Invalid: no reason.
    """
    why = _reason(reason)
    positions = giving_back.lock_positions(invoice) if rebill else {}
    (locked,) = lock(Invoice, [invoice.id])
    if locked.tax_total and ist_date(at) > last_day_of_tax(_issued_on(locked)):
        raise Conflict("The tax can no longer be taken back (s.34(2)): issue a credit note over an amount.")
    if rebill:
        giving_back.check(locked)
    note = _issue(locked, why, None, None, refund_to, at=at, actor=actor, rebill=rebill)
    if rebill:
        giving_back.give_back(locked, positions)
    return note


def is_commercial(invoice: Invoice, at: datetime) -> bool:
    """Tell whether a note issued now would take back no tax, though the invoice has some."""
    return bool(invoice.tax_total) and ist_date(at) > last_day_of_tax(_issued_on(invoice))


def left_of(invoice: Invoice, at: datetime) -> Decimal:
    """Return what can still be credited of an issued invoice."""
    if invoice.number is None or invoice.kind is InvoiceKind.credit_note:
        return NOTHING
    rows = credited.charged(invoice, credited.notes_of(invoice))
    if is_commercial(invoice, at):
        return min(sum((row.left for row in rows), NOTHING), invoice.total - invoice.amount_credited)
    return invoice.total - invoice.amount_credited


def get(note_id: UUID) -> Invoice:
    """Return the credit note with this id, its lines loaded.

    Raises:
        NotFound: there is none.
    """
    query = select(Invoice).where(Invoice.id == note_id, Invoice.kind == InvoiceKind.credit_note)
    loaded = (joinedload(Invoice.account), joinedload(Invoice.original), selectinload(Invoice.lines))
    found = db.session.scalar(query.options(*loaded))
    if found is None:
        raise NotFound("There is no such credit note.")
    return found


def _issue(
    invoice: Invoice,
    reason: str,
    lines: Sequence[Mapping[str, Any]] | None,
    amount: object,
    refund_to: RefundTo,
    *,
    at: datetime,
    actor: Actor,
    rebill: bool = False,
) -> Invoice:
    overpayments.lock_payments(invoice)
    (invoice,) = lock(Invoice, [invoice.id])
    _check_can_be_credited(invoice)
    notes = credited.notes_of(invoice)
    rows = credited.charged(invoice, notes)
    tax = not is_commercial(invoice, at)
    with refusals():
        parts, whole = credit_note_parts.read(invoice, rows, lines, amount, tax)
    rest = credited.round_off_left(invoice, notes) if whole and tax else zero(invoice.currency)
    note = credit_note_making.make(invoice, parts, rest, at)
    if not NOTHING < note.total <= invoice.total - invoice.amount_credited:
        left = plain(invoice.total - invoice.amount_credited)
        message = f"{plain(note.total)} is asked for; {left} {invoice.currency} is left of {invoice}."
        raise Invalid.at("/amount", message, code="too_large")
    before = {"status": invoice.status, "amount_credited": invoice.amount_credited}
    invoice.amount_credited += note.total
    if rebill:
        invoiced_debts.restore(invoice, at=at, actor=actor)
    else:
        invoiced_debts.forgive(invoice, at=at, actor=actor)
    settling.settle(invoice, on=ist_date(at))
    credit_note_making.number(note, invoice, reason, commercial=not tax)
    _record(note, invoice, reason, before, at, actor)
    overpayments.return_money(
        invoice, note, to=refund_to.value, rebill=rebill, reason=reason, at=at, actor=actor
    )
    return note


def _record(
    note: Invoice, invoice: Invoice, reason: str, before: dict[str, Any], at: datetime, actor: Actor
) -> None:
    if not einvoices.begin(note, at=at, actor=actor):
        outbox.promise("invoice.document", str(note.id), {"invoice_id": str(note.id)})
    summary = f"{note.number} credits {plain(note.total)} {note.currency} of {invoice.number}: {reason}"
    after = {"number": note.number, "total": note.total, "invoice_id": invoice.id, "reason": reason}
    audit.record(actor, "credit_note.issued", note, summary=summary, at=at, after=after)
    done = "cancelled" if invoice.status is InvoiceStatus.cancelled else "credited"
    after = {"status": invoice.status, "amount_credited": invoice.amount_credited}
    audit.record(actor, f"invoice.{done}", invoice, summary=summary, at=at, before=before, after=after)


def _check_can_be_credited(invoice: Invoice) -> None:
    if invoice.kind is InvoiceKind.credit_note:
        raise Conflict("A credit note is not credited itself.")
    if invoice.status in UNCREDITED:
        raise Conflict("A draft is changed or discarded, not credited.")
    if invoice.amount_credited >= invoice.total:
        raise Conflict(f"Nothing is left to be credited of {invoice}.")


def _reason(reason: str) -> str:
    with refusals():
        found: str = inputs.text()(reason, "/reason")
    return found


def _issued_on(invoice: Invoice) -> date:
    if invoice.issued_on is None:
        raise Conflict("A draft is changed or discarded, not credited.")
    return invoice.issued_on
