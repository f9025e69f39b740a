"""The immutable content of a credit note (CGST Rule 53(1A)): who, what of which invoice, and its taxes.

It has the form of an invoice's (`app.services.invoice_document`), and besides

    original    {number, issued_on}     the invoice it takes back from
    reason                              why
    commercial                          true: after the limit of s.34(2), no tax is taken back
"""

from decimal import Decimal
from typing import Any

from app.domain.money import plain, quantize, zero
from app.models import Invoice, InvoiceLine

# What a note says as its invoice said it.
KEPT = ("currency", "period", "purchase_order", "seller", "buyer", "place_of_supply", "reverse_charge")
COMMERCIAL = "Commercial credit note without tax: the time to take back tax has ended (CGST Act s.34(2))."


def content_of(note: Invoice, invoice: Invoice, reason: str, *, commercial: bool) -> dict[str, Any]:
    """Return the content of a credit note that has its number and date."""
    assert invoice.snapshot
    assert note.issued_on
    assert invoice.issued_on
    currency = note.currency

    def money(amount: Decimal) -> str:
        return str(quantize(amount, currency))

    against = f"Against invoice {invoice.number} of {invoice.issued_on.isoformat()}."
    return {
        **{name: invoice.snapshot[name] for name in KEPT},
        "number": note.number,
        "kind": str(note.kind),
        "title": "Credit Note",
        "issued_on": note.issued_on.isoformat(),
        "due_on": None,
        "endorsement": None,
        "original": {"number": invoice.number, "issued_on": invoice.issued_on.isoformat()},
        "reason": reason,
        "commercial": commercial,
        "lines": [_line(line, currency) for line in note.lines],
        "taxes": note.taxes,
        "subtotal": money(note.subtotal),
        "tax_total": money(note.tax_total),
        "round_off": money(note.round_off),
        "total": money(note.total),
        "paid_from_wallet": str(zero(currency)),
        "amount_due": str(zero(currency)),
        "notes": "\n".join([against, f"Reason: {reason}", *([COMMERCIAL] if commercial else [])]),
    }


def _line(line: InvoiceLine, currency: str) -> dict[str, Any]:
    return {
        "n": line.n,
        "kind": str(line.kind),
        "description": line.description,
        "sac": line.sac,
        "metric": None,
        "unit": line.unit,
        "quantity": plain(line.quantity),
        "unit_price": None if line.unit_price is None else plain(line.unit_price),
        "amount": str(quantize(line.amount, currency)),
        "taxes": line.taxes,
        "breakdown": [],
        "plan_version": None,
        "component": None,
        "events_hash": None,
    }
