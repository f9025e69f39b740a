"""Rows of holds, transfers and grants for the tests of all screens, made by the services."""

from decimal import Decimal
from typing import Any

from sqlalchemy import select

from app.db import db
from app.models import Customer, PaymentMethod, User, Wallet
from app.permissions import Role
from app.services import (
    anchors,
    caps,
    grants,
    holds,
    notifications,
    refunds,
    transfers,
    wallet_limits,
    wallets,
)
from tests import factories
from tests.admin.world import AT


def make_movements(customer: Customer) -> None:
    """Hold money and let it go, transfer it to another wallet of the customer, and pay it back from there."""
    told: dict[str, Any] = {"at": AT, "actor": factories.ACTOR, "reason": "A branch was closed"}
    first, second = (
        factories.make_wallet(account=factories.make_account(customer, prepaid=True)) for _ in range(2)
    )
    wallets.top_up(first, "20", **told)
    holds.release(holds.place(first, "20", **told), at=AT, actor=factories.ACTOR)
    transfers.transfer(first, second, "20", **told)
    refunds.refund(second, "20", **told)
    grants.give(second, "20", **told)
    wallets.debit(second, "5", **told)
    _make_alerts(customer, second)
    anchors.drop(AT)


def _make_alerts(customer: Customer, wallet: Wallet) -> None:
    """Tell of a low balance that somebody reads, begin an automatic top-up, count spending, keep a card."""
    plan = {"threshold": "50", "amount": "100"}
    limits = {"low_balance_threshold": "60", "auto_top_up": plan}
    wallet_limits.set_limits(wallet, limits, actor=factories.ACTOR)
    wallets.debit(wallet, "1", at=AT, actor=factories.ACTOR, reason="A fee")
    caps.count({wallet: Decimal(1)}, AT)
    notifications.prefer(customer, "low_balance", mail=False)
    reader = db.session.scalars(select(User).where(User.role != Role.customer).limit(1)).one()
    notifications.mark_read(reader, None, at=AT)
    db.session.add(
        PaymentMethod(
            account_id=wallet.account_id,
            gateway="stripe",
            customer_ref="cus_1",
            method_ref=f"pm_{wallet.id}",
            label="Visa ending 4242",
        )
    )
    db.session.flush()
