"""Prepaid accounts: what the wallet paid is shown and never charged again."""

from decimal import Decimal

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.models import Account, ChargePosition, Metric, Wallet
from app.models.invoices import InvoiceStatus
from app.services import invoices, wallets
from tests import factories as make
from tests.services.invoicing import IN_DECEMBER, IN_NOVEMBER, NOVEMBER, issue_for, priced, use


@pytest.fixture
def metric(session: Session) -> Metric:
    make.make_seller()
    make.make_tax_rate("18")
    return make.make_metric()


def prepaid(metric: Metric, balance: str, unit: str = "1") -> tuple[Account, Wallet]:
    """Return a prepaid account with a balance, on a plan that charges per unit."""
    account = make.make_account(make.make_customer(gstin=make.a_gstin("27")), prepaid=True)
    wallet = make.make_wallet(balance, account=account)
    priced(make.per_unit(metric, unit), account=account)
    return account, wallet


def test_usage_the_wallet_paid_is_shown_as_paid_and_only_its_tax_is_due(
    session: Session, metric: Metric
) -> None:
    account, wallet = prepaid(metric, "500")
    use(account, metric, 100)
    session.refresh(wallet)
    assert wallet.balance == Decimal(400)
    invoice = issue_for(account)
    assert (invoice.subtotal, invoice.tax_total, invoice.total) == (Decimal(100), Decimal(18), Decimal(118))
    assert (invoice.paid_from_wallet, invoice.amount_paid, invoice.amount_due) == (100, 100, 18)
    assert invoice.status is InvoiceStatus.partially_paid
    assert invoice.snapshot is not None
    assert (invoice.snapshot["paid_from_wallet"], invoice.snapshot["amount_due"]) == ("100.00", "18.00")
    session.refresh(wallet)
    assert (wallet.balance, wallet.receivable) == (Decimal(400), Decimal(0))


def test_what_the_wallet_could_not_pay_becomes_due_on_the_invoice(session: Session, metric: Metric) -> None:
    account, wallet = prepaid(metric, "60")
    use(account, metric, 100)
    session.refresh(wallet)
    assert (wallet.balance, wallet.receivable) == (Decimal(0), Decimal(40))
    invoice = issue_for(account)
    assert (invoice.paid_from_wallet, invoice.amount_due) == (Decimal(60), Decimal(58))
    session.refresh(wallet)
    assert wallet.receivable == Decimal(0)
    wallets.top_up(wallet, Decimal(1000), at=IN_NOVEMBER, actor=make.ACTOR, reason="Bank transfer")
    assert wallet.balance == Decimal(1000)
    invoices.record_payment(invoice, Decimal(58), at=IN_NOVEMBER, actor=make.ACTOR)
    assert invoice.status is InvoiceStatus.paid


def test_paise_from_a_wallet_are_not_rounded_away(session: Session, metric: Metric) -> None:
    """100.40 from the wallet and 18.07 of tax: rounded to 118 the invoice would be overpaid by part."""
    account, _ = prepaid(metric, "500", "1.004")
    use(account, metric, 100)
    invoice = issue_for(account)
    assert (invoice.round_off, invoice.total, invoice.amount_due) == (0, Decimal("118.47"), Decimal("18.07"))


def test_late_usage_of_a_prepaid_account_is_adjusted_once(session: Session, metric: Metric) -> None:
    account, wallet = prepaid(metric, "500")
    use(account, metric, 100)
    issue_for(account)
    use(account, metric, 10)
    session.refresh(wallet)
    assert wallet.balance == Decimal(390)
    invoice = issue_for(account, NOVEMBER, at=IN_DECEMBER)
    assert (invoice.subtotal, invoice.paid_from_wallet) == (Decimal(10), Decimal(10))
    position = session.scalars(select(ChargePosition).where(ChargePosition.account_id == account.id)).one()
    session.refresh(position)
    assert position.charged_amount == position.invoiced_amount == Decimal(110)


def test_a_minimum_above_what_the_wallet_paid_is_due(session: Session, metric: Metric) -> None:
    account = make.make_account(make.make_customer(gstin=make.a_gstin("27")), prepaid=True)
    make.make_wallet("500", account=account)
    priced(make.per_unit(metric, "1", minimum="150"), account=account)
    use(account, metric, 100)
    invoice = issue_for(account)
    assert (invoice.subtotal, invoice.paid_from_wallet, invoice.amount_due) == (150, 100, 77)
