"""Two people who decide at the same moment: one decision, and the money moves once or not at all."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import func, select

from app.db import db, in_transaction, transaction
from app.errors import IllegalTransition
from app.models import Approval, Wallet, WalletTransaction
from app.models.wallets import TransactionKind
from app.permissions import Actor
from app.services import approvals
from tests.factories import make_wallet
from tests.services.approving import ANANYA, MEERA, person
from tests.services.metered import NOON
from tests.support.own import OwnDatabase

pytestmark = pytest.mark.processes
CROWD = 6


@pytest.fixture
def house(own_database: OwnDatabase) -> Iterator[Flask]:
    """The app on a database where commits are real."""
    own_database.settings = replace(own_database.settings, database_pool_size=CROWD + 2)
    with own_database.app() as app:
        yield app


@pytest.fixture
def waiting(house: Flask) -> tuple[UUID, UUID, Actor]:
    """A request for ₹60,000 of Meera's, its wallet, and Ananya."""
    with transaction():
        wallet, meera, ananya = make_wallet(), person(MEERA), person(ANANYA)
        made = approvals.ask("credit", wallet, "60000", at=NOON, actor=meera, reason="Goodwill")
        assert isinstance(made, Approval)
        return made.id, wallet.id, ananya


def together(app: Flask, acts: list[Callable[[], object]]) -> list[str]:
    """Do all of it at the same moment; return what became of each."""
    start = Barrier(len(acts))

    def run(act: Callable[[], object]) -> str:
        with app.app_context():
            start.wait()
            try:
                in_transaction(act)
            except IllegalTransition:
                return "too late"
            return "done"

    with ThreadPoolExecutor(len(acts)) as pool:
        return sorted(pool.map(run, acts))


def credits(wallet_id: UUID) -> int:
    """Return how often the wallet was credited."""
    db.session.expire_all()
    query = select(func.count()).where(
        WalletTransaction.wallet_id == wallet_id, WalletTransaction.kind == TransactionKind.credit
    )
    return db.session.scalar(query) or 0


def test_of_many_approvals_at_once_one_moves_the_money(
    house: Flask, waiting: tuple[UUID, UUID, Actor]
) -> None:
    approval_id, wallet_id, ananya = waiting
    act = lambda: approvals.approve(approvals.get(approval_id), at=NOON, actor=ananya)  # noqa: E731
    assert together(house, [act] * CROWD) == ["done"] + ["too late"] * (CROWD - 1)
    assert credits(wallet_id) == 1
    assert db.session.get_one(Wallet, wallet_id).balance == 60000


def test_approved_and_refused_at_once_is_one_of_both(house: Flask, waiting: tuple[UUID, UUID, Actor]) -> None:
    approval_id, wallet_id, ananya = waiting
    yes = lambda: approvals.approve(approvals.get(approval_id), at=NOON, actor=ananya)  # noqa: E731
    no = lambda: approvals.refuse(  # noqa: E731
        approvals.get(approval_id), reason="No", at=NOON, actor=ananya
    )
    assert together(house, [yes, no] * 3) == ["done"] + ["too late"] * 5
    status = db.session.get_one(Approval, approval_id).status
    assert (status, credits(wallet_id)) in {("approved", 1), ("refused", 0)}
