"""From parts of an invoice to a credit note with its number and content."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from hashlib import sha256

from app.db import db
from app.domain.crediting import Credited
from app.domain.invoicing import canonical_json
from app.domain.money import quantize, zero
from app.domain.numbering import ist_date
from app.domain.tax import tax_totals
from app.models import Invoice, InvoiceLine
from app.models.invoices import InvoiceKind, InvoiceOrigin, InvoiceStatus, LineKind
from app.services import numbers, taxes
from app.services.credit_note_document import content_of
from app.services.invoice_lines import taxes_json

NOTHING = Decimal(0)


def make(invoice: Invoice, parts: Sequence[Credited], rest: Decimal, at: datetime) -> Invoice:
    """Return a note that takes these parts and this round-off of an invoice back, not yet numbered."""
    currency = invoice.currency
    summed = tax_totals(part.taxes for part in parts)
    subtotal = sum((part.taxable for part in parts), zero(currency))
    tax_total = sum((part.amount for part in summed), zero(currency))
    return Invoice(
        account_id=invoice.account_id,
        customer_id=invoice.customer_id,
        registration_id=invoice.registration_id,
        kind=InvoiceKind.credit_note,
        origin=InvoiceOrigin.manual,
        status=InvoiceStatus.draft,
        currency=currency,
        period_start=invoice.period_start,
        period_end=invoice.period_end,
        issued_at=at,
        issued_on=ist_date(at),
        place_of_supply=invoice.place_of_supply,
        reverse_charge=invoice.reverse_charge,
        purchase_order=invoice.purchase_order,
        subtotal=subtotal,
        tax_total=tax_total,
        round_off=rest,
        total=subtotal + tax_total + rest,
        taxes=taxes_json(summed, currency),
        original_id=invoice.id,
        lines=[_line(n, invoice, part) for n, part in enumerate(parts, 1)],
    )


def _line(n: int, invoice: Invoice, part: Credited) -> InvoiceLine:
    original = next(line for line in invoice.lines if line.n == part.n)
    whole = part.taxable == original.amount
    share = quantize(original.quantity, invoice.currency) if whole else Decimal(1)
    return InvoiceLine(
        n=n,
        kind=LineKind.manual,
        description=f"Line {original.n}: {original.description}",
        sac=original.sac,
        unit=original.unit if whole else None,
        quantity=original.quantity if whole else share,
        unit_price=original.unit_price if whole else part.taxable,
        amount=part.taxable,
        tax_rate=original.tax_rate if part.taxes else NOTHING,
        taxes=taxes_json(part.taxes, invoice.currency),
        breakdown=[],
        source_id=original.id,
    )


def number(note: Invoice, invoice: Invoice, reason: str, *, commercial: bool) -> None:
    """Store a note and give it its number and its immutable content.

    Raises:
        Invalid: the series of numbers is full.
    """
    db.session.add(note)
    # The lines go first: the database refuses a change to the lines of a numbered document.
    db.session.flush()
    with db.session.no_autoflush:
        assert note.issued_on
        seller = taxes.seller_of(invoice.registration)
        note.number = numbers.take(seller, InvoiceKind.credit_note, on=note.issued_on)
        note.status = InvoiceStatus.issued
        note.snapshot = content_of(note, invoice, reason, commercial=commercial)
        note.snapshot_sha256 = sha256(canonical_json(note.snapshot)).digest()
    db.session.flush()
