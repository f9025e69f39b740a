"""Refunds: what was paid in and is unused goes back, what nobody paid never does."""

from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.db import transaction
from app.errors import Conflict, InsufficientFunds, Invalid
from app.models import AuditRecord, Journal, Wallet
from app.models.wallets import Book, TransactionKind, WalletStatus
from app.services import grants, holds, movements, refunds, transfers, verify, wallet_limits, wallets
from tests.factories import ACTOR, make_account, make_wallet
from tests.services.metered import NOON, a_rupee_each, add_usage, books, figures, meter

TOLD: dict[str, Any] = {"at": NOON, "actor": ACTOR, "reason": "Asked for"}


@pytest.fixture
def wallet(session: Session) -> Wallet:
    """A wallet with ₹100 that was paid in."""
    return make_wallet("100")


def test_a_refund_is_a_journal_from_the_wallet_to_cash(session: Session, wallet: Wallet) -> None:
    made = refunds.refund(wallet, "30", reference="NEFT-7", **TOLD)
    assert (made.kind, made.state, made.amount, made.reference) == ("refund", "COMPLETED", -30, "NEFT-7")
    assert books(wallet) == {"cash": "-70.00", "wallet": "70.00"}
    assert refunds.refundable(wallet) == 70
    record = session.scalars(select(AuditRecord).where(AuditRecord.resource_id == str(made.id))).one()
    assert (record.action, record.summary) == ("wallet.refunded", "30.00 INR paid back: Asked for")
    assert verify.run(["wallets", "chains", "transactions", "journals"]).ok


def test_a_credit_is_spent_first_and_not_refunded(session: Session, wallet: Wallet) -> None:
    wallets.credit(wallet, "25", **TOLD)
    assert refunds.refundable(wallet) == 100
    wallets.debit(wallet, "20", **TOLD)
    assert refunds.refundable(wallet) == 100
    wallets.debit(wallet, "20", **TOLD)
    assert (wallet.balance, refunds.refundable(wallet)) == (85, 85)


def test_a_credit_after_the_spending_is_not_refunded_either(session: Session, wallet: Wallet) -> None:
    wallets.debit(wallet, "80", **TOLD)
    wallets.credit(wallet, "10", **TOLD)
    assert (wallet.balance, refunds.refundable(wallet)) == (30, 20)


def test_a_reversed_debit_does_not_turn_a_credit_into_cash(session: Session) -> None:
    wallet = make_wallet()
    wallets.credit(wallet, "40", **TOLD)
    wallets.reverse(wallets.debit(wallet, "40", **TOLD), **TOLD)
    assert (wallet.balance, refunds.refundable(wallet)) == (40, 0)


def test_held_money_and_an_overdraft_are_not_refunded(session: Session, wallet: Wallet) -> None:
    wallet_limits.set_limits(wallet, {"overdraft_limit": "1000"}, actor=ACTOR)
    holds.place(wallet, "60", **TOLD)
    assert refunds.refundable(wallet) == 40


@pytest.mark.parametrize("kind", ["promotional", "purchased"])
def test_a_grant_is_not_refunded_and_is_spent_before_a_credit(
    session: Session, wallet: Wallet, kind: str
) -> None:
    wallets.credit(wallet, "10", **TOLD)
    grants.give(wallet, "50", kind=kind, **TOLD)
    assert (wallet.balance, refunds.refundable(wallet)) == (160, 100)
    wallets.debit(wallet, "50", **TOLD)
    assert (wallet.balance, refunds.refundable(wallet)) == (110, 100)
    wallets.debit(wallet, "15", **TOLD)
    assert (wallet.balance, refunds.refundable(wallet)) == (95, 95)


def test_a_hold_that_a_grant_pays_leaves_the_paid_money(session: Session, wallet: Wallet) -> None:
    grants.give(wallet, "50", **TOLD)
    wallets.credit(wallet, "10", **TOLD)
    hold = holds.place(wallet, "55", **TOLD)
    holds.capture(hold, at=NOON, actor=ACTOR)
    assert (wallet.balance, refunds.refundable(wallet)) == (105, 100)


def test_what_usage_owes_is_not_refunded(session: Session) -> None:
    subscription, wallet, metric = a_rupee_each(balance="100")
    hold = holds.place(wallet, "80", **TOLD)
    add_usage(subscription.account, metric, 50)
    meter()
    assert (figures(wallet), refunds.refundable(wallet)) == (("80.00", "30.00"), 0)
    holds.release(hold, at=NOON, actor=ACTOR)
    assert (figures(wallet), refunds.refundable(wallet)) == (("50.00", "0.00"), 50)


def test_more_than_is_refundable_is_refused_and_nothing_is_written(session: Session, wallet: Wallet) -> None:
    wallets.credit(wallet, "25", **TOLD)
    journals = session.scalar(select(func.count()).select_from(Journal))
    with pytest.raises(InsufficientFunds, match=r"100\.00 INR was paid in and is unused; 100\.01 is asked"):
        refunds.refund(wallet, "100.01", **TOLD)
    assert session.scalar(select(func.count()).select_from(Journal)) == journals
    assert wallet.balance == 125


