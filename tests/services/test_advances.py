"""Advances on invoices: tax that was collected with the money is not asked for again (CGST Act s.13(2))."""

from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.models import Account, Invoice, Metric, Voucher, VoucherAdjustment, Wallet
from app.models.invoices import InvoiceStatus
from app.services import advances, customers, grants, refunds, transfers, verify, wallets
from tests import factories as make
from tests.services.invoicing import IN_DECEMBER, IN_NOVEMBER, NOON, NOVEMBER, issue_for, priced, use
from tests.services.metered import books
from tests.services.tampering import power, red

TOLD: dict[str, Any] = {"at": make.START, "actor": make.ACTOR, "reason": "Bank transfer"}
CHECKS = ["vouchers", "advances", "numbers", "journals", "wallets", "invoices", "snapshots", "invoiced_debts"]


@pytest.fixture
def metric(session: Session) -> Metric:
    make.make_seller()
    make.make_tax_rate("18")
    return make.make_metric()


def prepaid(metric: Metric, *received: str, unit: str = "1", **customer: Any) -> tuple[Account, Wallet]:
    """Return a prepaid account on a plan that charges per unit, after these amounts came in."""
    account = make.make_account(make.make_customer(**customer), prepaid=True)
    wallet = make.make_wallet(account=account)
    for amount in received:
        advances.receive(wallet, amount, **TOLD)
    priced(make.per_unit(metric, unit), account=account)
    return account, wallet


def taken(invoice: Invoice) -> list[tuple[str, Decimal, Decimal]]:
    return [(each.voucher.number, each.taxable, each.tax) for each in advances.of_invoice(invoice)]


def test_the_tax_of_an_advance_of_1180_is_adjusted_and_nothing_is_due(
    session: Session, metric: Metric
) -> None:
    """CGST Rule 50: of ₹1,180 received, 1,000 and 180 of tax, 400 are used: 72 of tax are charged once."""
    account, wallet = prepaid(metric, "1180")
    use(account, metric, 400)
    invoice = issue_for(account)
    assert (invoice.subtotal, invoice.tax_total, invoice.total) == (400, 72, 472)
    assert (invoice.paid_from_wallet, invoice.advance_tax, invoice.amount_due) == (400, 72, 0)
    assert invoice.status is InvoiceStatus.paid
    assert taken(invoice) == [("OT29R/26-27/0001", 400, 72)]
    (adjusted,) = advances.of_invoice(invoice)
    assert [(part["code"], part["amount"]) for part in adjusted.taxes] == [
        ("CGST", "36.00"),
        ("SGST", "36.00"),
    ]
    assert invoice.snapshot is not None
    assert invoice.snapshot["advances"] == [
        {"number": "OT29R/26-27/0001", "issued_on": "2026-10-01", "taxable": "400.00", "tax": "72.00"}
    ]
    assert (invoice.snapshot["amount_due"], invoice.snapshot["round_off"]) == ("0.00", "0.00")
    assert red(verify.run(CHECKS, at=IN_NOVEMBER)) == {}
    session.refresh(wallet)
    assert wallet.balance == 600


def test_the_rest_of_an_advance_stays_open_for_the_next_month(session: Session, metric: Metric) -> None:
    account, wallet = prepaid(metric, "1180")
    use(account, metric, 400)
    issue_for(account)
    use(account, metric, 600, at=IN_NOVEMBER)
    invoice = issue_for(account, NOVEMBER, at=IN_DECEMBER)
    assert (taken(invoice), invoice.amount_due) == ([("OT29R/26-27/0001", 600, 108)], 0)
    session.refresh(wallet)
    assert books(wallet)["tax"] == "180.00"


def test_the_oldest_voucher_is_used_first(session: Session, metric: Metric) -> None:
    account, _ = prepaid(metric, "118", "236", "118")
    use(account, metric, 250)
    assert taken(issue_for(account)) == [("OT29R/26-27/0001", 100, 18), ("OT29R/26-27/0002", 150, 27)]


def test_what_no_advance_covers_is_due_with_its_tax(session: Session, metric: Metric) -> None:
    """Of 400 the wallet had 100: the other 300 and their tax of 54 are due."""
    account, _ = prepaid(metric, "118")
    use(account, metric, 400)
    invoice = issue_for(account)
    assert (invoice.total, invoice.paid_from_wallet, invoice.advance_tax) == (472, 100, 18)
    assert (invoice.amount_due, invoice.status) == (354, InvoiceStatus.partially_paid)
    assert red(verify.run(CHECKS, at=IN_NOVEMBER)) == {}


def test_money_that_bore_no_tax_is_used_before_advances(session: Session, metric: Metric) -> None:
    """₹100 came before tax was collected in advance; ₹150 are used: 50 of the advance are."""
    account, wallet = prepaid(metric, "118")
    wallets.top_up(wallet, "100", **TOLD)
    use(account, metric, 150)
    invoice = issue_for(account)
    assert (taken(invoice), invoice.amount_due) == ([("OT29R/26-27/0001", 50, 9)], 18)


def test_usage_that_a_grant_paid_bears_its_tax_on_the_invoice(session: Session, metric: Metric) -> None:
    account, wallet = prepaid(metric, "118")
    grants.give(wallet, "60", **{**TOLD, "reason": "Welcome"})
    use(account, metric, 50)
    invoice = issue_for(account)
    assert (taken(invoice), invoice.paid_from_wallet, invoice.amount_due) == ([], 50, 9)


