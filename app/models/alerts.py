"""What a wallet is watched for: what was used in a day or month, and the automatic top-ups that were begun.

What was told already (`Wallet.alerted_level`, `Wallet.topping_up`) stands on the wallet's own row: its lock
is what makes every alert come once.
"""

from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.db import Base
from app.models.base import Amount, Identified, Timestamped, money
from app.models.payments import Payment
from app.models.wallets import Wallet


class AutoTopUpStatus(StrEnum):
    """`gave_up`: every attempt of the plan failed; it stays open, so that none begins before money came."""

    waiting = "waiting"
    gave_up = "gave_up"
    done = "done"
    cancelled = "cancelled"


class Span(StrEnum):
    """What a cap is for: a local day or month of the account."""

    day = "day"
    month = "month"


class AutoTopUp(Identified, Timestamped, Base):
    """A wallet fell below the threshold of its automatic top-up: the attempts to fill it, one after another.

    `payment_id` is the latest attempt, `attempts` how many steps of the plan were made, `next_at` when it is
    looked at again.
    """

    __tablename__ = "auto_top_ups"
    __table_args__ = (
        CheckConstraint("(status = 'waiting') = (next_at IS NOT NULL)", name="next_while_waiting"),
        Index("ix_auto_top_ups_wallet_id", "wallet_id"),
        Index("ix_auto_top_ups_payment_id", "payment_id"),
        Index(
            "uq_auto_top_ups_one_open",
            "wallet_id",
            unique=True,
            postgresql_where=text("status IN ('waiting', 'gave_up')"),
        ),
        Index("ix_auto_top_ups_due", "next_at", postgresql_where=text("status = 'waiting'")),
    )

    wallet_id: Mapped[UUID] = mapped_column(ForeignKey("wallets.id", ondelete="RESTRICT"))
    status: Mapped[AutoTopUpStatus] = mapped_column(default=AutoTopUpStatus.waiting)
    attempts: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    next_at: Mapped[datetime | None]
    payment_id: Mapped[UUID | None] = mapped_column(ForeignKey("payments.id", ondelete="RESTRICT"))
    error: Mapped[str | None] = mapped_column(info={"help": "Why the latest attempt brought nothing."})
    closed_at: Mapped[datetime | None]

    wallet: Mapped[Wallet] = relationship()
    payment: Mapped[Payment | None] = relationship()

    def __str__(self) -> str:
        return f"Automatic top-up of {self.wallet}"


class WalletSpending(Base):
    """What usage cost a wallet's account in one local day or month, paid or owed.

    `told` is the percentage of the cap that the customer was told of: 0, 80 or 100.
    """

    __tablename__ = "wallet_spending"

    wallet_id: Mapped[UUID] = mapped_column(ForeignKey("wallets.id", ondelete="RESTRICT"), primary_key=True)
    span: Mapped[Span] = mapped_column(primary_key=True)
    starts_on: Mapped[date] = mapped_column(primary_key=True)
    amount: Mapped[Amount] = mapped_column(info=money("wallet.currency"))
    told: Mapped[int] = mapped_column(default=0, server_default=text("0"))

    wallet: Mapped[Wallet] = relationship()
