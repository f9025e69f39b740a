"""A payment of an invoice pays the debt of a wallet that stands on it, first and once."""

from decimal import Decimal

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from app.models import Invoice, Posting, Wallet
from app.models.invoices import InvoiceStatus
from app.models.wallets import Book
from app.services import invoiced_debts, invoices, verify
from tests import factories as make
from tests.services.invoicing import IN_NOVEMBER, issue_for, priced, use
from tests.services.tampering import power, red


@pytest.fixture
def owed(session: Session) -> tuple[Invoice, Wallet]:
    """An invoice of 118: 60 from the wallet, 40 that the wallet owed, 18 of tax."""
    make.make_seller()
    make.make_tax_rate("18")
    metric = make.make_metric()
    account = make.make_account(make.make_customer(gstin=make.a_gstin("27")), prepaid=True)
    wallet = make.make_wallet("60", account=account)
    priced(make.per_unit(metric, "1"), account=account)
    use(account, metric, 100)
    return issue_for(account), session.get_one(Wallet, wallet.id)


def pay(invoice: Invoice, amount: str) -> None:
    invoices.record_payment(invoice, Decimal(amount), at=IN_NOVEMBER, actor=make.ACTOR)


def book(session: Session, name: Book) -> Decimal:
    return session.scalar(select(func.sum(Posting.amount)).where(Posting.book == name)) or Decimal(0)


def test_a_whole_payment_pays_the_debt_and_leaves_the_wallet_alone(
    session: Session, owed: tuple[Invoice, Wallet]
) -> None:
    invoice, wallet = owed
    assert (book(session, Book.invoiced), book(session, Book.cash)) == (-40, -60)
    pay(invoice, "58")
    assert (book(session, Book.invoiced), book(session, Book.cash)) == (0, -100)
    assert (invoice.status, wallet.balance, wallet.receivable) == (InvoiceStatus.paid, 0, 0)
    assert red(verify.run(at=IN_NOVEMBER)) == {}


def test_a_payment_in_parts_pays_the_debt_before_the_tax(
    session: Session, owed: tuple[Invoice, Wallet]
) -> None:
    invoice, _ = owed
    for amount, rest in (("25.50", "14.50"), ("20", "0"), ("12.50", "0")):
        pay(invoice, amount)
        assert book(session, Book.invoiced) == -Decimal(rest)
        assert red(verify.run(["invoiced_debts", "journals", "wallets", "chains"], at=IN_NOVEMBER)) == {}
    assert invoice.status is InvoiceStatus.paid


def test_an_invoice_without_debt_posts_nothing(session: Session) -> None:
    make.make_seller()
    make.make_tax_rate("18")
    metric = make.make_metric()
    account = make.make_account(make.make_customer(gstin=make.a_gstin("27")))
    priced(make.per_unit(metric, "1"), account=account)
    use(account, metric, 100)
    invoice = issue_for(account)
    pay(invoice, "118")
    assert session.scalar(select(func.count()).select_from(Posting)) == 0


def test_the_check_finds_a_payment_that_was_not_booked_and_one_booked_twice(
    session: Session, owed: tuple[Invoice, Wallet]
) -> None:
    invoice, _ = owed
    power(session, "UPDATE invoices SET amount_paid = amount_paid + 10 WHERE id = :id", id=invoice.id)
    assert red(verify.run(["invoiced_debts"], at=IN_NOVEMBER)) == {
        "invoiced_debts": [f"invoice {invoice.id}"]
    }
    power(session, "UPDATE invoices SET amount_paid = amount_paid - 10 WHERE id = :id", id=invoice.id)
    assert red(verify.run(["invoiced_debts"], at=IN_NOVEMBER)) == {}
    session.execute(text("SET CONSTRAINTS ALL DEFERRED"))
    invoiced_debts.pay(invoice, Decimal(1), at=IN_NOVEMBER, actor=make.ACTOR)
    assert red(verify.run(["invoiced_debts"], at=IN_NOVEMBER)) == {
        "invoiced_debts": [f"invoice {invoice.id}"]
    }
