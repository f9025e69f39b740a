"""Money of payments that goes back: to the gateway that took it, or into the customer's wallet."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.db import Base
from app.models.base import Amount, Currency, Identified, Timestamped, money
from app.models.invoices import Invoice
from app.models.payments import Payment
from app.models.wallets import WalletTransaction


class RefundStatus(StrEnum):
    """The life of a refund; `unknown` is resolved by asking the gateway again with the same key."""

    created = "created"
    pending = "pending"
    unknown = "unknown"
    succeeded = "succeeded"
    failed = "failed"


class RefundTarget(StrEnum):
    """Where the money goes: back to whoever paid it, through the gateway or by bank, or to the wallet."""

    gateway = "gateway"
    bank = "bank"
    wallet = "wallet"


class Refund(Identified, Timestamped, Base):
    """One intent to give money of a payment back. Committed before the gateway hears of it; its id is the
    gateway's idempotency key.
    """

    __tablename__ = "refunds"
    __table_args__ = (
        UniqueConstraint("gateway", "gateway_ref"),
        CheckConstraint("amount > 0", name="amount_positive"),
        Index("ix_refunds_payment_id", "payment_id"),
        Index("ix_refunds_credit_note_id", "credit_note_id"),
        Index("ix_refunds_transaction_id", "transaction_id"),
        Index(
            "ix_refunds_open",
            "updated_at",
            postgresql_where=text("status IN ('created', 'pending', 'unknown')"),
        ),
    )

    payment_id: Mapped[UUID] = mapped_column(ForeignKey("payments.id", ondelete="RESTRICT"))
    target: Mapped[RefundTarget]
    gateway: Mapped[str] = mapped_column(info={"registry": "gateways"})
    status: Mapped[RefundStatus] = mapped_column(default=RefundStatus.created)
    amount: Mapped[Amount] = mapped_column(info=money())
    currency: Mapped[Currency]
    reason: Mapped[str] = mapped_column(info={"help": "Why the money goes back."})
    reference: Mapped[str | None] = mapped_column(info={"help": "The bank's number of a refund by hand."})
    gateway_ref: Mapped[str | None] = mapped_column(info={"help": "The gateway's id of the refund."})
    error: Mapped[str | None] = mapped_column(info={"help": "Why it failed, in words."})
    credit_note_id: Mapped[UUID | None] = mapped_column(ForeignKey("invoices.id", ondelete="RESTRICT"))
    transaction_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("wallet_transactions.id", ondelete="RESTRICT")
    )
    created_by: Mapped[str]
    settled_at: Mapped[datetime | None]

    payment: Mapped[Payment] = relationship()
    credit_note: Mapped[Invoice | None] = relationship()
    transaction: Mapped[WalletTransaction | None] = relationship()

    def __str__(self) -> str:
        return f"{self.amount} {self.currency} by {self.gateway}"
