"""Crowds at one wallet: every alert and every automatic top-up begins once."""

import threading
from decimal import Decimal
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import func, select

from app import clock
from app.db import db, transaction
from app.models import AuditRecord, AutoTopUp, Notification, Wallet
from app.services import wallets
from tests.factories import ACTOR, make_wallet
from tests.support.own import OwnDatabase

pytestmark = pytest.mark.processes


def test_a_crowd_that_empties_a_wallet_is_told_each_level_once_and_begins_one_top_up(
    own_database: OwnDatabase,
) -> None:
    plan = {"threshold": "100", "amount": "500"}
    with own_database.app() as app:
        with transaction():
            wallet_id = make_wallet("500", low_balance_threshold="200", auto_top_up=plan).id
        spend_together(app, wallet_id)
        told = select(AuditRecord.summary).where(AuditRecord.action == "wallet.low_balance")
        assert list(db.session.scalars(told.order_by(AuditRecord.id))) == [
            "The balance fell below 200 INR",
            "The balance fell below 100 INR",
            "The balance fell below 0 INR",
        ]
        assert db.session.scalar(select(func.count()).select_from(Notification)) == 3
        assert db.session.scalar(select(func.count()).select_from(AutoTopUp)) == 1
        assert db.session.get_one(Wallet, wallet_id, populate_existing=True).balance == 0


def spend_together(app: Flask, wallet_id: UUID) -> None:
    """Let five threads take 10 from the wallet ten times each."""

    def spend() -> None:
        with app.app_context():
            for _ in range(10):
                with transaction():
                    wallet = db.session.get_one(Wallet, wallet_id)
                    wallets.debit(wallet, Decimal(10), at=clock.now(), actor=ACTOR, reason="Spent")

    crowd = [threading.Thread(target=spend) for _ in range(5)]
    for each in crowd:
        each.start()
    for each in crowd:
        each.join()