@pytest.mark.parametrize("status", [WalletStatus.frozen, WalletStatus.closed])
def test_a_wallet_that_gives_nothing_out_refunds_nothing(
    session: Session, wallet: Wallet, status: WalletStatus
) -> None:
    wallet.status = status
    with pytest.raises(Conflict, match="gives no money out"):
        refunds.refund(wallet, "1", **TOLD)
    assert wallet.balance == 100


def two_wallets(**accounts: Any) -> tuple[Wallet, Wallet]:
    """Return two wallets of one customer: one with ₹100 that was paid in, one empty."""
    account = make_account(prepaid=True)
    other = make_account(account.customer, prepaid=True, **accounts)
    return make_wallet("100", account=account), make_wallet(account=other)


def test_a_transfer_is_two_journals_that_sum_to_nothing(session: Session) -> None:
    wallet, other = two_wallets()
    made = transfers.transfer(wallet, other, "30", **TOLD)
    session.flush()
    assert (made.amount, made.unpaid, wallet.balance, other.balance) == (30, 0, 70, 30)
    assert books(wallet) == {"cash": "-100.00", "transfer": "30.00", "wallet": "70.00"}
    assert books(other) == {"transfer": "-30.00", "wallet": "30.00"}
    told = (made.from_transaction, made.to_transaction)
    assert [(each.kind, each.amount, each.reference) for each in told] == [
        ("transfer", -30, f"transfer:{made.id}"),
        ("transfer", 30, f"transfer:{made.id}"),
    ]
    assert verify.run(["wallets", "chains", "transactions", "journals", "transfers"]).ok


def test_paid_money_stays_paid_and_a_credit_stays_a_credit(session: Session) -> None:
    wallet, other = two_wallets()
    wallets.credit(wallet, "10", **TOLD)
    made = transfers.transfer(wallet, other, "30", **TOLD)
    session.flush()
    assert made.unpaid == 10
    assert (refunds.refundable(wallet), refunds.refundable(other)) == (80, 20)
    transfers.transfer(other, wallet, "30", **TOLD)
    session.flush()
    assert (refunds.refundable(wallet), refunds.refundable(other)) == (100, 0)


def test_what_the_other_wallet_owes_is_paid_from_a_transfer(session: Session) -> None:
    subscription, owing, metric = a_rupee_each()
    add_usage(subscription.account, metric, 20)
    meter()
    wallet = make_wallet("100", account=make_account(subscription.account.customer, prepaid=True))
    transfers.transfer(wallet, owing, "30", **TOLD)
    assert (figures(wallet), figures(owing)) == (("70.00", "0.00"), ("10.00", "0.00"))


def test_a_transfer_stays_with_one_customer_and_one_currency(session: Session) -> None:
    wallet, dollars = two_wallets(currency="USD")
    for other, code in (
        (make_wallet(), "other_customer"),
        (dollars, "currency_mismatch"),
        (wallet, "same_wallet"),
    ):
        with pytest.raises(Invalid) as refused:
            transfers.transfer(wallet, other, "1", **TOLD)
        assert [(one.pointer, one.code) for one in refused.value.fields] == [("/to_wallet_id", code)]
    assert wallet.balance == 100


def test_neither_an_overdraft_nor_a_grant_nor_held_money_is_transferred(session: Session) -> None:
    wallet, other = two_wallets()
    wallet_limits.set_limits(wallet, {"overdraft_limit": "1000"}, actor=ACTOR)
    grants.give(wallet, "50", **TOLD)
    holds.place(wallet, "60", **TOLD)
    with pytest.raises(InsufficientFunds, match=r"can give 90\.00 INR; 90\.01 is asked for"):
        transfers.transfer(wallet, other, "90.01", **TOLD)
    transfers.transfer(wallet, other, "90", **TOLD)
    assert (wallet.balance, other.balance) == (60, 90)


def test_a_closed_wallet_gets_nothing_and_a_frozen_one_does(session: Session) -> None:
    wallet, other = two_wallets()
    other.status = WalletStatus.closed
    with pytest.raises(Conflict, match="is closed"):
        transfers.transfer(wallet, other, "1", **TOLD)
    other.status = WalletStatus.frozen
    transfers.transfer(wallet, other, "1", **TOLD)
    assert (wallet.balance, other.balance) == (99, 1)


def test_half_of_a_transfer_is_not_reversed(session: Session) -> None:
    wallet, other = two_wallets()
    made = transfers.transfer(wallet, other, "30", **TOLD)
    session.flush()
    with pytest.raises(Conflict, match="undone by a transfer back"), transaction():
        wallets.reverse(made.to_transaction, **TOLD)


def test_the_check_finds_money_between_wallets(session: Session) -> None:
    wallet, other = two_wallets()
    transfers.transfer(wallet, other, "30", **TOLD)
    session.flush()
    plant_half_a_transfer(wallet)
    (result,) = verify.run(["transfers"]).results
    assert [(one.where, one.message) for one in result.problems] == [
        (f"customer {wallet.account.customer_id}", "5 INR is between wallets.")
    ]


def plant_half_a_transfer(wallet: Wallet) -> None:
    """Move money out of a wallet that arrives nowhere, as a bug would."""
    sides = {Book.wallet: Decimal(-5), Book.transfer: Decimal(5)}
    movements.post([movements.Move(TransactionKind.transfer, wallet, sides, "Lost", "Bug")], NOON)
