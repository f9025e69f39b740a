"""Taking documents to the Invoice Registration Portal, each exactly once.

An attempt is committed before the portal hears of it, and no transaction is open meanwhile. Whatever was
tried before is looked for under its reference number first, so an answer that was lost, or a process that was
killed, registers nothing twice. What is signed is compared with the document before it is believed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import select

import app.gateways
from app import clock
from app.config import current_settings
from app.db import db, in_transaction, lock
from app.domain import einvoice_rules
from app.domain.states import move
from app.errors import DomainError, Unavailable
from app.gateways.einvoices import (
    DUPLICATES,
    NOT_ACTIVE,
    EInvoiceProvider,
    PortalError,
    PortalRefused,
    PortalUnavailable,
    Registered,
    open_provider,
)
from app.models import EInvoice
from app.models.einvoices import EInvoiceStatus
from app.permissions import Actor
from app.registry import UnknownName, load_package
from app.services import audit, einvoices, outbox
from app.services.inputs import refusals

load_package(app.gateways)

SYSTEM = Actor.system("e-invoices")
SHORTEST_PAUSE, LONGEST_PAUSE = timedelta(seconds=30), timedelta(hours=1)
DOUBLINGS = 7
OPEN = (EInvoiceStatus.awaiting_irn, EInvoiceStatus.cancelling)
OTHER = PortalError("other_document", "The portal has another document under this number.")
GONE = PortalError(
    "cancelled_elsewhere", "It was cancelled at the portal, and its number cannot be used again."
)


@dataclass(frozen=True, slots=True)
class Attempt:
    """What an attempt needs to know, read before it: the row is not touched while the portal is asked."""

    id: UUID
    provider: str
    cancelling: bool
    repeated: bool
    irn: str
    document: dict[str, Any]
    reason: int | None
    remark: str | None

    @property
    def gstin(self) -> str:
        """The seller's."""
        return str(self.document["SellerDtls"]["Gstin"])


def has_due() -> bool:
    """True when a document is to be taken to the portal now."""
    due = select(EInvoice.id).where(EInvoice.status.in_(OPEN), EInvoice.next_try_at <= clock.now())
    return bool(db.session.scalar(select(due.exists())))


def run() -> dict[str, int]:
    """Make an attempt for every document that is due; call it with no transaction open."""
    counts = {"settled": 0, "left": 0}
    while (attempt := in_transaction(lambda: _claim(clock.now()))) is not None:
        counts["settled" if _make(attempt) else "left"] += 1
    return counts


def _claim(at: datetime) -> Attempt | None:
    """Note the next attempt and when it may be repeated: a killed one is taken up then."""
    query = (
        select(EInvoice)
        .where(EInvoice.status.in_(OPEN), EInvoice.next_try_at <= at)
        .order_by(EInvoice.next_try_at)
        .limit(1)
        .with_for_update(skip_locked=True, of=EInvoice)
    )
    row = db.session.scalar(query)
    if row is None:
        return None
    row.attempts += 1
    row.next_try_at = at + min(SHORTEST_PAUSE * 2 ** min(row.attempts - 1, DOUBLINGS), LONGEST_PAUSE)
    return Attempt(
        id=row.id,
        provider=row.provider,
        cancelling=row.status is EInvoiceStatus.cancelling,
        repeated=row.attempts > 1,
        irn=row.irn,
        document=einvoices.document_of(row.invoice),
        reason=row.cancel_reason,
        remark=row.cancel_remark,
    )


def _make(attempt: Attempt) -> bool:
    """Ask the portal, then write down what came of it; tell whether that settles it."""
    try:
        provider = open_provider(attempt.provider, current_settings())
        if attempt.cancelling:
            cancelled_at = _cancel(provider, attempt)
            _write(attempt, lambda row, at: _note_cancelled(row, cancelled_at, at))
        else:
            registered = _register(provider, attempt)
            _write(attempt, lambda row, at: _note_registered(row, registered, at))
    except (Unavailable, UnknownName) as error:
        said = str(error)
        _write(attempt, lambda row, at: setattr(row, "last_error", said))
        return False
    except DomainError as error:
        said = error.message
        _write(attempt, lambda row, at: _note_refused(row, said, at))
    return True


def _register(provider: EInvoiceProvider, attempt: Attempt) -> Registered:
    """Return the registration of a document, made now or found.

    Raises:
        DomainError: the portal refused it, did not answer, or has something else under its number.
    """
    found = provider.find(attempt.irn, gstin=attempt.gstin) if attempt.repeated else None
    if found is None:
        found = _register_new(provider, attempt)
    _check(provider, found, attempt)
    return found


