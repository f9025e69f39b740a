"""What the PDFs of receipt and refund vouchers show, worked out from their immutable content alone.

The snapshot is plain JSON; amounts and rates (percent) are decimal strings, dates ISO 8601:

    number kind title currency issued_on account description sac rate reverse_charge
    taxable tax amount paid_by reference reason
    seller buyer place_of_supply   as those of an invoice (`invoice_document`)
    taxes   [{code, rate, taxable, amount}]
    receipt {number, issued_on}     of the receipt voucher, on a refund voucher; else null
"""

from typing import Any

from app.formatting import format_date, format_money, format_percent
from app.services.document_kinds import Snapshot, document_kind

PAID_BY = {"manual": "Bank transfer or cheque"}
RECEIPT_WORDS = {
    "amount_label": "Amount received",
    "party_label": "Received from",
    "rule": "CGST Rule 50",
    "remark": "The tax is charged once: later invoices of the usage take it off what is due.",
}
REFUND_WORDS = {
    "amount_label": "Amount paid back",
    "party_label": "Paid back to",
    "rule": "CGST Rule 51",
    "remark": "The advance and its tax go back as far as they were not used.",
}


@document_kind("receipt_voucher", template="voucher.html")
def receipt_voucher(snapshot: Snapshot) -> dict[str, Any]:
    """Return what a receipt voucher shows."""
    return _voucher(snapshot, RECEIPT_WORDS)


@document_kind("refund_voucher", template="voucher.html")
def refund_voucher(snapshot: Snapshot) -> dict[str, Any]:
    """Return what a refund voucher shows."""
    return _voucher(snapshot, REFUND_WORDS)


def _voucher(snapshot: Snapshot, words: dict[str, str]) -> dict[str, Any]:
    currency = snapshot["currency"]
    taxes = [
        (f"{tax['code']} {format_percent(tax['rate'])}", format_money(tax["amount"], currency))
        for tax in snapshot["taxes"]
    ]
    return {
        "voucher": snapshot,
        "facts": _facts(snapshot),
        "taxable": format_money(snapshot["taxable"], currency),
        "rate": format_percent(snapshot["rate"]),
        "taxes": taxes,
        "amount": format_money(snapshot["amount"], currency),
        **words,
    }


def _facts(snapshot: Snapshot) -> list[tuple[str, str]]:
    """Return the labelled facts beside the recipient (CGST Rules 50 and 51)."""
    place, receipt = snapshot["place_of_supply"], snapshot["receipt"]
    facts = [
        ("Account", snapshot["account"]),
        ("Place of supply", f"{place['code']}-{place['name']}"),
        ("Reverse charge", "Yes" if snapshot["reverse_charge"] else "No"),
        ("Currency", snapshot["currency"]),
    ]
    if receipt:
        facts.insert(0, ("Receipt voucher", f"{receipt['number']} of {format_date(receipt['issued_on'])}"))
    if snapshot["paid_by"]:
        facts.append(("Paid by", PAID_BY.get(snapshot["paid_by"], snapshot["paid_by"].capitalize())))
    if snapshot["reference"]:
        facts.append(("Reference", snapshot["reference"]))
    return facts
