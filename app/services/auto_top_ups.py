"""Wallets that fill themselves up: when it begins and when it is over. The attempts are made elsewhere.

Begun and closed under the wallet's row lock, which `Wallet.topping_up` shares, so that of any number of
movements below the threshold one begins it; a unique index says the same.
"""

from datetime import datetime
from decimal import Decimal

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from app.db import db
from app.ids import new_id
from app.models import AutoTopUp, Wallet
from app.models.alerts import AutoTopUpStatus
from app.models.wallets import WalletStatus
from app.permissions import Actor
from app.queue import enqueue
from app.services import audit

OPEN = (AutoTopUpStatus.waiting, AutoTopUpStatus.gave_up)
SYSTEM = Actor.system("auto top-up")


def watch(wallet: Wallet, left: Decimal, at: datetime) -> None:
    """Begin a top-up of a locked wallet that has less left than its threshold, or end the one that helped."""
    wants = is_wanted(wallet, left)
    if wants and not wallet.topping_up:
        _begin(wallet, at)
    elif wallet.topping_up and not wants:
        close(wallet, AutoTopUpStatus.done if wallet.auto_top_up else AutoTopUpStatus.cancelled, at)


def change(wallet: Wallet, left: Decimal, at: datetime) -> None:
    """Look at a locked wallet whose plan may have been changed: what gave up begins anew."""
    given_up = select(AutoTopUp.id).where(
        AutoTopUp.wallet_id == wallet.id, AutoTopUp.status == AutoTopUpStatus.gave_up
    )
    if wallet.topping_up and db.session.scalar(given_up) is not None:
        close(wallet, AutoTopUpStatus.cancelled, at)
    watch(wallet, left, at)


def is_wanted(wallet: Wallet, left: Decimal) -> bool:
    """Tell whether a wallet is to be filled up now."""
    if not wallet.auto_top_up or wallet.status is not WalletStatus.active:
        return False
    return left < Decimal(wallet.auto_top_up["threshold"])


def close(wallet: Wallet, status: AutoTopUpStatus, at: datetime) -> None:
    """End the open top-up of a locked wallet; a new one may begin afterwards."""
    wallet.topping_up = False
    query = select(AutoTopUp).where(AutoTopUp.wallet_id == wallet.id, AutoTopUp.status.in_(OPEN))
    for row in db.session.scalars(query.with_for_update()):
        before = row.status
        row.status, row.next_at, row.closed_at = status, None, at
        summary = f"Automatic top-up of {wallet.account.name} ended: {status}"
        audit.record(
            SYSTEM,
            "auto_top_up.closed",
            row,
            summary=summary,
            at=at,
            before={"status": before},
            after={"status": status},
        )


def _begin(wallet: Wallet, at: datetime) -> None:
    wallet.topping_up = True
    row = {"id": new_id(), "wallet_id": wallet.id, "status": AutoTopUpStatus.waiting, "next_at": at}
    begun = db.session.scalar(insert(AutoTopUp).values(row).on_conflict_do_nothing().returning(AutoTopUp))
    if begun is not None:
        assert wallet.auto_top_up
        summary = f"The balance fell below {wallet.auto_top_up['threshold']} {wallet.currency}: top-up begun"
        audit.record(SYSTEM, "auto_top_up.begun", begun, summary=summary, at=at)
    enqueue("jobs.auto_top_ups.run")
