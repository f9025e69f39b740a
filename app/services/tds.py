"""Tax that payers kept: recorded with the payment that it was kept from, certified when its paper comes.

The invoice counts it as paid; what is open is a receivable against the government, by customer and section.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import func, select

from app.db import db, lock
from app.domain.money import parse_amount, quantize
from app.domain.states import move
from app.domain.tds import SECTIONS, Law, Section, check_kept, find_section
from app.errors import Invalid, NotFound
from app.formatting import format_money
from app.ids import new_id
from app.models import Invoice, Payment, TdsReceivable
from app.models.tds import TdsKind, TdsStatus
from app.permissions import Actor
from app.services import audit, inputs
from app.services.inputs import refusals

NOTHING = Decimal(0)
OF_GOVERNMENT = next(name for name, section in SECTIONS.items() if section.law is Law.gst)


@dataclass(frozen=True, slots=True)
class Kept:
    """An amount that a payer kept, under a section by its name."""

    name: str
    section: Section
    amount: Decimal


def read(
    invoice: Invoice,
    *,
    tds_amount: object = None,
    tds_section: str | None = None,
    gst_tds_amount: object = None,
) -> list[Kept]:
    """Return what a payer kept of a locked invoice: income tax under a section, GST (s.51), or both.

    Raises:
        Invalid: with the field: an amount that is not positive, more than rate × taxable value less what was
            kept before, a section that is missing or unknown.
    """
    kept = []
    if _stated(tds_amount):
        if not tds_section:
            raise Invalid.at("/tds_section", f"Name the section: {', '.join(_of_income())}.", code="required")
        kept.append(_read(invoice, tds_amount, tds_section, Law.income_tax, "/tds_amount"))
    elif tds_section:
        raise Invalid.at("/tds_amount", "Say how much was kept.", code="required")
    if _stated(gst_tds_amount):
        kept.append(_read(invoice, gst_tds_amount, OF_GOVERNMENT, Law.gst, "/gst_tds_amount"))
    return kept


def record(
    payment: Payment,
    invoice: Invoice,
    kept: Sequence[Kept],
    *,
    certificate_number: str | None = None,
    at: datetime,
    actor: Actor,
) -> list[TdsReceivable]:
    """Note what was kept from a payment of an invoice; with a certificate number it is certified at once."""
    made = []
    for each in kept:
        row = TdsReceivable(
            id=new_id(),
            payment_id=payment.id,
            invoice_id=invoice.id,
            customer_id=invoice.customer_id,
            kind=TdsKind(each.section.law),
            section=each.name,
            rate=each.section.rate,
            taxable=invoice.subtotal,
            amount=each.amount,
            currency=invoice.currency,
            status=TdsStatus.expected,
        )
        db.session.add(row)
        db.session.flush()
        shown = format_money(each.amount, invoice.currency)
        summary = f"{shown} was kept under section {each.name} of {invoice.number}"
        after = {"amount": each.amount, "section": each.name, "invoice_id": invoice.id}
        audit.record(actor, "tds.recorded", row, summary=summary, at=at, after=after)
        if certificate_number:
            certify(row, certificate_number=certificate_number, at=at, actor=actor)
        made.append(row)
    return made


def certify(
    receivable: TdsReceivable,
    *,
    certificate_number: str,
    certified_on: date | None = None,
    at: datetime,
    actor: Actor,
) -> TdsReceivable:
    """Note that the certificate came (Form 16A, GSTR-7A).

    Raises:
        Invalid: the number is missing or too long.
        IllegalTransition: it came before.
    """
    (row,) = lock(TdsReceivable, [receivable.id])
    with refusals():
        number = inputs.text(100)(certificate_number, "/certificate_number")
        status = TdsStatus(move("tds_receivable", row.status, TdsStatus.certified))
    row.status, row.certificate_number, row.certified_on = status, number, certified_on or at.date()
    after = {"status": status, "certificate_number": number}
    audit.record(
        actor, "tds.certified", row, summary=f"Certificate {number} of {row} came", at=at, after=after
    )
    return row


def get(receivable_id: UUID) -> TdsReceivable:
    """Return the receivable with this id.

    Raises:
        NotFound: there is none.
    """
    found = db.session.get(TdsReceivable, receivable_id)
    if found is None:
        raise NotFound("There is no such receivable.")
    return found


def _read(invoice: Invoice, amount: object, name: str, law: Law, pointer: str) -> Kept:
    with refusals():
        kept = parse_amount(amount, invoice.currency, pointer=pointer)
        section = find_section(name, law)
        before, taxable = _kept_before(invoice, TdsKind(law)), quantize(invoice.subtotal, invoice.currency)
        check_kept(kept, before, taxable, section, invoice.currency, pointer=pointer)
    return Kept(name, section, kept)


def _kept_before(invoice: Invoice, kind: TdsKind) -> Decimal:
    query = select(func.coalesce(func.sum(TdsReceivable.amount), 0)).where(
        TdsReceivable.invoice_id == invoice.id, TdsReceivable.kind == kind
    )
    return quantize(db.session.scalars(query).one(), invoice.currency)


def _of_income() -> list[str]:
    return [name for name, section in SECTIONS.items() if section.law is Law.income_tax]


def _stated(value: object) -> bool:
    return value not in (None, "")
