"""Holds: they count at once, resolve once, and nobody else spends what they hold."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from app.db import in_transaction, transaction
from app.domain.money import Money
from app.errors import Conflict, IllegalTransition, InsufficientFunds, Invalid
from app.models import AuditRecord, Hold, Journal, Wallet
from app.models.holds import HoldState
from app.models.wallets import WalletStatus
from app.services import holds, verify, wallet_limits, wallets
from jobs import holds as job
from tests.factories import ACTOR, make_wallet
from tests.services.metered import NOON, a_rupee_each, add_usage, amounts, books, figures, meter
from tests.support.own import OwnDatabase

TOLD: dict[str, Any] = {"at": NOON, "actor": ACTOR, "reason": "A parcel"}
DONE: dict[str, Any] = {"at": NOON, "actor": ACTOR}
HOUR = timedelta(hours=1)


@pytest.fixture
def wallet(session: Session) -> Wallet:
    """A wallet with ₹100."""
    return make_wallet("100")


def held(wallet: Wallet) -> tuple[Decimal, Decimal]:
    """Return what is held and the balance."""
    return wallet.held, wallet.balance


def written(session: Session) -> tuple[int, ...]:
    """Return how many rows there are of everything that a hold writes."""
    session.flush()
    return tuple(
        session.scalar(select(func.count()).select_from(one)) or 0 for one in (Hold, Journal, AuditRecord)
    )


def test_a_hold_counts_at_once_and_posts_nothing(session: Session, wallet: Wallet) -> None:
    journals = session.scalar(select(func.count()).select_from(Journal))
    hold = holds.place(wallet, "60", reference="parcel-7", **TOLD)
    session.flush()
    assert (hold.state, hold.amount, hold.captured, hold.reference) == ("open", 60, 0, "parcel-7")
    assert held(wallet) == (60, 100)
    assert session.scalar(select(func.count()).select_from(Journal)) == journals
    record = session.scalars(select(AuditRecord).where(AuditRecord.resource_id == str(hold.id))).one()
    assert (record.action, record.summary) == ("hold.placed", "60.00 INR held: A parcel")
    assert verify.run(["holds", "wallets"]).ok


def test_held_money_is_spent_by_nobody_else(session: Session, wallet: Wallet) -> None:
    holds.place(wallet, "60", **TOLD)
    for spend in (wallets.debit, holds.place):
        with pytest.raises(InsufficientFunds, match=r"has 40\.00 INR available; 40\.01 is asked for"):
            spend(wallet, "40.01", **TOLD)
    assert held(wallet) == (60, 100)


def test_usage_is_owed_rather_than_paid_from_held_money(session: Session) -> None:
    subscription, wallet, metric = a_rupee_each(balance="100")
    hold = holds.place(wallet, "60", **TOLD)
    add_usage(subscription.account, metric, 70)
    meter()
    assert (wallet.held, *figures(wallet)) == (60, "60.00", "30.00")
    holds.release(hold, **DONE)
    assert (wallet.held, *figures(wallet)) == (0, "30.00", "0.00")


def test_a_whole_hold_is_captured_as_one_movement(session: Session, wallet: Wallet) -> None:
    hold = holds.capture(holds.place(wallet, "60", **TOLD), **DONE)
    assert (hold.state, hold.captured, hold.resolved_at) == ("captured", 60, NOON)
    assert hold.transaction is not None
    told = hold.transaction
    assert (told.kind, told.state, told.amount, told.reason) == ("capture", "COMPLETED", -60, "A parcel")
    assert told.reference == f"hold:{hold.id}"
    assert held(wallet) == (0, 40)
    assert books(wallet) == {"adjustment": "60.00", "cash": "-100.00", "wallet": "40.00"}


def test_the_rest_of_a_capture_in_part_is_released(session: Session, wallet: Wallet) -> None:
    hold = holds.place(wallet, "60", reference="parcel-7", **TOLD)
    holds.capture(hold, amount="25.50", reason="Weighed", **DONE)
    assert hold.transaction is not None
    assert (hold.captured, hold.transaction.reason, hold.transaction.reference) == (
        Decimal("25.5"),
        "Weighed",
        "parcel-7",
    )
    assert held(wallet) == (0, Decimal("74.5"))
    assert verify.run(["holds", "wallets", "transactions"]).ok


def test_an_overdraft_can_be_held_and_captured(session: Session, wallet: Wallet) -> None:
    wallet_limits.set_limits(wallet, {"overdraft_limit": "50"}, actor=ACTOR)
    hold = holds.place(wallet, "150", **TOLD)
    holds.capture(hold, **DONE)
    assert held(wallet) == (0, -50)


@pytest.mark.parametrize("first", ["capture", "release"])
@pytest.mark.parametrize("second", ["capture", "release"])
def test_a_hold_resolves_once(session: Session, wallet: Wallet, first: str, second: str) -> None:
    hold = holds.place(wallet, "60", **TOLD)
    getattr(holds, first)(hold, **DONE)
    before, figure = written(session), held(wallet)
    with pytest.raises(IllegalTransition, match=f"A hold cannot go from {first}d to {second}d"):
        getattr(holds, second)(hold, **DONE)
    assert (written(session), held(wallet)) == (before, figure)


def test_more_than_is_held_is_not_captured(session: Session, wallet: Wallet) -> None:
    with transaction():
        hold = holds.place(wallet, "60", **TOLD)
    with pytest.raises(Invalid) as refused, transaction():
        holds.capture(hold, amount="60.01", **DONE)
    assert [(one.pointer, one.code) for one in refused.value.fields] == [("/amount", "too_large")]
    assert (hold.state, *held(wallet)) == ("open", 60, 100)


@pytest.mark.parametrize("amount", ["0", "-1", "0.001", 2**63, Money(Decimal(1), "USD")])
def test_an_amount_that_cannot_be_is_not_captured(session: Session, wallet: Wallet, amount: object) -> None:
    with transaction():
        hold = holds.place(wallet, "60", **TOLD)
    with pytest.raises(Invalid) as refused, transaction():
        holds.capture(hold, amount=amount, **DONE)
    assert [one.pointer for one in refused.value.fields] == ["/amount"]
    assert (hold.state, *held(wallet)) == ("open", 60, 100)


@pytest.mark.parametrize("status", [WalletStatus.frozen, WalletStatus.closed])
def test_a_wallet_that_gives_nothing_out_holds_nothing(
    session: Session, wallet: Wallet, status: WalletStatus
) -> None:
    wallet.status = status
    before = written(session)
    with pytest.raises(Conflict, match="gives no money out"):
        holds.place(wallet, "1", **TOLD)
    assert (written(session), held(wallet)) == (before, (0, 100))


def test_a_frozen_wallet_lets_a_hold_go_but_not_be_captured(session: Session, wallet: Wallet) -> None:
    with transaction():
        hold = holds.place(wallet, "60", **TOLD)
        wallet.status = WalletStatus.frozen
    with pytest.raises(Conflict), transaction():
        holds.capture(hold, **DONE)
    assert (hold.state, *held(wallet)) == ("open", 60, 100)
    holds.release(hold, **DONE)
    assert held(wallet) == (0, 100)


def test_a_hold_ends_in_the_future(session: Session, wallet: Wallet) -> None:
    before = written(session)
    with pytest.raises(Invalid) as refused:
        holds.place(wallet, "1", expires_at=NOON, **TOLD)
    assert [(one.pointer, one.code) for one in refused.value.fields] == [("/expires_at", "in_the_past")]
    assert (written(session), held(wallet)) == (before, (0, 100))


@pytest.mark.parametrize("resolve", [holds.capture, holds.release])
def test_an_expired_hold_is_never_resolved_whether_or_not_the_job_ran(
    session: Session, wallet: Wallet, resolve: Callable[..., object]
) -> None:
    with transaction():
        hold = holds.place(wallet, "60", expires_at=NOON + HOUR, **TOLD)
    assert holds.state_at(hold, NOON + HOUR) is HoldState.expired
    with pytest.raises(IllegalTransition, match="from expired to"), transaction():
        resolve(hold, at=NOON + HOUR, actor=ACTOR)
    assert (hold.state, *held(wallet)) == ("open", 60, 100)


def test_the_money_of_an_expired_hold_can_be_spent_without_the_job(session: Session, wallet: Wallet) -> None:
    hold = holds.place(wallet, "60", expires_at=NOON + HOUR, **TOLD)
    wallets.debit(wallet, "100", at=NOON + HOUR, actor=ACTOR, reason="All of it")
    session.refresh(hold)
    assert (hold.state, hold.resolved_at, *held(wallet)) == ("expired", NOON + HOUR, 0, 0)


def test_expired_money_pays_what_usage_owes(session: Session) -> None:
    subscription, wallet, metric = a_rupee_each(balance="100")
    holds.place(wallet, "100", expires_at=NOON + HOUR, **TOLD)
    add_usage(subscription.account, metric, 70)
    meter()
    assert figures(wallet) == ("100.00", "70.00")
    assert holds.release_expired(wallet, NOON + HOUR) == 1
    assert figures(wallet) == ("30.00", "0.00")
    assert amounts(wallet) == ["100.00", "0.00", "-70.00"]


def test_a_resolved_hold_is_kept_as_it_is_by_the_database(session: Session, wallet: Wallet) -> None:
    hold = holds.release(holds.place(wallet, "60", **TOLD), **DONE)
    session.flush()
    for change in ("UPDATE wallet_holds SET state = 'open', resolved_at = NULL", "DELETE FROM wallet_holds"):
        with pytest.raises(DBAPIError, match=r"is append-only|permission denied"), session.begin_nested():
            session.execute(text(change))
    session.refresh(hold)
    assert hold.state == "released"


def test_the_check_finds_a_held_figure_without_its_holds(session: Session, wallet: Wallet) -> None:
    holds.place(wallet, "60", **TOLD)
    session.flush()
    session.execute(text("UPDATE wallets SET held = 59 WHERE id = :id"), {"id": wallet.id})
    (result,) = verify.run(["holds"]).results
    assert [(one.where, one.message) for one in result.problems] == [
        (f"wallet {wallet.id}", "It says that 59 is held, its open holds come to 60.")
    ]


def prepare(own: OwnDatabase, **hold: Any) -> tuple[UUID, UUID]:
    """Commit a wallet of 100 with a hold of 100, and return the ids of both."""
    with own.app(), transaction():
        wallet = make_wallet("100")
        placed = holds.place(wallet, "100", **{**TOLD, **hold})
        return wallet.id, placed.id


def test_two_captures_of_sixty_at_once_take_sixty(own_database: OwnDatabase) -> None:
    wallet_id, hold_id = prepare(own_database)
    with own_database.app() as app:

        def take(_: int) -> str:
            with app.app_context():
                try:
                    in_transaction(
                        lambda: holds.capture(holds.get(wallets.get(wallet_id), hold_id), amount="60", **DONE)
                    )
                except IllegalTransition as refused:
                    return refused.message
                return "captured"

        with ThreadPoolExecutor(2) as pool:
            outcomes = sorted(pool.map(take, range(2)))
        assert outcomes == [
            "A hold cannot go from captured to captured. Allowed from captured: nothing: it is final.",
            "captured",
        ]
        wallet = wallets.get(wallet_id)
        assert held(wallet) == (0, 40)
        assert in_transaction(verify.run).ok


def test_the_job_lets_every_expired_hold_go(own_database: OwnDatabase) -> None:
    wallet_id, hold_id = prepare(own_database, expires_at=NOON + HOUR)
    with own_database.app():
        assert holds.has_expired(NOON) is False
        assert holds.has_expired(NOON + HOUR) is True
        assert job.expire() == {"expired": 1}
        assert job.expire() == {"expired": 0}
        wallet = wallets.get(wallet_id)
        assert (holds.get(wallet, hold_id).state, *held(wallet)) == ("expired", 0, 100)


def test_a_hold_that_leaves_too_little_is_told_of(session: Session, wallet: Wallet) -> None:
    wallet_limits.set_limits(wallet, {"low_balance_threshold": "50"}, actor=ACTOR)
    holds.place(wallet, "60", **TOLD)
    session.flush()
    told = session.scalars(select(AuditRecord).where(AuditRecord.action == "wallet.low_balance")).one()
    assert (told.resource_id, told.after) == (str(wallet.id), {"balance": "40.0000"})
