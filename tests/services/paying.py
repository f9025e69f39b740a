"""What the tests of payments need besides the sandbox: an app that pays through it, and an invoice to be
paid."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from flask import Flask

from app import clock
from app.db import db
from app.domain.invoicing import canonical_json, sha256_hex
from app.gateways.payments import open_gateway
from app.models import Invoice
from app.models.invoices import InvoiceStatus
from tests.factories import START, make_account, make_seller
from tests.services.snapshots import snapshot, usage_line
from tests.support.sandbox import SandboxProcess

NUMBER = "OT29/26-27/00042"


@contextmanager
def paying_through(app: Flask, sandbox: SandboxProcess, monkeypatch: Any) -> Iterator[Flask]:
    """Let the app use the sandbox, with gateways that give up after half a second."""
    before = app.extensions["settings"]
    monkeypatch.setattr("app.gateways.stripe.TIMEOUT_SECONDS", 0.5)
    monkeypatch.setattr("app.gateways.razorpay.TIMEOUT_SECONDS", 0.5)
    app.extensions["settings"] = replace(
        before, secret_key=sandbox.secret_key, sandbox_url=sandbox.url, sandbox_public_url=sandbox.url
    )
    open_gateway.cache_clear()
    try:
        yield app
    finally:
        app.extensions["settings"] = before
        open_gateway.cache_clear()


def make_issued_invoice(total: str = "620.00", **changes: Any) -> Invoice:
    """Return an issued invoice over `total` INR with a snapshot that says 620.00; `changes` are columns."""
    account, seller = make_account(), make_seller()
    data = snapshot([usage_line(1, "525.00", taxes=(("CGST", "9"), ("SGST", "9")))], number=NUMBER)
    values: dict[str, Any] = {
        "account": account,
        "customer": account.customer,
        "registration": seller,
        "status": InvoiceStatus.issued,
        "number": NUMBER,
        "currency": "INR",
        "period_start": START,
        "period_end": START + timedelta(days=31),
        "issued_at": clock.now(),
        "issued_on": clock.now().date(),
        "due_on": clock.now().date() + timedelta(days=15),
        "place_of_supply": "29",
        "subtotal": Decimal("525.00"),
        "tax_total": Decimal("94.50"),
        "round_off": Decimal("0.50"),
        "total": Decimal(total),
        "snapshot": data,
        "snapshot_sha256": bytes.fromhex(sha256_hex(canonical_json(data))),
    }
    invoice = Invoice(**{**values, **changes})
    db.session.add(invoice)
    db.session.flush()
    return invoice
