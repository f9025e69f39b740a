"""The second person: money that staff want to move and somebody else has to approve."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.db import Base
from app.models.base import Amount, Currency, Identified, Timestamped, money
from app.models.wallets import Wallet, WalletTransaction


class ApprovalStatus(StrEnum):
    """What became of a request; the allowed moves are in `app.domain.states`."""

    requested = "requested"
    approved = "approved"
    refused = "refused"
    withdrawn = "withdrawn"
    expired = "expired"


class ApprovalLimit(Timestamped, Base):
    """Up to which amount one person alone moves money of wallets in a currency. Without a row for a currency
    one person is enough.
    """

    __tablename__ = "approval_limits"
    __table_args__ = (CheckConstraint("amount >= 0", name="amount_not_negative"),)

    currency: Mapped[str] = mapped_column(String(3), primary_key=True, info={"help": "Such as INR."})
    amount: Mapped[Amount] = mapped_column(
        info={**money(), "help": "Above it a second person has to approve."}
    )

    def __str__(self) -> str:
        return self.currency


class Approval(Identified, Timestamped, Base):
    """A movement of money that waits for a second person, and what became of it.

    `operation` is a name of `app.services.approvals.operations`; `details` is what it needs beside wallet,
    amount, reason and reference. Who asked and who decided are ids of `users`, kept with their names of then.
    """

    __tablename__ = "approvals"
    __table_args__ = (
        CheckConstraint("amount > 0", name="amount_positive"),
        CheckConstraint("decided_by_id <> requested_by_id OR status = 'withdrawn'", name="second_person"),
        CheckConstraint("(status = 'requested') = (decided_at IS NULL)", name="decided"),
        CheckConstraint("(status = 'approved') = (transaction_id IS NOT NULL)", name="executed"),
        Index("ix_approvals_waiting", "requested_by_id", postgresql_where=text("status = 'requested'")),
        Index("ix_approvals_wallet_id", "wallet_id"),
        Index("ix_approvals_transaction_id", "transaction_id"),
        Index("ix_approvals_requested_by_user", "requested_by_id"),
        Index("ix_approvals_decided_by_id", "decided_by_id"),
    )

    operation: Mapped[str]
    wallet_id: Mapped[UUID] = mapped_column(ForeignKey("wallets.id", ondelete="RESTRICT"))
    amount: Mapped[Amount] = mapped_column(info=money())
    currency: Mapped[Currency]
    reason: Mapped[str]
    reference: Mapped[str | None]
    details: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default=text("'{}'"))
    status: Mapped[ApprovalStatus] = mapped_column(default=ApprovalStatus.requested)
    requested_by_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="RESTRICT"))
    requested_by: Mapped[str]
    expires_at: Mapped[datetime]
    decided_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="RESTRICT"))
    decided_by: Mapped[str | None]
    decided_at: Mapped[datetime | None]
    decision_reason: Mapped[str | None]
    transaction_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("wallet_transactions.id", ondelete="RESTRICT")
    )

    wallet: Mapped[Wallet] = relationship()
    transaction: Mapped[WalletTransaction | None] = relationship()

    def __str__(self) -> str:
        return f"{self.operation} {self.amount} {self.currency}"
