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
VOUCHER: dict[str, Any] = {
    "kind": "receipt_voucher",
    "title": "Receipt Voucher",
    "number": "OT29R/26-27/0001",
    "currency": "INR",
    "issued_on": "2026-10-03",
    "seller": SELLER,
    "buyer": KARNATAKA,
    "account": "Namma Kirana, production",
    "place_of_supply": {"code": "29", "name": "Karnataka"},
    "reverse_charge": False,
    "description": "Advance for communication services, prepaid to the wallet",
    "sac": "998319",
    "rate": "18",
    "taxable": "1000.00",
    "taxes": [
        {"code": "CGST", "rate": "9", "taxable": "1000.00", "amount": "90.00"},
        {"code": "SGST", "rate": "9", "taxable": "1000.00", "amount": "90.00"},
    ],
    "tax": "180.00",
    "amount": "1180.00",
    "paid_by": "razorpay",
    "reference": "pay_29QQoUBi66xm2f",
    "reason": "Top-up by Razorpay",
    "receipt": None,
}
REFUND_VOUCHER = {
    **VOUCHER,
    "kind": "refund_voucher",
    "title": "Refund Voucher",
    "number": "OT29F/26-27/0001",
    "reason": "Account closed",
    "receipt": {"number": "OT29R/26-27/0001", "issued_on": "2026-10-03"},
}
SAMPLES: dict[str, dict[str, Any]] = {
    "tax_invoice": snapshot([usage_line(1, "525.00", taxes=INTRA)], upi="otpless@hdfcbank"),
    "export_invoice": snapshot([usage_line(1, "12.50", taxes=())], **EXPORT),
    "credit_note": snapshot([usage_line(1, "525.00", taxes=INTRA, breakdown=[])], **NOTE),
    "receipt_voucher": VOUCHER,
    "refund_voucher": REFUND_VOUCHER,
    "wallet_statement": {**STATEMENT, "kind": "wallet_statement", "title": "Statement of Wallet"},
    "customer_statement": {**STATEMENT, "kind": "customer_statement", "title": "Statement of Account"},
}
