"""What an invoice's PDF shows, worked out from the invoice's immutable snapshot and from nothing else.

The snapshot is plain JSON; amounts, rates (percent) and quantities are decimal strings, dates ISO 8601:

    number kind title currency issued_on due_on purchase_order reverse_charge endorsement notes
    period          {start_on, end_on}                           both days belong to the period
    seller          {name, address: [line…], gstin, state_code, state, lut}
    buyer           {name, address: [line…], gstin, state_code, state, country, tax_treatment}
    place_of_supply {code, name}                                 "29", "Karnataka"; 96 is abroad
    lines           [{n, kind, description, sac, metric, unit, quantity, unit_price, amount, taxes, breakdown,
                      plan_version, component, events_hash}]     taxes as below, of the line
      breakdown     [{group?, kind, tier, quantity, unit, flat, amount}] how the price came about
    taxes           [{code, rate, taxable, amount}]              CGST, SGST, UTGST, IGST with the rate of each
    subtotal tax_total round_off total paid_from_wallet amount_due

What may be missing: due_on, purchase_order, endorsement, notes, a line's sac, unit, unit_price and metric.
What is there only where it applies:

    advances        [{number, issued_on, taxable, tax}]      of receipt vouchers: tax collected before
    original        {number, issued_on}                      of a credit note: what it takes back from
    inr             {rate, valid_from, source, total}        the rupee equivalent of another currency
    upi             the address that takes UPI payments, shown as a QR code while something is due
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from app.formatting import (
    format_date,
    format_money,
    format_percent,
    format_quantity,
    format_unit_price,
    locale_of,
)
from app.services.document_kinds import Snapshot, document_kind

ROW_WORDS = {
    "free": "{quantity} free",
    "flat": "Flat fee {flat}",
    "fixed": "{quantity} events × {unit}",
    "tier": "Tier {tier}: {quantity} × {unit}",
    "units": "{quantity} × {unit}",
    "packages": "{quantity} packages × {unit}",
    "percentage": "{share} of {quantity}",
    "min_per_event": "Raised to the minimum per event: {amount}",
    "max_per_event": "Lowered to the maximum per event: {amount}",
    "minimum": "Raised to the minimum of the period: {amount}",
    "invoiced": "Invoiced before: {amount}",
    "maximum": "Lowered to the maximum of the period: {amount}",
    "trial": "{quantity} in the trial, for nothing",
    "commitment": "Committed: {amount}",
    "charged": "Charged in the period: {amount}",
    "percent_off": "{share} off {base}",
    "amount_off": "{amount} of {base}",
    "carried": "More is given back than charged: {amount}",
}
# Rows whose amount is quantity × unit, and perhaps a flat part.
PRICED = frozenset({"tier", "units", "packages", "percentage", "fixed"})
FEES = frozenset({"flat"})
# Rows that take something off an amount, which is their quantity.
OFF = frozenset({"percent_off", "amount_off"})


@dataclass(frozen=True, slots=True)
class SummaryRow:
    """The taxable value and taxes of one service code; `parts` has one text per tax code of the table."""

    sac: str
    taxable: str
    parts: tuple[str, ...]
    tax: str


@document_kind("tax_invoice", "export_invoice", "credit_note", template="invoice.html")
def invoice_context(snapshot: Snapshot) -> dict[str, Any]:
    """Return the values that `templates/pdf/invoice.html` shows, every amount already formatted."""
    currency = snapshot["currency"]

    def money(amount: str | Decimal) -> str:
        return format_money(amount, currency)

    return {
        "invoice": snapshot,
        "einvoice": None,
        "upi": _upi(snapshot),
        "head": _head(snapshot),
        "facts": _facts(snapshot),
        "lines": [_line(line, currency) for line in snapshot["lines"]],
        "sums": _sums(snapshot, currency),
        "total": money(snapshot["total"]),
        "amount_due": money(snapshot["amount_due"]),
        "paid_from_wallet": money(-Decimal(snapshot["paid_from_wallet"])) if _paid(snapshot) else "",
        "advances": [_advance(each, currency) for each in snapshot.get("advances", ())],
        "codes": _codes(snapshot),
        "summary": _summary(snapshot, currency) if snapshot["taxes"] else [],
        "notes": (snapshot.get("notes") or "").splitlines(),
    }


def _head(snapshot: Snapshot) -> list[tuple[str, str]]:
    """Return the labelled facts of the band below the title, the amount last."""
    currency, on = snapshot["currency"], format_date(snapshot["issued_on"])
    if original := snapshot.get("original"):
        return [
            ("Credit note number", snapshot["number"]),
            ("Date", on),
            ("Of invoice", f"{original['number']} of {format_date(original['issued_on'])}"),
            ("Amount credited", format_money(snapshot["total"], currency)),
        ]
    return [
        ("Invoice number", snapshot["number"]),
        ("Invoice date", on),
        ("Due date", format_date(snapshot["due_on"]) if snapshot["due_on"] else "On receipt"),
        ("Amount due", format_money(snapshot["amount_due"], currency)),
    ]


def _upi(snapshot: Snapshot) -> str:
    """Return the link that a UPI app pays what is due by (NPCI's linking specification), or nothing."""
    if not snapshot.get("upi") or snapshot["currency"] != "INR" or Decimal(snapshot["amount_due"]) <= 0:
        return ""
    given = {
        "pa": snapshot["upi"],
        "pn": snapshot["seller"]["name"],
        "am": snapshot["amount_due"],
        "cu": "INR",
        "tr": snapshot["number"],
        "tn": f"{snapshot['title']} {snapshot['number']}",
    }
    return "upi://pay?" + "&".join(f"{name}={quote(value, safe='@')}" for name, value in given.items())


def _advance(advance: Mapping[str, Any], currency: str) -> tuple[str, str]:
    """Return what of an advance is adjusted: its tax is taken off, as the wallet has paid the value."""
    taxable = format_money(advance["taxable"], currency)
    on = format_date(advance["issued_on"])
    label = f"Tax of the advance of {taxable}, receipt voucher {advance['number']} of {on}"
    return label, format_money(-Decimal(advance["tax"]), currency)


def _paid(snapshot: Snapshot) -> bool:
    return Decimal(snapshot["paid_from_wallet"]) != 0


def _facts(snapshot: Snapshot) -> list[tuple[str, str]]:
    """Return the labelled facts beside the recipient (CGST Rule 46: place of supply, reverse charge)."""
    period, place = snapshot["period"], snapshot["place_of_supply"]
    facts = [
        ("Billing period", f"{format_date(period['start_on'])} to {format_date(period['end_on'])}"),
        ("Place of supply", f"{place['code']}-{place['name']}"),
        ("Reverse charge", "Yes" if snapshot["reverse_charge"] else "No"),
        ("Currency", snapshot["currency"]),
    ]
    if snapshot.get("purchase_order"):
        facts.insert(0, ("Purchase order", snapshot["purchase_order"]))
    if snapshot["seller"].get("lut"):
        facts.append(("LUT number", snapshot["seller"]["lut"]))
    if rupees := snapshot.get("inr"):
        facts.append(("In rupees", format_money(rupees["total"], "INR")))
        told = f"{format_unit_price(rupees['rate'], 'INR')} from {format_date(rupees['valid_from'])}"
        facts.append((f"Rate of {snapshot['currency']}", f"{told}, {rupees['source']}"))
    return facts


def _line(line: Mapping[str, Any], currency: str) -> dict[str, Any]:
    tax = sum((Decimal(part["amount"]) for part in line["taxes"]), Decimal(0))
    return {
        "n": line["n"],
        "description": line["description"],
        "details": _details(line["breakdown"], currency),
        "sac": line.get("sac") or "",
        "quantity": format_quantity(line["quantity"], locale_of(currency)),
        "unit": line.get("unit") or "",
        "rate": format_unit_price(line["unit_price"], currency) if line.get("unit_price") else "",
        "amount": format_money(line["amount"], currency),
        "tax": format_money(tax, currency) if line["taxes"] else "",
        "tax_rates": [f"{part['code']} {format_percent(part['rate'])}" for part in line["taxes"]],
    }


def _details(breakdown: Sequence[Mapping[str, Any]], currency: str) -> list[str]:
    """Return how the amount came about, a sentence per step; nothing where the columns already tell."""
    if len(breakdown) == 1 and breakdown[0]["kind"] not in OFF and "group" not in breakdown[0]:
        (row,) = breakdown
        if row["kind"] in FEES or not Decimal(row["flat"]):
            return []
    return [step(row, currency) for row in breakdown]


def step(row: Mapping[str, Any], currency: str) -> str:
    """Return a row of a breakdown as a sentence; one of a group names its value, "none" for usage without."""
    unit, amount = Decimal(row["unit"]), format_money(row["amount"], currency)
    kind = row["kind"]
    words = {
        "tier": row["tier"],
        "quantity": format_quantity(row["quantity"], locale_of(currency)),
        "unit": format_unit_price(unit, currency),
        "share": format_percent(abs(unit) * 100),
        "base": format_money(row["quantity"], currency) if kind in OFF else "",
        "flat": format_money(row["flat"], currency),
        "amount": amount,
    }
    text = ROW_WORDS[kind].format(**words)
    if kind in PRICED and Decimal(row["flat"]):
        text += f" + {words['flat']}"
    text = f"{text} = {amount}" if kind in PRICED else text
    return f"{row['group'] or 'none'}: {text}" if "group" in row else text


def _sums(snapshot: Snapshot, currency: str) -> list[tuple[str, str]]:
    """Return the labelled sums above the total."""
    label = "Total taxable value" if snapshot["taxes"] else "Subtotal"
    sums = [(label, format_money(snapshot["subtotal"], currency))]
    sums += [
        (f"{tax['code']} {format_percent(tax['rate'])}", format_money(tax["amount"], currency))
        for tax in snapshot["taxes"]
    ]
    rounding = format_money(snapshot["round_off"], currency)
    if rounding != format_money(0, currency):
        sums.append(("Round off", rounding))
    return sums


def _codes(snapshot: Snapshot) -> list[str]:
    return list(dict.fromkeys(tax["code"] for tax in snapshot["taxes"]))


def _summary(snapshot: Snapshot, currency: str) -> list[SummaryRow]:
    """Return taxable value and taxes by service code and rates, as returns ask for them (GSTR-1 table 12)."""
    codes = _codes(snapshot)
    groups: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    for line in snapshot["lines"]:
        rates = {part["code"]: str(part["rate"]) for part in line["taxes"]}
        key = (line.get("sac") or "", *(rates.get(code, "") for code in codes))
        groups.setdefault(key, []).append(line)
    return [_summary_row(key, codes, lines, currency) for key, lines in sorted(groups.items())]


def _summary_row(
    key: tuple[str, ...], codes: list[str], lines: list[Mapping[str, Any]], currency: str
) -> SummaryRow:
    sac, *rates = key
    taxable = sum((Decimal(line["amount"]) for line in lines), Decimal(0))
    amounts = [
        sum(
            (Decimal(part["amount"]) for line in lines for part in line["taxes"] if part["code"] == code),
            Decimal(0),
        )
        for code in codes
    ]
    parts = [
        f"{format_money(amount, currency)} at {format_percent(rate)}" if rate else ""
        for amount, rate in zip(amounts, rates, strict=True)
    ]
    return SummaryRow(
        sac=sac or "None",
        taxable=format_money(taxable, currency),
        parts=tuple(parts),
        tax=format_money(sum(amounts, Decimal(0)), currency),
    )