def test_paise_of_rounding_go_into_the_round_off_and_nothing_is_due(session: Session, metric: Metric) -> None:
    """The tax of 33.39 is 3.01 + 3.01, that of twice as much 6.01 + 6.01: the second month's share of the
    advance is 3.00 + 3.00, and the two paise more are not asked for."""
    account, _ = prepaid(metric, "118", unit="33.39")
    use(account, metric, 1)
    first = issue_for(account)
    paise = Decimal("6.02")
    assert (first.tax_total, first.advance_tax, first.round_off, first.amount_due) == (paise, paise, 0, 0)
    use(account, metric, 1, at=IN_NOVEMBER)
    second = issue_for(account, NOVEMBER, at=IN_DECEMBER)
    assert (second.tax_total, second.advance_tax, second.round_off) == (paise, 6, Decimal("-0.02"))
    assert (second.total, second.amount_due, second.status) == (Decimal("39.39"), 0, InvoiceStatus.paid)
    assert red(verify.run(CHECKS, at=IN_DECEMBER)) == {}


def test_an_advance_of_another_place_of_supply_is_not_adjusted(session: Session, metric: Metric) -> None:
    """The customer moved from Karnataka to Maharashtra: CGST and SGST do not pay for IGST (s.77)."""
    account, _ = prepaid(metric, "118")
    customers.update(account.customer, {"state_code": "27"}, actor=make.ACTOR)
    use(account, metric, 50)
    invoice = issue_for(account)
    assert (taken(invoice), invoice.amount_due) == ([], 9)


def test_an_advance_of_another_rate_is_not_adjusted(session: Session, metric: Metric) -> None:
    account, _ = prepaid(metric, "118")
    make.make_tax_rate("12", valid_from=IN_NOVEMBER.date())
    use(account, metric, 50)
    invoice = issue_for(account)
    assert (taken(invoice), invoice.amount_due) == ([], 6)


def test_an_advance_follows_its_money_to_another_wallet_of_the_customer(
    session: Session, metric: Metric
) -> None:
    account, wallet = prepaid(metric, "118")
    other = make.make_account(account.customer, prepaid=True)
    priced(make.per_unit(metric, "1"), account=other)
    transfers.transfer(wallet, make.make_wallet(account=other), "60", **TOLD)
    use(other, metric, 50)
    invoice = issue_for(other)
    assert (taken(invoice), invoice.amount_due) == ([("OT29R/26-27/0001", 50, 9)], 0)


def test_what_is_used_is_not_given_back_and_the_rest_is(session: Session, metric: Metric) -> None:
    account, wallet = prepaid(metric, "118")
    use(account, metric, 30)
    issue_for(account)
    session.refresh(wallet)
    refunds.refund(wallet, "70", **{**TOLD, "at": IN_NOVEMBER})
    session.flush()
    refund = session.scalars(select(Voucher).where(Voucher.receipt_id.is_not(None))).one()
    assert (refund.taxable, refund.tax) == (70, Decimal("12.60"))
    assert books(wallet)["tax"] == "5.40"
    assert red(verify.run(CHECKS, at=IN_NOVEMBER)) == {}


def test_a_draft_takes_nothing_of_an_advance(session: Session, metric: Metric) -> None:
    account, _ = prepaid(metric, "118")
    use(account, metric, 30)
    assert session.scalars(select(VoucherAdjustment)).all() == []
    issue_for(account)
    assert len(session.scalars(select(VoucherAdjustment)).all()) == 1


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ("UPDATE vouchers SET tax = tax + 1, amount = amount + 1", {"vouchers"}),
        ("UPDATE vouchers SET snapshot = jsonb_set(snapshot, '{amount}', '\"1.00\"')", {"vouchers"}),
        ("UPDATE voucher_adjustments SET tax = tax + 1", {"advances"}),
        ("UPDATE voucher_adjustments SET taxable = taxable + 1000", {"advances"}),
        ("UPDATE invoices SET advance_tax = 0", {"advances"}),
        ("UPDATE vouchers SET number = 'OT29R/26-27/0002'", {"numbers"}),
        ("UPDATE invoice_series SET last_number = 2 WHERE kind = 'receipt_voucher'", {"numbers"}),
        ("UPDATE postings SET amount = amount + 1 WHERE book = 'tax'", {"vouchers"}),
    ],
)
def test_a_planted_change_is_found(session: Session, metric: Metric, change: str, found: set[str]) -> None:
    account, _ = prepaid(metric, "1180")
    use(account, metric, 400)
    issue_for(account)
    session.flush()
    power(session, change)
    assert set(red(verify.run(["vouchers", "advances", "numbers"], at=IN_NOVEMBER))) == found


def test_tax_that_no_voucher_tells_of_is_found(session: Session, metric: Metric) -> None:
    """A bug that books tax and forgets the voucher."""
    account, wallet = prepaid(metric)
    wallets.top_up(wallet, "100", tax=Decimal(18), **{**TOLD, "at": NOON})
    assert red(verify.run(["vouchers"], at=IN_NOVEMBER)) == {"vouchers": [f"customer {account.customer_id}"]}
