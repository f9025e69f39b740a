"""Rows of holds, transfers and grants for the tests of all screens, made by the services."""

from typing import Any

from app.models import Customer
from app.services import grants, holds, refunds, transfers, wallets
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
