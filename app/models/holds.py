"""Money of a wallet set aside for something to come, and money that went from one wallet to another."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.db import Base
from app.models.base import Amount, CreatedAt, Currency, Identified, money
from app.models.wallets import Wallet, WalletTransaction


class HoldState(StrEnum):
    """How a hold stands; the allowed moves are in `app.domain.states`. It resolves once."""

    open = "open"
    captured = "captured"
    released = "released"
    expired = "expired"


class Hold(Identified, Base):
    """Money that is still in the wallet and can be spent by this hold only. `captured` of it was taken."""

    __tablename__ = "wallet_holds"
    __table_args__ = (
        CheckConstraint("amount > 0", name="amount"),
        CheckConstraint("captured >= 0 AND captured <= amount", name="captured"),
        CheckConstraint("(state = 'open') = (resolved_at IS NULL)", name="resolved"),
        CheckConstraint(
            "(state = 'captured') = (transaction_id IS NOT NULL) AND (state = 'captured') = (captured > 0)",
            name="captured_by_transaction",
        ),
        Index("ix_wallet_holds_created_at", "created_at"),
        Index("ix_wallet_holds_wallet_id_created_at", "wallet_id", "created_at"),
        Index("ix_wallet_holds_due", "expires_at", postgresql_where=text("state = 'open'")),
    )

    wallet_id: Mapped[UUID] = mapped_column(ForeignKey("wallets.id", ondelete="RESTRICT"))
    amount: Mapped[Amount] = mapped_column(info=money())
    captured: Mapped[Amount] = mapped_column(
        server_default=text("0"), default=0, info={**money(), "help": "What was taken of it."}
    )
    currency: Mapped[Currency]
    state: Mapped[HoldState] = mapped_column(default=HoldState.open, server_default="open")
    reason: Mapped[str]
    reference: Mapped[str | None] = mapped_column(info={"help": "What it is for: your own number."})
    actor: Mapped[str]
    expires_at: Mapped[datetime | None] = mapped_column(info={"help": "Empty: until it is resolved."})
    transaction_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("wallet_transactions.id", ondelete="RESTRICT"), unique=True
    )
    created_at: Mapped[CreatedAt]
    resolved_at: Mapped[datetime | None]

    wallet: Mapped[Wallet] = relationship()
    transaction: Mapped[WalletTransaction | None] = relationship()

    def __str__(self) -> str:
        return f"Hold of {self.amount.normalize():f} {self.currency}"


class Transfer(Identified, Base):
    """Money that went from one wallet of a customer to another; never changed.

    `unpaid` is the part of it that nobody had paid (credits), which stays unpaid in the other wallet.
    """

    __tablename__ = "wallet_transfers"
    __table_args__ = (
        CheckConstraint("amount > 0", name="amount"),
        CheckConstraint("unpaid >= 0 AND unpaid <= amount", name="unpaid"),
        CheckConstraint("from_wallet_id <> to_wallet_id", name="two_wallets"),
        Index("ix_wallet_transfers_from_wallet_id", "from_wallet_id"),
        Index("ix_wallet_transfers_to_wallet_id", "to_wallet_id"),
    )

    from_wallet_id: Mapped[UUID] = mapped_column(ForeignKey("wallets.id", ondelete="RESTRICT"))
    to_wallet_id: Mapped[UUID] = mapped_column(ForeignKey("wallets.id", ondelete="RESTRICT"))
    amount: Mapped[Amount] = mapped_column(info=money())
    unpaid: Mapped[Amount] = mapped_column(info={**money(), "help": "The part of it that nobody had paid."})
    currency: Mapped[Currency]
    reason: Mapped[str]
    actor: Mapped[str]
    from_transaction_id: Mapped[UUID] = mapped_column(
        ForeignKey("wallet_transactions.id", ondelete="RESTRICT"), unique=True
    )
    to_transaction_id: Mapped[UUID] = mapped_column(
        ForeignKey("wallet_transactions.id", ondelete="RESTRICT"), unique=True
    )
    created_at: Mapped[CreatedAt]

    from_wallet: Mapped[Wallet] = relationship(foreign_keys=from_wallet_id)
    to_wallet: Mapped[Wallet] = relationship(foreign_keys=to_wallet_id)
    from_transaction: Mapped[WalletTransaction] = relationship(foreign_keys=from_transaction_id)
    to_transaction: Mapped[WalletTransaction] = relationship(foreign_keys=to_transaction_id)

    def __str__(self) -> str:
        return f"Transfer of {self.amount.normalize():f} {self.currency}"
