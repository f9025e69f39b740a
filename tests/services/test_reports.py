"""The figures of the dashboard: exact, per currency, from invoices, rollups and wallets."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import insert

from app.db import db
from app.models import Account, Customer, DeadLetter, Invoice, UsageDelta, UsageRollup
from app.models.customers import CustomerStatus
from app.models.invoices import InvoiceKind, InvoiceOrigin, InvoiceStatus, SellerRegistration
from app.models.usage import DeadLetterStatus
from app.services import reports, wallets
from tests import factories
from tests.support.application import QueryCounter

TODAY = date(2026, 11, 22)
AT = datetime(2026, 11, 22, 6, tzinfo=UTC)


@pytest.fixture
def seller(app: Flask) -> SellerRegistration:
    """The seller's registration."""
    return factories.make_seller()


def invoice(
    seller: SellerRegistration, account: Account, n: int, on: date, amount: str, **values: Any
) -> Invoice:
    """Make an issued invoice of `amount` before and with tax."""
    given: dict[str, Any] = {
        "kind": InvoiceKind.tax_invoice,
        "status": InvoiceStatus.issued,
        "due_on": on + timedelta(days=15),
        "currency": account.currency,
        "number": f"N/{n}",
        "snapshot": {"n": n},
    }
    row = Invoice(
        account=account,
        customer=account.customer,
        registration=seller,
        origin=InvoiceOrigin.manual,
        snapshot_sha256=b"x" * 32,
        period_start=AT,
        period_end=AT + timedelta(days=1),
        issued_on=on,
        issued_at=AT,
        place_of_supply="29",
        subtotal=Decimal(amount),
        total=Decimal(amount),
        **{**given, **values},
    )
    db.session.add(row)
    db.session.flush()
    return row


def test_revenue_is_per_currency_and_compared_with_the_same_days_of_the_last_month(
    seller: SellerRegistration,
) -> None:
    rupees, dollars = factories.make_account(), factories.make_account(currency="USD")
    for number, (account, on, amount) in enumerate(
        [
            (rupees, date(2026, 11, 1), "1150"),
            (rupees, date(2026, 10, 1), "600"),
            (rupees, date(2026, 10, 22), "400"),
            (rupees, date(2026, 10, 23), "5000"),
            (rupees, date(2026, 9, 30), "9000"),
            (dollars, date(2026, 11, 5), "20"),
        ]
    ):
        invoice(seller, account, number, on, amount)
    found = reports.revenue(TODAY)
    assert [(one.currency, one.amount, one.before, one.change) for one in found] == [
        ("INR", Decimal(1150), Decimal(1000), Decimal("15.0")),
        ("USD", Decimal(20), Decimal(0), None),
    ]


def test_a_credit_note_takes_revenue_back_and_a_draft_is_none(seller: SellerRegistration) -> None:
    account = factories.make_account()
    invoice(seller, account, 1, date(2026, 11, 1), "1000")
    invoice(seller, account, 2, date(2026, 11, 2), "250", kind=InvoiceKind.credit_note)
    invoice(
        seller, account, 3, date(2026, 11, 3), "9999", status=InvoiceStatus.draft, number=None, snapshot=None
    )
    assert [one.amount for one in reports.revenue(TODAY)] == [Decimal(750)]


def test_revenue_by_month_names_every_month_also_empty_ones(seller: SellerRegistration) -> None:
    account = factories.make_account()
    invoice(seller, account, 1, date(2026, 11, 1), "1000")
    invoice(seller, account, 2, date(2026, 9, 30), "300.5")
    invoice(seller, factories.make_account(currency="USD"), 3, date(2026, 11, 1), "77")
    chart = reports.revenue_by_month("INR", TODAY, months=3)
    assert chart.labels == ["Sep 2026", "Oct 2026", "Nov 2026"]
    assert chart.lines == [("INR", [Decimal("300.5"), Decimal(0), Decimal(1000)])]
    assert chart.series == [{"name": "INR", "values": ["300.5000", "0", "1000.0000"]}]


def test_pending_invoices_are_counted_and_summed_per_currency(seller: SellerRegistration) -> None:
    account, dollars = factories.make_account(), factories.make_account(currency="USD")
    invoice(seller, account, 1, date(2026, 11, 1), "1000", amount_paid=Decimal(400))
    invoice(seller, account, 2, date(2026, 11, 20), "50")
    invoice(seller, account, 3, date(2026, 11, 1), "70", status=InvoiceStatus.paid, amount_paid=Decimal(70))
    invoice(seller, dollars, 4, date(2026, 10, 1), "9", status=InvoiceStatus.overdue)
    found = [(one.currency, one.count, one.overdue, one.due) for one in reports.pending_invoices(TODAY)]
    assert found == [("INR", 2, 1, Decimal(650)), ("USD", 1, 1, Decimal(9))]


