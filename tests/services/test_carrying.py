"""What an invoice gives back beyond its charges: kept as a credit or in the wallet, exactly and once."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.models import Account, AccountCredit, AuditRecord, Invoice, Metric, WalletTransaction
from app.models.invoices import InvoiceStatus, LineKind
from app.services import carrying, invoices, subscriptions, verify, wallets
from tests import factories as make
from tests.services.invoicing import IN_DECEMBER, IN_NOVEMBER, NOVEMBER, issue_for, priced, taxes_of, use
from tests.services.tampering import red

REASON = "Given back beyond the charges, 1 Nov 2026 to 30 Nov 2026"
NOVEMBER_10 = datetime(2026, 11, 10, 18, 30, tzinfo=UTC)
CARRIED = LineKind.carried


@pytest.fixture
def metric(session: Session) -> Metric:
    make.make_seller()
    make.make_tax_rate("18")
    make.make_tax_rate("5", service_code="998413")
    return make.make_metric()


def cancelled(account: Account, metric: Metric, *, used: int = 0, **more: str) -> Account:
    """Return an account that paid November's 900.00 ahead, left after ten days, and used something since."""
    subscription = priced(make.fee("900", timing="advance", **more), account=account)
    issue_for(account)
    subscriptions.end(subscription, at=NOVEMBER_10, actor=make.ACTOR)
    priced(make.per_unit(metric, "1"), account=account)
    if used:
        use(account, metric, used, at=NOVEMBER_10)
    return account


def bill(account: Account) -> Invoice:
    return issue_for(account, NOVEMBER, at=IN_DECEMBER)


def lines_of(invoice: Invoice) -> list[tuple[LineKind, Decimal]]:
    return [(line.kind, line.amount) for line in invoice.lines]


def kept(session: Session) -> list[tuple[Decimal, Decimal, str]]:
    rows = session.scalars(select(AccountCredit)).all()
    return [(row.amount, row.remaining, row.reason) for row in rows]


def found() -> dict[str, list[str]]:
    return red(verify.run(("carried", "reductions", "invoices", "fees", "wallets"), at=IN_DECEMBER))


def test_what_is_over_becomes_a_credit_and_the_invoice_asks_for_nothing(
    session: Session, metric: Metric
) -> None:
    """20 of November's 30 days come back, 600.00; 100.00 were used: 500.00 are over."""
    invoice = bill(cancelled(make.make_account(), metric, used=100))
    assert lines_of(invoice) == [
        (LineKind.adjustment, Decimal(-600)),
        (LineKind.usage, Decimal(100)),
        (CARRIED, Decimal(500)),
    ]
    assert [invoice.subtotal, invoice.tax_total, invoice.total] == [0, 0, 0]
    assert invoice.status is InvoiceStatus.paid
    assert kept(session) == [(Decimal(500), Decimal(500), REASON)]
    assert invoice.lines[-1].description == "Carried to your next invoices"
    audited = session.scalars(select(AuditRecord).where(AuditRecord.action == "credit.carried")).one()
    assert audited.after is not None
    assert audited.after["invoice_id"] == str(invoice.id)
    assert found() == {}


def test_what_is_not_over_is_taken_off_as_ever(session: Session, metric: Metric) -> None:
    invoice = bill(cancelled(make.make_account(), metric, used=600))
    assert lines_of(invoice) == [(LineKind.adjustment, Decimal(-600)), (LineKind.usage, Decimal(600))]
    assert kept(session) == []


def test_a_draft_keeps_nothing_and_issuing_it_twice_keeps_it_once(session: Session, metric: Metric) -> None:
    account = cancelled(make.make_account(), metric)
    draft = invoices.draft_by_hand(account, NOVEMBER, at=IN_DECEMBER, actor=make.ACTOR)
    assert (lines_of(draft)[-1], kept(session)) == ((CARRIED, Decimal(600)), [])
    for _ in range(2):
        invoices.issue(draft, at=IN_DECEMBER, actor=make.ACTOR)
    assert kept(session) == [(Decimal(600), Decimal(600), REASON)]


