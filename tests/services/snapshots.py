"""Invoice snapshots as `app.services.invoice_document` describes them, for the tests of documents."""

from copy import deepcopy
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

SELLER = {
    "name": "OTPless Technologies Private Limited",
    "address": [
        "4th Floor, Prestige Atrium",
        "1 Central Street, Shivajinagar",
        "Bengaluru 560001, Karnataka",
    ],
    "gstin": "29AAGCO4567J1ZX",
    "state_code": "29",
    "state": "Karnataka",
    "lut": None,
}
KARNATAKA = {
    "name": "Namma Kirana Private Limited",
    "address": ["No. 12, 80 Feet Road", "Koramangala", "Bengaluru 560095, Karnataka", "India"],
    "gstin": "29AABCN1234F1ZP",
    "state_code": "29",
    "state": "Karnataka",
    "country": "IN",
    "tax_treatment": "regular",
}
AMERICAN = {
    "name": "Golden Gate Logins Inc.",
    "address": ["548 Market Street, Suite 300", "San Francisco, CA 94104", "United States"],
    "gstin": None,
    "state_code": None,
    "state": None,
    "country": "US",
    "tax_treatment": "regular",
}
NOTES = (
    "Please pay within 15 days of the invoice date.\n"
    "Bank: HDFC Bank, Account 50200012345678, IFSC HDFC0000523, OTPless Technologies Private Limited\n"
    "Quote the invoice number with the payment. Questions: billing@otpless.example"
)
PAISA = Decimal("0.01")


def usage_line(n: int, amount: str, *, taxes: tuple[tuple[str, str], ...], **changes: Any) -> dict[str, Any]:
    """Return a usage line; `taxes` pairs code and rate."""
    parts = [
        {
            "code": code,
            "rate": rate,
            "taxable": amount,
            "amount": str((Decimal(amount) * Decimal(rate) / 100).quantize(PAISA, ROUND_HALF_UP)),
        }
        for code, rate in taxes
    ]
    line = {
        "n": n,
        "kind": "usage",
        "description": "SMS messages, 1 Oct 2026 to 31 Oct 2026",
        "sac": "998429",
        "metric": "sms",
        "unit": "message",
        "quantity": "1250",
        "unit_price": None,
        "amount": amount,
        "taxes": parts,
        "breakdown": [
            {"kind": "free", "tier": 1, "quantity": "100", "unit": "0", "flat": "0", "amount": "0"},
            {"kind": "tier", "tier": 2, "quantity": "900", "unit": "0.5", "flat": "0", "amount": "450"},
            {"kind": "tier", "tier": 3, "quantity": "250", "unit": "0.3", "flat": "0", "amount": "75"},
        ],
        "plan_version": "Growth v2",
        "component": "sms",
        "events_hash": "b" * 64,
    }
    return {**line, **changes}


def snapshot(
    lines: list[dict[str, Any]], *, buyer: dict[str, Any] = KARNATAKA, currency: str = "INR", **changes: Any
) -> dict[str, Any]:
    """Return a tax invoice over `lines`, its sums worked out from them."""
    taxes: dict[tuple[str, str], list[Decimal]] = {}
    for line in lines:
        for part in line["taxes"]:
            sums = taxes.setdefault((part["code"], part["rate"]), [Decimal(0), Decimal(0)])
            sums[0] += Decimal(part["taxable"])
            sums[1] += Decimal(part["amount"])
    subtotal = sum((Decimal(line["amount"]) for line in lines), Decimal(0))
    tax_total = sum((sums[1] for sums in taxes.values()), Decimal(0))
    exact = subtotal + tax_total
    total = exact.quantize(Decimal(1), ROUND_HALF_UP) if currency == "INR" else exact
    made = {
        "number": "OT/26-27/000042",
        "kind": "tax_invoice",
        "title": "Tax Invoice",
        "currency": currency,
        "issued_on": "2026-11-01",
        "due_on": "2026-11-16",
        "period": {"start_on": "2026-10-01", "end_on": "2026-10-31"},
        "purchase_order": "PO-7781",
        "seller": SELLER,
        "buyer": buyer,
        "place_of_supply": {"code": "29", "name": "Karnataka"},
        "reverse_charge": False,
        "endorsement": None,
        "lines": lines,
        "taxes": [
            {"code": code, "rate": rate, "taxable": str(sums[0]), "amount": str(sums[1])}
            for (code, rate), sums in taxes.items()
        ],
        "subtotal": str(subtotal),
        "tax_total": str(tax_total),
        "round_off": str(total - exact),
        "total": str(total),
        "paid_from_wallet": "0",
        "amount_due": str(total),
        "notes": NOTES,
    }
    return deepcopy({**made, **changes})
