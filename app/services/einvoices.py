"""e-invoices of issued documents: which need one, how they stand, and what people do about it (CGST Rule
48(4)).

A document that needs one is issued in the state `awaiting_irn`: its PDF and mail wait, because without the
signed QR code it is no invoice (Rule 48(5)). `einvoice_attempts` takes it to the portal and promises the PDF.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import select

from app.config import current_settings
from app.db import db, lock
from app.domain import einvoice_rules, einvoices
from app.domain.errors import RuleBroken
from app.domain.numbering import IST
from app.domain.states import move
from app.errors import Conflict, Invalid, NotFound
from app.models import EInvoice, Invoice, StoredFile
from app.models.einvoices import EInvoiceStatus
from app.models.invoices import InvoiceKind
from app.permissions import Actor
from app.queue import enqueue
from app.services import audit
from app.services.inputs import refusals

JOB = "jobs.einvoices.run"
WINDOW = timedelta(hours=24)
MOST_DOCUMENTS = 500
SHORTEST_REMARK, LONGEST_REMARK = 3, 100
# As the portal numbers them.
REASONS = {1: "Duplicate", 2: "Data entry mistake", 3: "Order cancelled", 4: "Others"}
UNACKNOWLEDGED = (EInvoiceStatus.awaiting_irn, EInvoiceStatus.failed)

_encode = msgspec.json.Encoder(decimal_format="number").encode


@dataclass(frozen=True, slots=True)
class QrCode:
    """The registration as a document shows it: `text` is the token that the portal has signed, `ack_at` when
    it did, in India's time."""

    irn: str
    ack_no: str
    ack_at: str
    text: str


class AwaitingIrn(Conflict):
    """The portal has not registered the document yet, so it has no QR code and must not be handed out."""

    code = "awaiting_irn"


def are_on(on: date) -> bool:
    """Tell whether documents of a day may need an e-invoice: a provider is set, the day is not before the
    first, and the seller's turnover is above the limit (₹5 crore since 1 August 2023: Notification
    10/2023-CT)."""
    settings = current_settings()
    if not settings.einvoice_provider or settings.einvoice_turnover <= settings.einvoice_above:
        return False
    return on >= date.fromisoformat(settings.einvoice_from)


def is_required(content: Mapping[str, Any]) -> bool:
    """Tell whether a document with this content needs an e-invoice: of its day and of its kind."""
    return are_on(date.fromisoformat(content["issued_on"])) and einvoices.is_reportable(content)


def objections(content: Mapping[str, Any], original: Mapping[str, Any] | None = None) -> list[str]:
    """Return for what the portal would refuse a document that is about to be issued, in words. Its number is
    not looked at, as it has none yet."""
    if not is_required(content):
        return []
    try:
        document = einvoices.build(content, original)
    except RuleBroken as broken:
        return [str(broken)]
    found = einvoice_rules.problems(document, accept_test=current_settings().accept_test_gstins)
    return [str(each) for each in found if each.pointer != "/DocDtls/No"]


def begin(document: Invoice, *, at: datetime, actor: Actor) -> bool:
    """Note that a document just issued needs an e-invoice, if it does, and wake up who registers it.

    Return whether its PDF has to wait: it is promised when the portal has signed, else by the caller.
    """
    if not needs_one(document):
        return False
    assert document.snapshot is not None
    row = EInvoice(
        invoice=document,
        irn=einvoices.irn_of_content(document.snapshot),
        provider=current_settings().einvoice_provider,
        next_try_at=at,
    )
    db.session.add(row)
    summary = f"{document.number} needs an e-invoice"
    audit.record(actor, "einvoice.required", row, summary=summary, at=at, after={"irn": row.irn})
    enqueue(JOB)
    return True


def needs_one(document: Invoice) -> bool:
    """Tell whether an issued document needs an e-invoice. The credit note of an invoice whose registration
    was cancelled needs none, as the portal then knows neither."""
    assert document.snapshot is not None
    return is_required(document.snapshot) and not _was_cancelled(document)


def find(document: Invoice) -> EInvoice | None:
    """Return the e-invoice of a document, if it needs one."""
    return db.session.scalar(select(EInvoice).where(EInvoice.invoice_id == document.id))


def get(document: Invoice) -> EInvoice:
    """Return the e-invoice of a document.

    Raises:
        NotFound: it needs none.
    """
    found = find(document)
    if found is None:
        raise NotFound("This document has no e-invoice: the law asks for none, or they are switched off.")
    return found


def qr_for(document: Invoice) -> QrCode | None:
    """Return what a document shows of its registration; None where it needs none. It stays the same for ever,
    also after a cancellation.

    Raises:
        AwaitingIrn: it needs one and the portal has not registered it.
    """
    found = find(document)
    if found is None:
        return None
    if found.signed_qr is None:
        raise AwaitingIrn(
            f"{document.number} waits for its registration at the Invoice Registration Portal. Without it "
            "there is no document to hand out (CGST Rule 48(5))."
        )
    assert found.ack_no is not None
    assert found.ack_at is not None
    return QrCode(found.irn, found.ack_no, f"{found.ack_at.astimezone(IST):%d %b %Y, %H:%M}", found.signed_qr)


def register(document: Invoice, *, at: datetime, actor: Actor) -> EInvoice:
    """Take an issued document to the portal now, and return its e-invoice: also one that was issued while
    e-invoices were off, if nobody has its PDF yet.

    Raises:
        NotFound: it needs none.
        Conflict: a draft; it is registered, or cancelled; its PDF was made without the code.
    """
    found = find(document)
    if found is not None:
        return register_again(found, at=at, actor=actor)
    if document.snapshot is None:
        raise Conflict("A draft has no e-invoice yet: issue the invoice first.")
    made = select(StoredFile.id).where(
        StoredFile.resource_type == "Invoice", StoredFile.resource_id == str(document.id)
    )
    if needs_one(document) and db.session.scalar(made.limit(1)) is not None:
        raise Conflict("Its document was made without the code: report it at the portal by the JSON file.")
    begin(document, at=at, actor=actor)
    return get(document)


