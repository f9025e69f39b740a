"""Invoices: drafted from what is due, looked at without side effects, and paid. `issuing` makes them
final."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import joinedload, selectinload

from app.db import db, lock
from app.domain.money import parse_amount, plain
from app.domain.numbering import ist_date
from app.domain.periods import Period
from app.domain.states import move
from app.errors import Conflict, Invalid, NotFound
from app.models import Account, Invoice
from app.models.invoices import InvoiceOrigin, InvoiceStatus
from app.models.wallets import Book
from app.permissions import Actor
from app.services import audit, inputs, invoiced_debts, settling
from app.services.drafting import assemble
from app.services.inputs import refusals
from app.services.issuing import issue, park
from app.services.price_book import PriceBook

T = TypeVar("T")
SYSTEM = Actor.system("billing")
NOTHING = Decimal(0)

OPEN = (
    InvoiceStatus.issued,
    InvoiceStatus.partially_paid,
    InvoiceStatus.overdue,
    InvoiceStatus.uncollectible,
)


def draft_for(
    account: Account,
    period: Period,
    *,
    at: datetime,
    lines: Sequence[Mapping[str, Any]] = (),
    origin: InvoiceOrigin = InvoiceOrigin.run,
    purchase_order: str | None = None,
    book: PriceBook | None = None,
    actor: Actor = SYSTEM,
) -> Invoice | None:
    """Return a draft of everything an account is to be billed for by the end of `period`, as of `at`, or None
    where nothing was used and nothing is owed. `lines` of a person are added to it.

    Usage and fees of earlier periods that no invoice has asked for are on it too, each line with its own
    period. What a person should look at first makes it parked, with the reason.

    Raises:
        Conflict: a billing run has made an invoice for this account and period; no registration of the seller
            or no tax rate is entered.
        Invalid: a line that cannot be used; a State that does not exist.
    """
    draft = assemble(
        account,
        period,
        at=at,
        lines=lines,
        origin=origin,
        purchase_order=purchase_order,
        book=book or PriceBook(),
    )
    if draft is None:
        return None
    invoice = draft.invoice
    _flush(invoice)
    return park(invoice, draft.problems, at=at, actor=actor) if draft.problems else invoice


def draft_by_hand(
    account: Account,
    period: Period,
    *,
    lines: Sequence[Mapping[str, Any]] = (),
    purchase_order: str | None = None,
    at: datetime,
    actor: Actor,
) -> Invoice:
    """Make the draft that a person asks for; it is issued by `issue`, and nothing is billed before.

    Raises:
        Conflict: there is nothing to bill; else as `draft_for` says.
        Invalid: as `draft_for` says.
    """
    invoice = draft_for(
        account,
        period,
        at=at,
        lines=lines,
        origin=InvoiceOrigin.manual,
        purchase_order=purchase_order,
        actor=actor,
    )
    if invoice is None:
        raise Conflict("The account has used nothing and owes nothing in this period: add a line.")
    summary = f"An invoice for {account.name} was drafted"
    after = {"total": plain(invoice.total), "currency": invoice.currency, "lines": len(invoice.lines)}
    audit.record(actor, "invoice.drafted", invoice, summary=summary, at=at, after=after)
    return invoice


def preview(
    account: Account,
    period: Period,
    show: Callable[[Invoice], T],
    *,
    at: datetime,
    lines: Sequence[Mapping[str, Any]] = (),
    book: PriceBook | None = None,
) -> T | None:
    """Return what `show` makes of the draft of an account and period, or None where there is nothing to bill;
    the draft itself is undone and leaves nothing.

    Raises:
        Conflict, Invalid: as `draft_for` says.
    """
    attempt = db.session.begin_nested()
    try:
        invoice = draft_for(account, period, at=at, lines=lines, origin=InvoiceOrigin.manual, book=book)
        return None if invoice is None else show(invoice)
    finally:
        attempt.rollback()


def record_payment(
    invoice: Invoice, amount: Decimal, *, at: datetime, actor: Actor, withheld: Decimal = NOTHING
) -> Invoice:
    """Note that `amount` was paid for an issued invoice, and `withheld` of it kept by the payer as TDS; it
    becomes paid or partially paid. Debt of a wallet that stands on it is paid first, in the ledger as well.

    Raises:
        Conflict: the invoice waits for no money: a draft, paid or cancelled.
        Invalid: the amount is not positive, too precise, or more than is due.
    """
    (invoice,) = lock(Invoice, [invoice.id])
    if invoice.status not in OPEN:
        raise Conflict(f"The invoice is {invoice.status} and waits for no payment.")
    with refusals():
        paid = parse_amount(plain(amount), invoice.currency, pointer="/amount") + withheld
    due = invoice.amount_due
    if paid > due:
        message = f"Only {plain(due)} {invoice.currency} is due on {invoice}."
        raise Invalid.at("/amount", message, code="too_large")
    before = {"status": invoice.status, "amount_paid": invoice.amount_paid}
    invoice.amount_paid += paid
    settling.settle(invoice, on=ist_date(at))
    invoiced_debts.pay(invoice, paid - withheld, at=at, actor=actor)
    invoiced_debts.pay(invoice, withheld, at=at, actor=actor, against=Book.withheld)
    audit.record(
        actor,
        "invoice.paid",
        invoice,
        summary=f"{plain(paid)} {invoice.currency} was paid for {invoice}"
        + (f", {plain(withheld)} of it kept as TDS" if withheld else ""),
        at=at,
        before=before,
        after={"status": invoice.status, "amount_paid": invoice.amount_paid},
    )
    return invoice


def mark_overdue(*, at: datetime, actor: Actor) -> int:
    """Mark every invoice whose due day has passed (in India's time) and that is not paid; return how many."""
    waiting = (InvoiceStatus.issued, InvoiceStatus.partially_paid)
    asked = Invoice.total - Invoice.amount_credited
    late = (Invoice.status.in_(waiting), Invoice.due_on < ist_date(at), Invoice.amount_paid < asked)
    ids = list(db.session.scalars(select(Invoice.id).where(*late)))
    marked = [invoice for invoice in lock(Invoice, ids) if invoice.status in waiting]
    for invoice in marked:
        before = invoice.status
        invoice.status = InvoiceStatus(move("invoice", before, InvoiceStatus.overdue))
        audit.record(
            actor,
            "invoice.overdue",
            invoice,
            summary=f"{invoice} was due on {invoice.due_on} and is not paid",
            at=at,
            before={"status": before},
            after={"status": invoice.status},
        )
    return len(marked)


def write_off(invoice: Invoice, *, reason: str, at: datetime, actor: Actor) -> Invoice:
    """Give up what is still due of an invoice, which becomes uncollectible. It still counts as asked for, and
    a payment that comes after all is taken as ever.

    Raises:
        Conflict: nothing is due. IllegalTransition: it was given up before.
        Invalid: no reason.
    """
    (invoice,) = lock(Invoice, [invoice.id])
    with refusals():
        why = inputs.text()(reason, "/reason")
        if invoice.status not in OPEN or not invoice.amount_due:
            raise Conflict(f"The invoice is {invoice.status} and waits for no money.")
        before = invoice.status
        invoice.status = InvoiceStatus(move("invoice", before, InvoiceStatus.uncollectible))
    due = plain(invoice.amount_due)
    audit.record(
        actor,
        "invoice.written_off",
        invoice,
        summary=f"{due} {invoice.currency} of {invoice} was given up: {why}",
        at=at,
        before={"status": before},
        after={"status": invoice.status, "amount_due": due, "reason": why},
    )
    return invoice


def get(invoice_id: UUID) -> Invoice:
    """Return the invoice with this id, its lines loaded.

    Raises:
        NotFound: there is none.
    """
    loaded = (joinedload(Invoice.account), joinedload(Invoice.customer), selectinload(Invoice.lines))
    invoice = db.session.scalar(select(Invoice).where(Invoice.id == invoice_id).options(*loaded))
    if invoice is None:
        raise NotFound("There is no such invoice.")
    return invoice


def _flush(invoice: Invoice) -> None:
    try:
        with db.session.begin_nested():
            db.session.add(invoice)
    except IntegrityError as error:
        if "uq_invoices_one_per_period" in str(error.orig):
            raise Conflict("A billing run has made an invoice for this account and period.") from None
        raise


__all__ = [
    "draft_by_hand",
    "draft_for",
    "get",
    "issue",
    "mark_overdue",
    "park",
    "preview",
    "record_payment",
    "write_off",
]