def test_each_tax_rate_is_carried_by_itself(session: Session, metric: Metric) -> None:
    """600.00 come back at 5 %; 100.00 at 18 % are asked for, as a tax cannot pay another."""
    account = cancelled(make.make_account(), metric, used=100, sac="998413")
    invoice = bill(account)
    assert lines_of(invoice)[-1] == (CARRIED, Decimal(600))
    assert invoice.lines[-1].sac == "998413"
    assert (invoice.subtotal, invoice.total) == (Decimal(100), Decimal(118))
    assert {(code, amount) for code, rate, amount in taxes_of(invoice) if rate == "9"} == {
        ("CGST", Decimal(9)),
        ("SGST", Decimal(9)),
    }
    assert kept(session) == [(Decimal(600), Decimal(600), REASON)]


def test_who_pays_in_advance_gets_it_into_the_wallet_with_its_tax(session: Session, metric: Metric) -> None:
    """The wallet paid 100.00 of usage, whose tax of 18.00 is due; 600.00 and 108.00 of tax come back."""
    account = make.make_account(prepaid=True)
    wallet = make.make_wallet("150", account=account)
    invoice = bill(cancelled(account, metric, used=100))
    assert lines_of(invoice)[-1] == (CARRIED, Decimal(600))
    assert invoice.lines[-1].description == "Put into your wallet, with its tax"
    assert [invoice.total, invoice.paid_from_wallet, invoice.amount_due] == [118, 100, 18]
    session.refresh(wallet)
    assert wallet.balance == Decimal(50 + 708)
    last = session.scalars(select(WalletTransaction).order_by(WalletTransaction.id.desc())).first()
    assert last is not None
    assert (last.amount, last.reason, last.reference) == (Decimal(708), REASON, str(invoice.id))
    assert kept(session) == []
    assert found() == {}


def test_what_the_wallet_owes_is_paid_from_it_first(session: Session, metric: Metric) -> None:
    account = make.make_account(prepaid=True)
    wallet = make.make_wallet("60", account=account)
    invoice = bill(cancelled(account, metric, used=100))
    session.refresh(wallet)
    assert (wallet.balance, wallet.receivable) == (Decimal(708 - 40), Decimal(0))
    assert [invoice.paid_from_wallet, invoice.amount_due] == [100, 18]


def test_a_credit_that_was_never_kept_is_found(
    session: Session, metric: Metric, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(carrying, "keep", lambda *_, **__: None)
    invoice = bill(cancelled(make.make_account(), metric))
    assert found() == {"carried": [f"invoice {invoice.number}"]}


def test_a_wallet_that_got_the_amount_without_its_tax_is_found(
    session: Session, metric: Metric, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = make.make_account(prepaid=True)
    make.make_wallet("10", account=account)
    cancelled(account, metric)
    honest = wallets.credit
    monkeypatch.setattr(wallets, "credit", lambda wallet, amount, **more: honest(wallet, 600, **more))
    invoice = bill(account)
    assert found() == {"carried": [f"invoice {invoice.number}"]}


def test_the_periods_after_it_take_it_off(session: Session, metric: Metric) -> None:
    account = cancelled(make.make_account(), metric)
    bill(account)
    later = invoices.draft_by_hand(
        account,
        NOVEMBER,
        lines=[{"description": "Setup", "quantity": "1", "unit_price": "250"}],
        at=IN_NOVEMBER,
        actor=make.ACTOR,
    )
    invoices.issue(later, at=IN_DECEMBER, actor=make.ACTOR)
    assert [(line.description, line.amount) for line in later.lines] == [
        ("Setup", Decimal(250)),
        (f"Credit: {REASON}", Decimal(-250)),
    ]
    assert kept(session) == [(Decimal(600), Decimal(350), REASON)]
