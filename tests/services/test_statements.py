"""Statements add up: opening balance, every movement with the balance after it, closing balance."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from app.db import db
from app.models import Invoice, Payment
from app.models.invoices import InvoiceKind, InvoiceOrigin
from app.models.payments import PaymentStatus
from app.services import documents, wallets
from app.services.exports.kinds import Scope
from app.services.exports.statements import of_customer, of_wallet, rows_of
from tests import factories as make
from tests.services.paying import make_issued_invoice

AT = datetime(2026, 11, 10, 6, 0, tzinfo=UTC)
OCTOBER = {"first": date(2026, 10, 1), "last": date(2026, 10, 31)}


def at(day, hour=6, minute=0):
    return datetime(2026, 10, day, hour, minute, tzinfo=UTC)


@pytest.fixture
def wallet(session):
    make.make_seller()
    wallet = make.make_wallet("100", at=datetime(2026, 9, 20, tzinfo=UTC))
    wallets.top_up(wallet, Decimal(1000), at=at(3), actor=make.ACTOR, reason="Bank transfer")
    wallets.credit(wallet, Decimal("50.5"), reason="Outage", at=at(5), actor=make.ACTOR)
    # 31 October 2026, 23:59 and 1 November, 00:00 in India.
    wallets.top_up(wallet, Decimal(7), at=at(31, 18, 29), actor=make.ACTOR, reason="Late")
    wallets.top_up(wallet, Decimal(9), at=at(31, 18, 30), actor=make.ACTOR, reason="November")
    return wallet


def sums(content):
    return tuple(content[name] for name in ("opening", "credits", "debits", "closing"))


def test_the_statement_of_a_wallet_has_the_local_days_of_its_account(wallet):
    content = of_wallet(Scope(**OCTOBER, wallet_id=wallet.id), AT)
    assert sums(content) == ("100.00", "1057.50", "0.00", "1157.50")
    told = [(row["on"], row["what"], row["detail"], row["balance"]) for row in content["rows"]]
    assert told == [
        ("2026-10-03", "Top up", "Bank transfer", "1100"),
        ("2026-10-05", "Credit", "Outage", "1150.5"),
        ("2026-10-31", "Top up", "Late", "1157.5"),
    ]
    assert documents.render_snapshot(content).startswith(b"%PDF-")


def test_days_without_a_movement_have_the_balance_that_stood(wallet):
    content = of_wallet(Scope(date(2026, 12, 1), date(2026, 12, 31), wallet_id=wallet.id), AT)
    assert (sums(content), content["rows"]) == (("1166.50", "0.00", "0.00", "1166.50"), [])


def test_the_rows_of_a_sheet_begin_and_end_with_the_balances(wallet):
    rows = list(rows_of(of_wallet(Scope(**OCTOBER, wallet_id=wallet.id), AT)))
    assert (rows[0][1], rows[0][4]) == ("Opening balance", Decimal("100.00"))
    assert (rows[-1][1], rows[-1][4]) == ("Closing balance", Decimal("1157.50"))
    assert len(rows) == 5


def test_the_statement_of_a_customer_ends_with_what_is_owed(session):
    invoice = make_issued_invoice(
        issued_on=date(2026, 10, 2), paid_from_wallet=Decimal(20), amount_paid=Decimal(320)
    )
    same = ("account", "customer", "registration", "currency", "period_start", "period_end", "snapshot")
    also = ("place_of_supply", "snapshot_sha256", "status", "issued_at")
    note = Invoice(
        **{name: getattr(invoice, name) for name in (*same, *also)},
        kind=InvoiceKind.credit_note,
        origin=InvoiceOrigin.manual,
        number="OT29C/26-27/00001",
        issued_on=date(2026, 10, 20),
        total=Decimal(100),
        original_id=invoice.id,
    )
    db.session.add(note)
    payment = Payment(
        account=invoice.account,
        invoice=invoice,
        gateway="manual",
        status=PaymentStatus.succeeded,
        amount=Decimal(300),
        currency="INR",
        gateway_ref="UTR1",
        created_by="Test Person",
        settled_at=at(12),
    )
    db.session.add(payment)
    db.session.flush()
    scope = Scope(**OCTOBER, customer_id=invoice.customer_id, currency="INR")
    content = of_customer(scope, AT)
    assert sums(content) == ("0.00", "620.00", "420.00", "200.00")
    assert [(row["what"], row["amount"], row["balance"]) for row in content["rows"]] == [
        ("Invoice", "620", "620"),
        ("Paid from wallet", "-20", "600"),
        ("Payment", "-300", "300"),
        ("Credit note", "-100", "200"),
    ]
    assert note.number in content["rows"][3]["detail"]


def test_what_was_owed_before_is_the_opening_balance_of_a_customer(session):
    invoice = make_issued_invoice(issued_on=date(2026, 9, 2))
    content = of_customer(Scope(**OCTOBER, customer_id=invoice.customer_id, currency="INR"), AT)
    assert (sums(content), content["rows"]) == (("620.00", "0.00", "0.00", "620.00"), [])
    other = of_customer(Scope(**OCTOBER, customer_id=invoice.customer_id, currency="USD"), AT)
    assert sums(other) == ("0.00", "0.00", "0.00", "0.00")
