"""Money into wallets and out of them: exact, explained, and refused without a trace where it must be."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.db import in_transaction, transaction
from app.domain.money import Money
from app.errors import (
    Conflict,
    CurrencyMismatch,
    DomainError,
    IllegalTransition,
    InsufficientFunds,
    Invalid,
)
from app.models import AuditRecord, Invoice, Journal, Posting, Wallet, WalletTransaction
from app.models.wallets import WalletStatus
from app.services import verify, wallet_limits, wallets
from tests.factories import ACTOR, make_account
from tests.services.metered import (
    NOON,
    a_rupee_each,
    add_usage,
    amounts,
    books,
    figures,
    meter,
    transactions,
)
from tests.support.own import OwnDatabase

TOLD = {"at": NOON, "actor": ACTOR, "reason": "Because"}


@pytest.fixture
def wallet(session: Session) -> Wallet:
    """The empty wallet of a new prepaid account in INR."""
    found = wallets.find_for(make_account(prepaid=True))
    assert found is not None
    return found


def rows(session: Session) -> tuple[int, ...]:
    """Return how many rows there are of everything that a movement writes."""
    session.flush()
    written = (Journal, Posting, WalletTransaction, AuditRecord)
    return tuple(session.scalar(select(func.count()).select_from(each)) or 0 for each in written)


def test_a_top_up_is_a_journal_between_cash_and_the_wallet(session: Session, wallet: Wallet) -> None:
    made = wallets.top_up(wallet, "118.50", reference="pay_1", **TOLD)
    assert (made.kind, made.state, made.amount, made.balance_after) == (
        "top_up",
        "COMPLETED",
        Decimal("118.50"),
        Decimal("118.50"),
    )
    assert (made.reason, made.actor, made.reference) == ("Because", ACTOR.label, "pay_1")
    assert books(wallet) == {"cash": "-118.50", "wallet": "118.50"}
    assert figures(wallet) == ("118.50", "0.00")


def test_a_movement_leaves_an_audit_record_with_its_reason(session: Session, wallet: Wallet) -> None:
    made = wallets.credit(wallet, "10", **TOLD)
    record = session.scalars(select(AuditRecord).where(AuditRecord.resource_id == str(made.id))).one()
    assert (record.action, record.actor, record.summary) == (
        "wallet.credited",
        ACTOR.label,
        "10.00 INR credited: Because",
    )


def test_a_debit_takes_what_is_there_and_not_more(session: Session, wallet: Wallet) -> None:
    wallets.credit(wallet, "10", **TOLD)
    assert wallets.debit(wallet, "10", **TOLD).balance_after == 0
    before = rows(session)
    with pytest.raises(InsufficientFunds, match=r"has 0\.00 INR available; 0\.01 is asked for"):
        wallets.debit(wallet, "0.01", **TOLD)
    assert rows(session) == before
    assert figures(wallet) == ("0.00", "0.00")


def test_held_money_cannot_be_debited_and_an_overdraft_can(session: Session, wallet: Wallet) -> None:
    wallets.credit(wallet, "10", **TOLD)
    wallet.held = Decimal(4)
    with pytest.raises(InsufficientFunds):
        wallets.debit(wallet, "7", **TOLD)
    wallet_limits.set_limits(wallet, {"overdraft_limit": "1"}, actor=ACTOR)
    wallets.debit(wallet, "7", **TOLD)
    assert figures(wallet) == ("3.00", "0.00")
    with pytest.raises(Conflict):
        wallet_limits.set_limits(wallet, {"overdraft_limit": "0"}, actor=ACTOR)


@pytest.mark.parametrize("move", [wallets.top_up, wallets.credit, wallets.debit])
@pytest.mark.parametrize(
    ("amount", "code"),
    [
        ("0", "not_positive"),
        ("-1", "not_positive"),
        ("0.001", "too_many_decimals"),
        (2**63, "too_large"),
        ("NaN", "not_a_number"),
        (1.5, "not_a_number"),
        (None, "not_a_number"),
        (Money(Decimal(1), "USD"), "currency_mismatch"),
    ],
)
def test_an_amount_that_cannot_be_is_refused_at_its_field(
    session: Session, wallet: Wallet, move: Callable[..., object], amount: object, code: str
) -> None:
    wallets.credit(wallet, "100", **TOLD)
    before = rows(session)
    with pytest.raises(Invalid) as refused:
        move(wallet, amount, **TOLD)
    assert [(field.pointer, field.code) for field in refused.value.fields] == [("/amount", code)]
    assert rows(session) == before
    assert figures(wallet) == ("100.00", "0.00")


@pytest.mark.parametrize("move", [wallets.top_up, wallets.credit, wallets.debit])
def test_no_money_moves_without_a_reason(
    session: Session, wallet: Wallet, move: Callable[..., object]
) -> None:
    wallets.credit(wallet, "100", **TOLD)
    before = rows(session)
    with pytest.raises(Invalid) as refused:
        move(wallet, "1", at=NOON, actor=ACTOR, reason=" ")
    assert refused.value.fields[0].pointer == "/reason"
    assert rows(session) == before


def test_a_frozen_wallet_takes_money_in_and_gives_none_out(session: Session) -> None:
    subscription, wallet, metric = a_rupee_each(balance="10")
    wallet.status = WalletStatus.frozen
    with pytest.raises(Conflict):
        wallets.debit(wallet, "1", **TOLD)
    add_usage(subscription.account, metric, 4)
    meter()
    wallets.credit(wallet, "1", **TOLD)
    assert figures(wallet) == ("11.00", "4.00")


def test_a_closed_wallet_takes_nothing(session: Session, wallet: Wallet) -> None:
    wallet.status = WalletStatus.closed
    before = rows(session)
    with pytest.raises(Conflict):
        wallets.top_up(wallet, "1", **TOLD)
    assert rows(session) == before


def test_money_that_comes_in_first_pays_what_usage_owes(session: Session) -> None:
    subscription, wallet, metric = a_rupee_each(balance="30")
    add_usage(subscription.account, metric, 100)
    meter()
    wallets.top_up(wallet, "50", **TOLD)
    assert figures(wallet) == ("0.00", "20.00")
    wallets.credit(wallet, "25", **TOLD)
    assert figures(wallet) == ("5.00", "0.00")
    assert amounts(wallet) == ["30.00", "-30.00", "50.00", "-50.00", "25.00", "-20.00"]
    assert books(wallet) == {"adjustment": "-25.00", "cash": "-80.00", "revenue": "100.00", "wallet": "5.00"}


def test_a_new_overdraft_pays_what_usage_owes(session: Session) -> None:
    subscription, wallet, metric = a_rupee_each(balance="30")
    add_usage(subscription.account, metric, 100)
    meter()
    wallet_limits.set_limits(wallet, {"overdraft_limit": "60"}, actor=ACTOR)
    assert figures(wallet) == ("-60.00", "10.00")


def test_debt_on_an_invoice_is_no_longer_paid_by_the_wallet(session: Session) -> None:
    subscription, wallet, metric = a_rupee_each()
    add_usage(subscription.account, metric, 40)
    meter()
    with pytest.raises(Invalid):
        wallets.bill_receivable(wallet, Decimal(41), Invoice(id=wallet.id), at=NOON, actor=ACTOR)
    wallets.bill_receivable(wallet, Decimal(30), Invoice(id=wallet.id), at=NOON, actor=ACTOR)
    wallets.top_up(wallet, "100", **TOLD)
    assert figures(wallet) == ("90.00", "0.00")
    assert books(wallet) == {"cash": "-100.00", "invoiced": "-30.00", "revenue": "40.00", "wallet": "90.00"}
    assert verify.run(["wallets", "chains", "transactions", "journals"]).ok


def test_a_reversal_takes_the_money_back_by_a_journal_of_its_own(session: Session, wallet: Wallet) -> None:
    credit = wallets.credit(wallet, "100", **TOLD)
    reversal = wallets.reverse(credit, at=NOON, actor=ACTOR, reason="A mistake")
    assert (credit.state, reversal.kind, reversal.amount) == ("REVERSED", "reversal", Decimal(-100))
    assert reversal.reverses_id == credit.id
    assert reversal.journal is not None
    assert reversal.journal.reverses_id == credit.journal_id
    assert books(wallet) == {}
    assert figures(wallet) == ("0.00", "0.00")


def test_nothing_is_reversed_twice(session: Session, wallet: Wallet) -> None:
    wallets.credit(wallet, "100", **TOLD)
    debit = wallets.debit(wallet, "40", **TOLD)
    reversal = wallets.reverse(debit, at=NOON, actor=ACTOR, reason="A mistake")
    before = rows(session)
    with pytest.raises(IllegalTransition, match="cannot go from REVERSED to REVERSED"):
        wallets.reverse(debit, at=NOON, actor=ACTOR, reason="Again")
    with pytest.raises(Conflict):
        wallets.reverse(reversal, at=NOON, actor=ACTOR, reason="Back again")
    assert rows(session) == before
    assert figures(wallet) == ("100.00", "0.00")


def test_what_was_spent_cannot_be_taken_back(session: Session, wallet: Wallet) -> None:
    with transaction():
        credit = wallets.credit(wallet, "100", **TOLD)
        wallets.debit(wallet, "1", **TOLD)
    with pytest.raises(InsufficientFunds), transaction():
        wallets.reverse(credit, at=NOON, actor=ACTOR, reason="A mistake")
    session.expire_all()
    assert credit.state == "COMPLETED"
    assert figures(wallet) == ("99.00", "0.00")


def test_a_deduction_for_usage_is_not_reversed_by_hand(session: Session) -> None:
    subscription, wallet, metric = a_rupee_each(balance="10")
    add_usage(subscription.account, metric, 3)
    meter()
    with pytest.raises(Conflict, match="cancelling its events"):
        wallets.reverse(transactions(wallet)[-1], at=NOON, actor=ACTOR, reason="No")


def test_an_account_has_one_wallet_in_its_own_currency(session: Session, wallet: Wallet) -> None:
    with pytest.raises(Conflict):
        wallets.open(wallet.account, actor=ACTOR)
    with pytest.raises(CurrencyMismatch):
        wallets.open(make_account(), currency="USD", actor=ACTOR)
    assert session.scalar(select(func.count()).select_from(Wallet)) == 1


@pytest.mark.parametrize(
    ("values", "pointer"),
    [
        ({"low_balance_threshold": "-1"}, "/low_balance_threshold"),
        ({"overdraft_limit": None}, "/overdraft_limit"),
        ({"auto_top_up": {"threshold": "5"}}, "/auto_top_up"),
        ({"auto_top_up": {"threshold": "5", "amount": "0"}}, "/auto_top_up/amount"),
        ({"balance": "1000000"}, "/balance"),
    ],
)
def test_a_limit_that_cannot_be_is_refused_at_its_field(
    session: Session, wallet: Wallet, values: dict[str, object], pointer: str
) -> None:
    with pytest.raises(DomainError) as refused:
        wallet_limits.set_limits(wallet, values, actor=ACTOR)
    assert refused.value.fields[0].pointer == pointer


def test_limits_are_kept_with_an_audit_record(session: Session, wallet: Wallet) -> None:
    given = {"low_balance_threshold": "50", "auto_top_up": {"threshold": "20", "amount": "500"}}
    wallet_limits.set_limits(wallet, given, actor=ACTOR)
    session.flush()
    record = session.scalars(select(AuditRecord).where(AuditRecord.action == "wallet.limits_changed")).one()
    assert record.after == {
        "low_balance_threshold": "50.00",
        "auto_top_up": {"threshold": "20.00", "amount": "500.00"},
    }


def test_concurrent_debits_spend_exactly_what_is_there(own_database: OwnDatabase) -> None:
    with own_database.app() as app:
        with transaction():
            wallet = wallets.find_for(make_account(prepaid=True))
            assert wallet is not None
            wallets.credit(wallet, "60", **TOLD)
            wallet_id = wallet.id

        def spend(_: int) -> bool:
            with app.app_context():
                try:
                    in_transaction(lambda: wallets.debit(wallets.get(wallet_id), "1", **TOLD))
                except InsufficientFunds:
                    return False
                return True

        with ThreadPoolExecutor(8) as pool:
            outcomes = list(pool.map(spend, range(100)))
        assert (outcomes.count(True), outcomes.count(False)) == (60, 40)
        assert in_transaction(verify.run).ok
        wallet = wallets.get(wallet_id)
        assert (wallet.balance, wallet.seq) == (0, 61)
