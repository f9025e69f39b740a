"""Many who act on one payment at the same moment: webhook, reconciler and customer together move its money
once."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal
from threading import Barrier
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import func, select

from app.db import db, transaction
from app.models import Payment, Wallet, WalletTransaction
from app.models.payments import PaymentStatus
from app.services import payments
from tests.factories import ACTOR, make_wallet

pytestmark = pytest.mark.processes
CROWD = 8


@pytest.fixture
def shop(own_database, sandbox):
    """The app on a database where commits are real, paying through the sandbox."""
    own_database.settings = replace(
        own_database.settings,
        secret_key=sandbox.secret_key,
        sandbox_url=sandbox.url,
        sandbox_public_url=sandbox.url,
        database_pool_size=CROWD,
    )
    with own_database.app() as app:
        yield app


@pytest.fixture
def wallet_id(shop) -> UUID:
    with transaction():
        return make_wallet().id


def together(app: Flask, work: Callable[[], Any]) -> list[Any]:
    """Run `work` in a crowd of threads that begin at the same moment, each in a context of its own."""
    start = Barrier(CROWD)

    def run(_: int) -> Any:
        with app.app_context():
            start.wait()
            return work()

    with ThreadPoolExecutor(CROWD) as pool:
        return list(pool.map(run, range(CROWD)))


def test_a_crowd_that_hears_of_one_payment_books_it_once(shop, sandbox, wallet_id):
    wallet = db.session.get_one(Wallet, wallet_id)
    payment = payments.start_top_up(wallet, "500", gateway="stripe", actor=ACTOR)
    payment_id = payment.id
    sandbox.press(payment.checkout_url, "pay")
    answers = together(shop, lambda: payments.apply_gateway_state(payment_id))
    assert answers == [PaymentStatus.succeeded] * CROWD
    db.session.expire_all()
    assert db.session.get_one(Wallet, wallet_id).balance == Decimal(500)
    assert db.session.scalar(select(func.count()).select_from(WalletTransaction)) == 1


@pytest.mark.parametrize("gateway", ["stripe", "razorpay"])
def test_a_crowd_of_clicks_with_one_key_is_one_payment_and_one_page(shop, wallet_id, gateway):
    def click() -> tuple[UUID, str | None]:
        wallet = db.session.get_one(Wallet, wallet_id)
        made = payments.start_top_up(wallet, "500", gateway=gateway, actor=ACTOR, key="click")
        return made.id, made.checkout_url

    clicks = set(together(shop, click))
    assert len({payment_id for payment_id, _ in clicks}) == 1
    assert len({url for _, url in clicks if url}) == 1
    assert db.session.scalar(select(func.count()).select_from(Payment)) == 1
