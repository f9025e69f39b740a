"""What credit notes have taken back of an invoice, line by line.

The lines of a note name the line that they take back by `source_id`, and are read back for the next note.
"""

from collections import defaultdict
from decimal import Decimal
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import selectinload

from app.db import db
from app.domain.crediting import Charged
from app.domain.tax import TaxPart
from app.models import Invoice, InvoiceLine
from app.models.invoices import InvoiceKind

NOTHING = Decimal(0)


def notes_of(invoice: Invoice) -> list[Invoice]:
    """Return the credit notes of an invoice with their lines, the oldest first."""
    query = select(Invoice).where(
        Invoice.original_id == invoice.id,
        Invoice.kind == InvoiceKind.credit_note,
        Invoice.number.is_not(None),
    )
    return list(db.session.scalars(query.options(selectinload(Invoice.lines)).order_by(Invoice.id)))


def charged(invoice: Invoice, notes: list[Invoice]) -> list[Charged]:
    """Return the lines of an invoice with what these notes have taken back of each."""
    taxable: defaultdict[UUID | None, Decimal] = defaultdict(Decimal)
    taxes: defaultdict[UUID | None, defaultdict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for line in (line for note in notes for line in note.lines):
        taxable[line.source_id] += line.amount
        for tax in line.taxes:
            taxes[line.source_id][tax["code"]] += Decimal(tax["amount"])
    return [
        Charged(line.n, line.amount, parts_of(line), taxable[line.id], taxes[line.id])
        for line in invoice.lines
    ]


def parts_of(line: InvoiceLine) -> tuple[TaxPart, ...]:
    """Return the taxes of a line."""
    return tuple(
        TaxPart(tax["code"], Decimal(tax["rate"]), Decimal(tax["taxable"]), Decimal(tax["amount"]))
        for tax in line.taxes
    )


def round_off_left(invoice: Invoice, notes: list[Invoice]) -> Decimal:
    """Return what no note has taken back of the round-off."""
    return invoice.round_off - sum((note.round_off for note in notes), NOTHING)