def _register_new(provider: EInvoiceProvider, attempt: Attempt) -> Registered:
    wrong = einvoice_rules.problems(attempt.document, accept_test=current_settings().accept_test_gstins)
    if wrong:
        raise PortalRefused([PortalError(each.code, str(each)) for each in wrong])
    try:
        return provider.register(attempt.document)
    except PortalRefused as refused:
        if not refused.codes & DUPLICATES:
            raise
    found = provider.find(attempt.irn, gstin=attempt.gstin)
    if found is None:
        raise PortalUnavailable("The portal has this document already and does not give it out yet.")
    return found


def _check(provider: EInvoiceProvider, found: Registered, attempt: Attempt) -> None:
    """Return if the portal has signed this very document.

    Raises:
        BadPortalSignature: it has signed nothing.
        PortalRefused: what it signed is another document.
    """
    document, told = attempt.document, provider.read(found.signed_qr)
    whole = provider.read(found.signed_invoice)
    expected = {
        "Irn": attempt.irn,
        "SellerGstin": attempt.gstin,
        "BuyerGstin": document["BuyerDtls"]["Gstin"],
        "DocNo": document["DocDtls"]["No"],
        "DocTyp": document["DocDtls"]["Typ"],
        "DocDt": document["DocDtls"]["Dt"],
        "ItemCnt": len(document["ItemList"]),
    }
    same = all(told.get(name) == value for name, value in expected.items())
    total = document["ValDtls"]["TotInvVal"]
    sums = (told.get("TotInvVal"), whole.get("ValDtls", {}).get("TotInvVal"))
    if not same or whole.get("Irn") != attempt.irn or any(_number(each) != total for each in sums):
        raise PortalRefused([OTHER])
    if found.cancelled_at is not None:
        raise PortalRefused([GONE])


def _number(value: object) -> Decimal | None:
    return Decimal(value) if isinstance(value, int | Decimal) else None


def _cancel(provider: EInvoiceProvider, attempt: Attempt) -> datetime:
    assert attempt.reason is not None
    try:
        return provider.cancel(
            attempt.irn, gstin=attempt.gstin, reason=attempt.reason, remark=attempt.remark or ""
        )
    except PortalRefused as refused:
        if NOT_ACTIVE not in refused.codes:
            raise
    found = provider.find(attempt.irn, gstin=attempt.gstin)
    if found is None or found.cancelled_at is None:
        raise PortalUnavailable("The portal says that it is cancelled, and does not say when.")
    return found.cancelled_at


def _write(attempt: Attempt, note: Callable[[EInvoice, datetime], object]) -> None:
    """Write down what came of an attempt, unless somebody settled it meanwhile."""

    def work() -> None:
        (row,) = lock(EInvoice, [attempt.id])
        expected = EInvoiceStatus.cancelling if attempt.cancelling else EInvoiceStatus.awaiting_irn
        if row.status is expected:
            note(row, clock.now())

    in_transaction(work)


def _note_registered(row: EInvoice, found: Registered, at: datetime) -> None:
    _move(row, EInvoiceStatus.registered)
    row.ack_no, row.ack_at = found.ack_no, found.ack_at
    row.signed_invoice, row.signed_qr = found.signed_invoice, found.signed_qr
    row.last_error = None
    outbox.promise("invoice.document", str(row.invoice_id), {"invoice_id": str(row.invoice_id)})
    summary = f"{row.invoice.number} was registered at the portal"
    after = {"irn": row.irn, "ack_no": row.ack_no, "ack_at": row.ack_at}
    audit.record(SYSTEM, "einvoice.registered", row, summary=summary, at=at, after=after)


def _note_cancelled(row: EInvoice, cancelled_at: datetime, at: datetime) -> None:
    _move(row, EInvoiceStatus.cancelled)
    row.cancelled_at, row.last_error = cancelled_at, None
    summary = f"The e-invoice of {row.invoice.number} was cancelled at the portal"
    audit.record(
        SYSTEM, "einvoice.cancelled", row, summary=summary, at=at, after={"cancelled_at": cancelled_at}
    )


def _note_refused(row: EInvoice, said: str, at: datetime) -> None:
    """A registration that is refused has failed; a cancellation that is refused leaves it registered."""
    row.last_error = said
    if row.status is EInvoiceStatus.cancelling:
        _move(row, EInvoiceStatus.registered)
        action, summary = "einvoice.cancellation_refused", f"The portal did not cancel {row.invoice.number}"
    else:
        _move(row, EInvoiceStatus.failed)
        row.failure = said
        action, summary = "einvoice.failed", f"The portal refused {row.invoice.number}"
    audit.record(SYSTEM, action, row, summary=summary, at=at, after={"error": said})


def _move(row: EInvoice, status: EInvoiceStatus) -> None:
    with refusals():
        row.status = EInvoiceStatus(move("e_invoice", row.status, status))