def test_usage_by_day_follows_the_days_of_the_zone_and_reads_no_events(
    app: Flask, query_counter: QueryCounter
) -> None:
    account = factories.make_account()
    calls, mails = factories.make_metric(name="Calls"), factories.make_metric(name="Mails")
    traffic = factories.make_metric(name="Traffic", unit="byte")
    for metric, at, events in (
        (traffic, datetime(2026, 11, 21, 12, tzinfo=UTC), 1),
        (calls, datetime(2026, 11, 21, 18, 15, tzinfo=UTC), 3),
        (calls, datetime(2026, 11, 21, 18, 30, tzinfo=UTC), 5),
        (mails, datetime(2026, 11, 20, 12, tzinfo=UTC), 1),
        (calls, datetime(2026, 10, 1, tzinfo=UTC), 99),
    ):
        values = {"account_id": account.id, "metric_id": metric.id, "bucket_at": at, "dimensions": {}}
        db.session.execute(insert(UsageRollup).values(**values, quantity=events * 2, events=events))
    with query_counter() as queries:
        chart = reports.usage_by_day(TODAY, "Asia/Kolkata", days=3)
    assert chart.labels == ["20 Nov", "21 Nov", "22 Nov"]
    assert chart.lines == [("Calls", [0, 6, 10]), ("Mails", [2, 0, 0])]
    assert chart.unit == "message"
    assert [sql for sql in queries if "usage_events" in sql] == []


def test_customers_are_counted_by_status(app: Flask) -> None:
    for status in (CustomerStatus.active, CustomerStatus.active, CustomerStatus.closed):
        factories.make_customer().status = status
    db.session.flush()
    assert reports.customers() == reports.Customers(active=2, total=3)


def test_a_wallet_is_low_below_its_threshold_and_not_at_it(app: Flask) -> None:
    for balance, threshold in (("99", "100"), ("100", "100"), ("5", None)):
        wallet = wallets.find_for(factories.make_account(prepaid=True))
        assert wallet is not None
        wallet.low_balance_threshold = None if threshold is None else Decimal(threshold)
        wallets.top_up(wallet, balance, at=AT, actor=factories.ACTOR, reason="Transfer")
    low = reports.low_wallets()
    assert (low.count, [wallet.balance for wallet in low.wallets]) == (1, [Decimal(99)])


def test_health_tells_what_waits(app: Flask) -> None:
    account, metric = factories.make_account(), factories.make_metric()
    assert (reports.health().backlog, reports.health().oldest_at, reports.health().verified) == (
        0,
        None,
        None,
    )
    delta = {"account_id": account.id, "metric_id": metric.id, "bucket_at": AT, "dimensions": {}}
    db.session.add_all(UsageDelta(**delta, quantity=Decimal(1), events=1, created_at=AT) for _ in range(2))
    for number, status in enumerate((DeadLetterStatus.open, DeadLetterStatus.discarded)):
        letter = {
            "source": "api",
            "code": "x",
            "pointer": "",
            "message": "x",
            "payload": {},
            "status": status,
        }
        db.session.add(DeadLetter(**letter, payload_sha256=bytes([number])))
    db.session.flush()
    health = reports.health()
    assert (health.backlog, health.oldest_at, health.dead_letters) == (2, AT, 1)


def test_the_plans_and_balances_of_a_customer_are_told_without_adding_currencies(app: Flask) -> None:
    customer = factories.make_customer()
    plan = factories.make_plan(components=[factories.fee()], name="Growth")
    factories.make_subscription(factories.make_account(customer, prepaid=True), plan)
    factories.make_account(customer, prepaid=True, currency="USD")
    other = factories.make_customer()
    query = db.select(Customer, reports.plans_of_customer(), reports.balances_of_customer()).order_by(
        Customer.id
    )
    rows = [tuple(row) for row in db.session.execute(query)]
    (_, plans, balances), (_, no_plan, no_balances) = sorted(rows, key=lambda row: row[0].id == other.id)
    assert (plans, no_plan, no_balances) == ("Growth", None, None)
    assert sorted((one["currency"], one["balance"], one["low"]) for one in balances) == [
        ("INR", "0.0000", False),
        ("USD", "0.0000", False),
    ]
    on_plan = db.session.scalars(db.select(Customer).where(reports.customer_is_on_plan(plan.id))).all()
    assert on_plan == [customer]