def register_again(row: EInvoice, *, at: datetime, actor: Actor) -> EInvoice:
    """Take a document to the portal now: one that was refused, or whose next attempt is further away.

    Raises:
        Conflict: it is registered, or cancelled.
    """
    (row,) = lock(EInvoice, [row.id])
    if row.status not in UNACKNOWLEDGED:
        raise Conflict("The portal has registered this document: there is nothing to repeat.")
    if row.status is EInvoiceStatus.failed:
        with refusals():
            row.status = EInvoiceStatus(move("e_invoice", row.status, EInvoiceStatus.awaiting_irn))
    row.failure, row.next_try_at = None, at
    summary = f"The registration of {row.invoice.number} was asked for again"
    audit.record(actor, "einvoice.asked_again", row, summary=summary, at=at)
    enqueue(JOB)
    return row


def cancel(row: EInvoice, *, reason: object, remark: object, at: datetime, actor: Actor) -> EInvoice:
    """Ask the portal to cancel a registration, within 24 hours of it. `reason` is one of `REASONS`.

    The invoice itself stays until it is voided; its credit note then needs no e-invoice.

    Raises:
        Invalid: no reason of the portal's, no remark of 3 to 100 characters.
        Conflict: a credit note, not registered, cancelled, or more than 24 hours ago.
    """
    code, words = _reason(reason), _remark(remark)
    (row,) = lock(EInvoice, [row.id])
    if row.status is not EInvoiceStatus.registered:
        raise Conflict(f"Only what is registered can be cancelled; this is {row.status.replace('_', ' ')}.")
    if row.invoice.kind is InvoiceKind.credit_note:
        raise Conflict("A credit note is not cancelled: what it took back is asked for by a new invoice.")
    if not is_cancellable(row, at):
        assert row.ack_at is not None
        until = (row.ack_at + WINDOW).astimezone(IST)
        raise Conflict(
            f"The portal cancels within 24 hours only, which ended on {until:%d %b %Y at %H:%M} in India. "
            "Issue a credit note instead."
        )
    with refusals():
        row.status = EInvoiceStatus(move("e_invoice", row.status, EInvoiceStatus.cancelling))
    row.cancel_reason, row.cancel_remark, row.cancel_asked_by = code, words, actor.label
    row.attempts, row.next_try_at, row.last_error = 0, at, None
    summary = f"The cancellation of the e-invoice of {row.invoice.number} was asked for"
    after = {"reason": REASONS[code], "remark": words}
    audit.record(actor, "einvoice.cancellation_asked", row, summary=summary, at=at, after=after)
    enqueue(JOB)
    return row


def is_cancellable(row: EInvoice, at: datetime) -> bool:
    """Tell whether the portal still cancels a registration."""
    return row.status is EInvoiceStatus.registered and row.ack_at is not None and at <= row.ack_at + WINDOW


def document_of(invoice: Invoice) -> dict[str, Any]:
    """Return the INV-01 document of an issued invoice or credit note, amounts as decimals.

    Raises:
        Conflict: a draft.
        Invalid: it cannot be told in that form.
    """
    if invoice.snapshot is None:
        raise Conflict("A draft has no e-invoice yet: issue the invoice first.")
    original = invoice.original.snapshot if invoice.original else None
    with refusals():
        return einvoices.build(invoice.snapshot, original)


def documents_of(first: date, last: date) -> Sequence[Invoice]:
    """Return the documents dated from the first to the last day that have an e-invoice, the oldest first.

    Raises:
        Invalid: they are more than 500.
    """
    query = (
        select(Invoice)
        .join(EInvoice, EInvoice.invoice_id == Invoice.id)
        .where(Invoice.issued_on.between(first, last))
        .order_by(Invoice.issued_on, Invoice.number)
        .limit(MOST_DOCUMENTS + 1)
    )
    found = db.session.scalars(query).all()
    if len(found) > MOST_DOCUMENTS:
        message = f"These days have more than {MOST_DOCUMENTS} documents: ask for fewer."
        raise Invalid.at("/last", message, code="too_many")
    return found


def export(invoices: Sequence[Invoice], *, many: bool = False) -> bytes:
    """Return the INV-01 document of an invoice as JSON; with `many` those of several as an array, which the
    portal's bulk upload takes.

    Raises:
        Conflict, Invalid: as `document_of` says.
    """
    documents = [document_of(invoice) for invoice in invoices]
    content: bytes = _encode(documents if many else documents[0])
    return content


def _was_cancelled(document: Invoice) -> bool:
    """Tell whether a document is the note on an invoice that the portal has cancelled."""
    if document.original_id is None:
        return False
    query = select(EInvoice.id).where(
        EInvoice.invoice_id == document.original_id, EInvoice.status == EInvoiceStatus.cancelled
    )
    return db.session.scalar(query) is not None


def _reason(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value not in REASONS:
        choices = ", ".join(f"{code} ({words.lower()})" for code, words in REASONS.items())
        raise Invalid.at("/reason", f"Choose one of: {choices}.", code="unknown_choice")
    return value


def _remark(value: object) -> str:
    words = " ".join(value.split()) if isinstance(value, str) else ""
    if not SHORTEST_REMARK <= len(words) <= LONGEST_REMARK:
        message = f"Say why in {SHORTEST_REMARK} to {LONGEST_REMARK} characters."
        raise Invalid.at("/remark", message, code="bad_length")
    return words
