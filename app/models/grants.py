"""Granted money of a wallet: promotional or purchased credit that is spent before its plain money and may
expire (docs/api/grants.md).
"""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.db import Base
from app.models.base import Amount, CreatedAt, Currency, Identified, money
from app.models.holds import Hold
from app.models.wallets import Wallet, WalletTransaction


class GrantKind(StrEnum):
    """Whether somebody paid for it."""

    promotional = "promotional"
    purchased = "purchased"


class Grant(Identified, Base):
    """Money of a wallet that is spent first. `remaining`: the amount less its uses, holds among them.

    `drawn` lists the stretches `[bottom, top]` of `Wallet.metered` that it paid for usage.
    """

    __tablename__ = "grants"
    __table_args__ = (
        CheckConstraint("amount > 0", name="amount"),
        CheckConstraint("remaining >= 0 AND remaining <= amount", name="remaining"),
        CheckConstraint("expires_at > created_at", name="expires_later"),
        Index("ix_grants_created_at", "created_at"),
        Index("ix_grants_wallet_id", "wallet_id"),
        Index("ix_grants_transaction_id", "transaction_id"),
        Index("ix_grants_live", "expires_at", postgresql_where=text("remaining > 0")),
    )

    wallet_id: Mapped[UUID] = mapped_column(ForeignKey("wallets.id", ondelete="RESTRICT"))
    kind: Mapped[GrantKind]
    amount: Mapped[Amount] = mapped_column(info=money())
    remaining: Mapped[Amount] = mapped_column(info={**money(), "readonly": True})
    currency: Mapped[Currency]
    priority: Mapped[int] = mapped_column(info={"help": "The lowest number is spent first."})
    expires_at: Mapped[datetime | None] = mapped_column(info={"help": "From then on it cannot be spent."})
    reason: Mapped[str]
    reference: Mapped[str | None]
    actor: Mapped[str]
    voided_at: Mapped[datetime | None] = mapped_column(info={"readonly": True})
    drawn: Mapped[list[Any]] = mapped_column(
        default=list, server_default=text("'[]'"), info={"readonly": True}
    )
    transaction_id: Mapped[UUID] = mapped_column(ForeignKey("wallet_transactions.id", ondelete="RESTRICT"))
    created_at: Mapped[CreatedAt]

    wallet: Mapped[Wallet] = relationship()
    transaction: Mapped[WalletTransaction] = relationship()

    def __str__(self) -> str:
        return f"{self.kind.capitalize()} grant of {self.amount.normalize():f} {self.currency}"


class GrantUse(Base):
    """What a movement or a hold took from a grant; below zero where it was given back. Never changed."""

    __tablename__ = "grant_uses"
    __table_args__ = (
        CheckConstraint("amount <> 0", name="amount"),
        CheckConstraint("(transaction_id IS NULL) <> (hold_id IS NULL)", name="one_cause"),
        Index("ix_grant_uses_created_at", "created_at", "id"),
        Index("ix_grant_uses_grant_id", "grant_id"),
        Index("ix_grant_uses_transaction_id", "transaction_id"),
        Index("ix_grant_uses_hold_id", "hold_id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    grant_id: Mapped[UUID] = mapped_column(ForeignKey("grants.id", ondelete="RESTRICT"))
    transaction_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("wallet_transactions.id", ondelete="RESTRICT")
    )
    hold_id: Mapped[UUID | None] = mapped_column(ForeignKey("wallet_holds.id", ondelete="RESTRICT"))
    amount: Mapped[Amount] = mapped_column(info=money("grant.currency"))
    created_at: Mapped[CreatedAt]

    grant: Mapped[Grant] = relationship()
    transaction: Mapped[WalletTransaction | None] = relationship()
    hold: Mapped[Hold | None] = relationship()

    def __str__(self) -> str:
        return f"{self.amount.normalize():f} {self.grant.currency}"
