"""Crowds on one grant: two debits, a debit and its end, a void and a debit; nothing is spent twice."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from threading import Barrier
from typing import Any
from uuid import UUID

import pytest
from flask import Flask

from app.db import db, in_transaction, transaction
from app.errors import Conflict, InsufficientFunds
from app.models import Grant, Wallet
from app.services import grants, verify, wallets
from tests.factories import ACTOR, make_wallet
from tests.services.metered import NOON
from tests.support.own import OwnDatabase

pytestmark = pytest.mark.processes
CROWD = 8
LATER = NOON + timedelta(days=1)


@pytest.fixture
def bank(own_database: OwnDatabase) -> Iterator[tuple[Flask, UUID, UUID]]:
    """The app where commits are real, a wallet with ₹10, and its grant of ₹60."""
    own_database.settings = replace(own_database.settings, database_pool_size=CROWD)
    with own_database.app() as app:
        with transaction():
            wallet = make_wallet("10")
            grant = grants.give(wallet, "60", at=NOON, actor=ACTOR, reason="Launch offer", expires_at=LATER)
            ids = wallet.id, grant.id
        yield app, *ids


def together(app: Flask, works: list[Callable[[], Any]]) -> list[str]:
    """Do all at the same moment, each in a transaction of its own; return what became of each."""
    start = Barrier(len(works))

    def do(work: Callable[[], Any]) -> str:
        with app.app_context():
            start.wait()
            try:
                in_transaction(work)
            except (InsufficientFunds, Conflict) as refused:
                return type(refused).__name__
            return "done"

    with ThreadPoolExecutor(len(works)) as pool:
        return sorted(pool.map(do, works))


def debit(wallet_id: UUID, amount: str, at: Any = NOON) -> Callable[[], Any]:
    return lambda: wallets.debit(
        db.session.get_one(Wallet, wallet_id), amount, at=at, actor=ACTOR, reason="Setup"
    )


def figures(wallet_id: UUID, grant_id: UUID) -> tuple[int, int, int]:
    """Return balance, granted and what remains of the grant, the books being green."""
    db.session.rollback()
    report = verify.run(("wallets", "chains", "transactions", "grants"), at=NOON)
    assert [each.name for each in report.results if not each.ok] == []
    wallet, grant = db.session.get_one(Wallet, wallet_id), db.session.get_one(Grant, grant_id)
    found = int(wallet.balance), int(wallet.granted), int(grant.remaining)
    db.session.rollback()
    return found


def test_two_debits_at_once_never_spend_one_grant_twice(bank: tuple[Flask, UUID, UUID]) -> None:
    app, wallet_id, grant_id = bank
    assert together(app, [debit(wallet_id, "40")] * 2) == ["InsufficientFunds", "done"]
    assert figures(wallet_id, grant_id) == (30, 20, 20)


def test_a_crowd_of_debits_spends_the_grant_and_then_the_money_to_the_last_rupee(
    bank: tuple[Flask, UUID, UUID],
) -> None:
    app, wallet_id, grant_id = bank
    assert together(app, [debit(wallet_id, "10")] * CROWD) == ["InsufficientFunds"] + ["done"] * 7
    assert figures(wallet_id, grant_id) == (0, 0, 0)


def test_many_who_let_a_grant_lapse_let_it_lapse_once(bank: tuple[Flask, UUID, UUID]) -> None:
    app, wallet_id, grant_id = bank
    late = [debit(wallet_id, "6", LATER)] * 3
    works = [*late, *[lambda: grants.expire_all(LATER)] * 3]
    assert together(app, works) == ["InsufficientFunds", "InsufficientFunds", *["done"] * 4]
    assert figures(wallet_id, grant_id) == (4, 0, 0)


def test_a_grant_is_voided_once_by_a_crowd(bank: tuple[Flask, UUID, UUID]) -> None:
    app, wallet_id, grant_id = bank

    def void() -> None:
        grants.void(db.session.get_one(Grant, grant_id), at=NOON, actor=ACTOR, reason="Mistake")

    assert together(app, [void] * 4) == ["Conflict", "Conflict", "Conflict", "done"]
    assert figures(wallet_id, grant_id) == (10, 0, 0)
