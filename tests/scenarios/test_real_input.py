"""10,000 real requests of a web site: imported as two metrics, priced, invoiced, and the books balance.

One story told by the command line on a database of its own, everything committed for real.
"""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import Result
from flask import Flask
from pypdf import PdfReader
from sqlalchemy import func, select
from sqlalchemy.orm import selectinload

from app import clock
from app.cli.work import drain
from app.config import current_settings
from app.db import db, transaction
from app.models import (
    Account,
    DeadLetter,
    Invoice,
    InvoiceLine,
    StoredFile,
    UsageEvent,
    UsageRollup,
)
from app.models.invoices import InvoiceStatus
from app.services import metrics, outbox, plans, reference
from app.services.demo import catalog
from tests.factories import ACTOR
from tests.support.own import OwnDatabase

pytestmark = pytest.mark.processes

FILE = Path(__file__).parents[1] / "data" / "web_requests_2015.csv.gz"
COMMON = ("--map", "account_id=client", "--map", "timestamp=requested_at", "--backfill")
REQUESTS = ("--metric", "requests", "--map", "event_id=request_id", *COMMON)
BYTES = ("--metric", "bytes", "--map", "event_id=bytes-{request_id}", *COMMON)
CLIENTS, ROWS, WITHOUT_BYTES, TOTAL_BYTES = 1_753, 10_000, 669, 2_747_282_740
PDFS = 3


@pytest.fixture
def app(own_database: OwnDatabase) -> Iterator[Flask]:
    """An installation with its reference data and the plan for web traffic."""
    with own_database.app() as app:
        with transaction():
            reference.load(at=clock.now(), actor=ACTOR)
            for values in catalog.METRICS[1:]:
                metrics.create(values, actor=ACTOR)
            plan = plans.create({"code": "web-traffic"}, prices=catalog.WEB_TRAFFIC, actor=ACTOR)
            plans.publish(plan.versions[0], at=clock.now(), actor=ACTOR)
        yield app


def run(app: Flask, *arguments: str, expect: int = 0) -> Result:
    result = app.test_cli_runner().invoke(args=arguments)
    assert result.exit_code == expect, result.output
    return result


def count(model: type, *conditions: object) -> int:
    return db.session.scalar(select(func.count()).select_from(model).where(*conditions)) or 0  # type: ignore[arg-type]


def test_the_traffic_of_a_site_is_imported_billed_and_verified(app: Flask) -> None:
    said = run(app, "import-events", str(FILE), *REQUESTS, "--create-accounts", "web-traffic").stdout
    assert "10,000 rows of 1,753 accounts" in said
    assert [line.split() for line in said.splitlines()[2:6]] == [
        ["accounts", "made", "1,753"],
        ["accepted", "10,000"],
        ["duplicate", "0"],
        ["rejected", "0"],
    ]
    assert (count(Account), count(UsageEvent)) == (CLIENTS, ROWS)

    said = run(app, "import-events", str(FILE), *BYTES).stdout
    assert "669 × missing_value" in said
    assert count(UsageEvent) == 2 * ROWS - WITHOUT_BYTES
    assert count(DeadLetter) == count(DeadLetter, DeadLetter.code == "missing_value") == WITHOUT_BYTES

    for arguments in (REQUESTS, BYTES):
        run(app, "import-events", str(FILE), *arguments)
    assert count(UsageEvent) == 2 * ROWS - WITHOUT_BYTES
    assert count(DeadLetter) == WITHOUT_BYTES
    assert used() == {"requests": ROWS, "bytes": TOTAL_BYTES}
    assert drain() == 0

    said = run(app, "billing", "run", "--period", "2015-05").stdout
    assert "2015-05: 1,753 accounts, 1,753 invoices issued" in said
    check_invoices()
    check_documents()

    said = run(app, "billing", "run", "--period", "2015-05").stdout
    assert "2015-05: 0 accounts, 0 invoices issued" in said
    assert "the whole run: 1,753 issued" in said
    assert count(Invoice) == CLIENTS

    said = run(app, "verify").stdout
    assert said.splitlines()[-1] == "The books balance."
    assert "19,331 events" in said


def used() -> dict[str, Decimal]:
    """Return what the rollups hold of each metric."""
    total = func.sum(UsageRollup.quantity)
    return {
        code: db.session.scalar(select(total).where(UsageRollup.metric_id == metrics.get(code).id))
        or Decimal(0)
        for code in ("requests", "bytes")
    }


def check_invoices() -> None:
    """Everybody who used something has an invoice over exactly that, at exactly its price."""
    billed = {
        code: db.session.scalar(select(func.sum(InvoiceLine.quantity)).where(InvoiceLine.metric_code == code))
        for code in ("requests", "bytes")
    }
    assert billed == {"requests": ROWS, "bytes": TOTAL_BYTES}
    assert count(Invoice) == count(Invoice, Invoice.number.is_not(None)) == CLIENTS
    invoices = list(db.session.scalars(select(Invoice).options(selectinload(Invoice.lines))))
    for invoice in invoices:
        assert [line.amount for line in invoice.lines] == [expected(line) for line in invoice.lines]
        assert invoice.subtotal == sum(line.amount for line in invoice.lines)
        assert invoice.total == (invoice.subtotal + invoice.tax_total).quantize(Decimal(1), "ROUND_HALF_UP")
        assert invoice.status is (InvoiceStatus.issued if invoice.total else InvoiceStatus.paid)
    owing = [invoice for invoice in invoices if invoice.total]
    assert [tax["code"] for invoice in owing for tax in invoice.taxes] == ["CGST", "SGST"] * len(owing)
    assert (len(owing), sum(invoice.total for invoice in owing)) == (43, 700)


def expected(line: InvoiceLine) -> Decimal:
    """Return the price of a line, worked out here once more."""
    if line.metric_code == "bytes":
        return (line.quantity * Decimal("0.02") / 1_000_000).quantize(Decimal("0.01"), "ROUND_HALF_UP")
    first = min(max(line.quantity - 100, Decimal(0)), Decimal(900))
    beyond = max(line.quantity - 1_000, Decimal(0))
    return first * Decimal("0.50") + beyond * Decimal("0.30")


def check_documents() -> None:
    """The workers' step makes the PDFs from the promises that issuing made; here it makes the first ones."""
    assert outbox.deliver(PDFS) == {"kept": PDFS, "failed": 0}
    documents = list(db.session.scalars(select(StoredFile).where(StoredFile.resource_type == "Invoice")))
    assert len(documents) == PDFS
    for document in documents:
        invoice = db.session.get_one(Invoice, document.resource_id)
        content = (current_settings().files_dir / document.key).read_bytes()
        assert len(content) == document.size
        text = "".join(
            page.extract_text() for page in PdfReader(Path(current_settings().files_dir / document.key)).pages
        )
        assert invoice.number is not None
        assert invoice.number in text
