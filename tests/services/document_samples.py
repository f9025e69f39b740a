"""A snapshot of every kind of document, as the services write them."""

from typing import Any

from tests.services.snapshots import AMERICAN, KARNATAKA, SELLER, snapshot, usage_line

INTRA = (("CGST", "9"), ("SGST", "9"))
HOSTILE = '<img src=file:///etc/passwd>=HYPERLINK("http://evil.example";"x")'
EXPORT = {
    "kind": "export_invoice",
    "title": "Export Invoice",
    "buyer": AMERICAN,
    "currency": "USD",
    "place_of_supply": {"code": "96", "name": "Other Country"},
    "seller": {**SELLER, "lut": "AD290326000123X"},
    "endorsement": "Supply meant for export under letter of undertaking without payment of integrated tax",
    "inr": {"rate": "88.5", "valid_from": "2026-11-01", "source": "RBI", "total": "1106.25"},
}
NOTE = {
    "kind": "credit_note",
    "title": "Credit Note",
    "number": "OT29C/26-27/00001",
    "original": {"number": "OT29/26-27/00042", "issued_on": "2026-11-01"},
    "reason": "Sent twice",
    "due_on": None,
    "amount_due": "0.00",
    "notes": "Against invoice OT29/26-27/00042 of 2026-11-01.\nReason: Sent twice",
}
STATEMENT: dict[str, Any] = {
    "currency": "INR",
    "issued_on": "2026-11-01",
    "number": "1 Oct 2026 to 31 Oct 2026",
    "seller": SELLER,
    "buyer": KARNATAKA,
    "account": "Namma Kirana, production",
    "opening": "100.00",
    "closing": "850.00",
    "credits": "1000.00",
    "debits": "250.00",
    "rows": [
        {
            "on": "2026-10-03",
            "what": "Top up",
            "detail": "Bank transfer",
            "amount": "1000",
            "balance": "1100",
        },
        {"on": "2026-10-05", "what": "Usage", "detail": "Usage deducted", "amount": "-250", "balance": "850"},
    ],
}
SAMPLES: dict[str, dict[str, Any]] = {
    "tax_invoice": snapshot([usage_line(1, "525.00", taxes=INTRA)], upi="otpless@hdfcbank"),
    "export_invoice": snapshot([usage_line(1, "12.50", taxes=())], **EXPORT),
    "credit_note": snapshot([usage_line(1, "525.00", taxes=INTRA, breakdown=[])], **NOTE),
    "wallet_statement": {**STATEMENT, "kind": "wallet_statement", "title": "Statement of Wallet"},
    "customer_statement": {**STATEMENT, "kind": "customer_statement", "title": "Statement of Account"},
}
