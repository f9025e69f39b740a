"""The immutable content of an issued invoice: everything its documents show, as plain JSON.

Amounts, rates (percent) and quantities are decimal strings, dates are ISO 8601 and both days of the period
belong to it. The bytes are canonical, so the same invoice always has the same SHA-256.
"""

from datetime import timedelta
from decimal import Decimal
from typing import Any

from app.config import current_settings
from app.domain.money import plain, quantize
from app.domain.periods import local_date
from app.domain.places import STATES
from app.domain.tax import Supply, SupplyKind, tax_lines, tax_totals
from app.formatting import format_money, format_percent
from app.models import Account, Invoice, InvoiceLine
from app.models.invoices import InvoiceKind
from app.services import advances, exchange_rates, invoice_lines, parties, taxes
from app.services.price_book import PriceBook
from app.services.taxes import Rates, Seller

NOTHING = Decimal(0)
# An exempt supply has no tax invoice but this (CGST Rule 49).
BILL_OF_SUPPLY = "Bill of Supply"
TITLES = {
    InvoiceKind.tax_invoice: "Tax Invoice",
    InvoiceKind.export_invoice: "Export Invoice",
    InvoiceKind.credit_note: "Credit Note",
}


def of(invoice: Invoice, account: Account, seller: Seller, book: PriceBook) -> dict[str, Any]:
    """Return the content of an invoice of `account` that has its number and dates."""
    assert invoice.issued_on is not None
    customer, currency = account.customer, invoice.currency
    supply = taxes.supply_to(customer, seller, on=invoice.issued_on)
    last = local_date(invoice.period_end, account.timezone) - timedelta(days=1)
    by_line, borne = _borne(invoice, supply, book.rates(invoice.issued_on, supply.jurisdiction))
    exchanged = book.exchange_rate(currency, invoice.issued_on)
    zero_rated = supply.kind in {SupplyKind.export, SupplyKind.sez} and not supply.taxes

    def money(amount: Decimal) -> str:
        return str(quantize(amount, currency))

    return {
        "number": invoice.number,
        "kind": str(invoice.kind),
        "title": BILL_OF_SUPPLY if supply.exempt else TITLES[invoice.kind],
        "currency": currency,
        "issued_on": invoice.issued_on.isoformat(),
        "due_on": invoice.due_on.isoformat() if invoice.due_on else None,
        "period": {
            "start_on": local_date(invoice.period_start, account.timezone).isoformat(),
            "end_on": last.isoformat(),
        },
        "purchase_order": invoice.purchase_order,
        "seller": {
            **parties.seller_json(seller),
            "lut": seller.lut_on(invoice.issued_on) if zero_rated else None,
        },
        "buyer": parties.buyer_json(customer),
        "place_of_supply": {"code": invoice.place_of_supply, "name": STATES[invoice.place_of_supply]},
        "reverse_charge": invoice.reverse_charge,
        **({"recipient_taxes": borne} if supply.borne else {}),
        "endorsement": _endorsement(supply, borne, currency),
        "lines": [
            {**_line(line, currency, book), **({"recipient_taxes": part} if supply.borne else {})}
            for line, part in zip(invoice.lines, by_line, strict=True)
        ],
        "taxes": invoice.taxes,
        "subtotal": money(invoice.subtotal),
        "tax_total": money(invoice.tax_total),
        "round_off": money(invoice.round_off),
        "total": money(invoice.total),
        "paid_from_wallet": money(invoice.paid_from_wallet),
        **({"advances": _advances(invoice)} if invoice.advance_tax else {}),
        "amount_due": money(invoice.amount_due),
        "notes": _notes(invoice, seller),
        **({"upi": current_settings().upi_id} if current_settings().upi_id else {}),
        **({"inr": exchange_rates.equivalent(invoice, exchanged)} if exchanged else {}),
    }


def _borne(
    invoice: Invoice, supply: Supply, rates: Rates
) -> tuple[list[list[dict[str, str]]], list[dict[str, str]]]:
    """Return the taxes that the recipient pays itself, by line and in all; none of them is in a total."""
    lines = [(line.amount, rates.of(line.sac) if supply.borne else NOTHING) for line in invoice.lines]
    parts = tax_lines(lines, supply.as_borne, invoice.currency)
    by_line = [invoice_lines.taxes_json(each, invoice.currency) for each in parts]
    return by_line, invoice_lines.taxes_json(tax_totals(parts), invoice.currency)


def _endorsement(supply: Supply, borne: list[dict[str, str]], currency: str) -> str | None:
    if not borne:
        return supply.endorsement
    told = [
        f"{tax['code']} {format_percent(tax['rate'])} {format_money(tax['amount'], currency)}"
        for tax in borne
    ]
    return f"{supply.endorsement}: {', '.join(told)}"


def _advances(invoice: Invoice) -> list[dict[str, str]]:
    """Return what was received in advance for this invoice, by receipt voucher (CGST Rule 50)."""
    return [
        {
            "number": each.voucher.number,
            "issued_on": each.voucher.issued_on.isoformat(),
            "taxable": str(quantize(each.taxable, invoice.currency)),
            "tax": str(quantize(each.tax, invoice.currency)),
        }
        for each in advances.of_invoice(invoice)
    ]


def _line(line: InvoiceLine, currency: str, book: PriceBook) -> dict[str, Any]:
    price = None
    if line.plan_version_id is not None and line.component_id is not None:
        price = book.price(line.plan_version_id, line.component_id)
    return {
        "n": line.n,
        "kind": str(line.kind),
        "description": line.description,
        "sac": line.sac,
        "metric": line.metric_code,
        "unit": line.unit,
        "quantity": plain(line.quantity),
        "unit_price": None if line.unit_price is None else plain(line.unit_price),
        "amount": str(quantize(line.amount, currency)),
        "taxes": line.taxes,
        "breakdown": line.breakdown,
        "plan_version": price.version_label if price else None,
        "component": price.code if price else None,
        "events_hash": line.events_hash,
    }


def _notes(invoice: Invoice, seller: Seller) -> str | None:
    if invoice.amount_due <= 0:
        return "Paid in full. Nothing is left to be paid."
    days = (invoice.due_on - invoice.issued_on).days if invoice.due_on and invoice.issued_on else 0
    terms = f"Please pay within {days} days of the date of this invoice." if days else "Please pay at once."
    return "\n".join(line for line in (terms, seller.bank_details) if line)
