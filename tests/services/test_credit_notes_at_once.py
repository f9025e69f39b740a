"""Many credit notes at once: together never above the invoice, numbers without gap or repeat."""

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select

from app import clock
from app.db import db, in_transaction, transaction
from app.errors import DomainError
from app.models import Invoice
from app.models.invoices import InvoiceKind
from app.services import credit_notes, invoices, verify
from tests import factories as make
from tests.services.invoicing import IN_NOVEMBER, OCTOBER
from tests.services.tampering import red

ASKED, WORKERS = 24, 8
pytestmark = pytest.mark.processes


def test_eight_workers_credit_one_invoice_and_never_exceed_it(own_database: Any) -> None:
    with own_database.app() as app:
        invoice_id = _issue()
        with ThreadPoolExecutor(WORKERS) as pool:
            done = list(pool.map(lambda n: _credited(app, invoice_id, n), range(ASKED)))
        assert done.count(True) == 11
        invoice = db.session.get_one(Invoice, invoice_id)
        query = select(Invoice.number, Invoice.total).where(Invoice.kind == InvoiceKind.credit_note)
        rows = db.session.execute(query.order_by(Invoice.number)).all()
        assert [row.number for row in rows] == [f"OT29C/26-27/{n:04d}" for n in range(1, 12)]
        assert sum(row.total for row in rows) == invoice.amount_credited == Decimal(1100)
        db.session.rollback()
        assert red(verify.run(["credit_notes", "amounts_due", "numbers", "invoices"], at=IN_NOVEMBER)) == {}


def _issue() -> UUID:
    """Return an invoice of 1,000 and its tax."""
    with transaction():
        make.make_seller()
        make.make_tax_rate("18")
        account = make.make_account(make.make_customer(gstin=make.a_gstin("29")))
        line = {"description": "Set-up", "quantity": "1", "unit_price": "1000"}
        draft = invoices.draft_by_hand(account, OCTOBER, lines=[line], at=IN_NOVEMBER, actor=make.ACTOR)
        return invoices.issue(draft, at=IN_NOVEMBER, actor=make.ACTOR).id


def _credited(app: Flask, invoice_id: UUID, n: int) -> bool:
    """Tell whether another note was possible."""
    with app.app_context():
        try:
            in_transaction(lambda: _credit(invoice_id, n))
        except DomainError:
            return False
        return True


def _credit(invoice_id: UUID, n: int) -> None:
    """Credit 100 of 1,180; every third attempt is rolled back after it took its number."""
    invoice = db.session.get_one(Invoice, invoice_id)
    credit_notes.issue(invoice, amount="100", reason=f"Part {n}", at=clock.now(), actor=make.ACTOR)
    if n % 3 == 2:
        raise DomainError("Rolled back.")
