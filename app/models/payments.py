"""Payments through the gateways, and the inbox of what the gateways tell us."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.db import Base
from app.models.base import Amount, CreatedAt, Currency, Identified, Timestamped, money
from app.models.customers import Account
from app.models.invoices import Invoice
from app.models.payment_methods import PaymentMethod
from app.models.wallets import Wallet


class PaymentStatus(StrEnum):
    """The life of a payment. `unknown` is resolved by asking the gateway, `parked` by a person."""

    created = "created"
    pending = "pending"
    unknown = "unknown"
    succeeded = "succeeded"
    failed = "failed"
    expired = "expired"
    parked = "parked"
    partially_refunded = "partially_refunded"
    refunded = "refunded"


class MessageStatus(StrEnum):
    """Whether a gateway's message has been acted on."""

    received = "received"
    processed = "processed"
    failed = "failed"


class Payment(Identified, Timestamped, Base):
    """One intent to take money, for a wallet or for an invoice. Committed before the gateway hears of it;
    its id is the gateway's idempotency key.
    """

    __tablename__ = "payments"
    __table_args__ = (
        UniqueConstraint("gateway", "gateway_ref"),
        CheckConstraint("amount > 0", name="amount_positive"),
        CheckConstraint("tax BETWEEN 0 AND amount", name="tax_within"),
        CheckConstraint("num_nonnulls(wallet_id, invoice_id) = 1", name="one_purpose"),
        CheckConstraint("refunded BETWEEN 0 AND coalesce(taken, amount)", name="refunded_within"),
        Index("ix_payments_created_at", "created_at"),
        Index("ix_payments_account_id", "account_id"),
        Index("ix_payments_wallet_id", "wallet_id"),
        Index("ix_payments_method_id", "method_id"),
        Index("ix_payments_gateway_ref", "gateway_ref"),
        Index("ix_payments_gateway_payment_ref", "gateway_payment_ref"),
        Index("ix_payments_invoice_id_status", "invoice_id", "status"),
        Index(
            "ix_payments_open",
            "created_at",
            postgresql_where=text("status IN ('created', 'pending', 'unknown')"),
        ),
    )

    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id", ondelete="RESTRICT"))
    wallet_id: Mapped[UUID | None] = mapped_column(ForeignKey("wallets.id", ondelete="RESTRICT"))
    invoice_id: Mapped[UUID | None] = mapped_column(ForeignKey("invoices.id", ondelete="RESTRICT"))
    gateway: Mapped[str] = mapped_column(info={"registry": "gateways"})
    status: Mapped[PaymentStatus] = mapped_column(default=PaymentStatus.created)
    amount: Mapped[Amount] = mapped_column(info=money())
    tax: Mapped[Amount] = mapped_column(
        default=0,
        server_default=text("0"),
        info={**money(), "help": "The tax in it, which does not go into the wallet."},
    )
    currency: Mapped[Currency]
    gateway_ref: Mapped[str | None] = mapped_column(info={"help": "The gateway's id of the checkout."})
    gateway_payment_ref: Mapped[str | None] = mapped_column(
        info={"help": "The gateway's id of the money that moved."}
    )
    checkout_url: Mapped[str | None]
    fee: Mapped[Amount | None] = mapped_column(info=money())
    taken: Mapped[Amount | None] = mapped_column(
        info={**money(), "help": "What the gateway took, where that is not what was asked for."}
    )
    refunded: Mapped[Amount] = mapped_column(default=0, server_default=text("0"), info=money())
    reason: Mapped[str | None] = mapped_column(info={"help": "Why it failed or was parked, in words."})
    saves_method: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    method_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("payment_methods.id", ondelete="RESTRICT"),
        info={"help": "What the gateway kept before and is charged without the customer."},
    )
    created_by: Mapped[str]
    settled_at: Mapped[datetime | None]

    account: Mapped[Account] = relationship()
    wallet: Mapped[Wallet | None] = relationship()
    invoice: Mapped[Invoice | None] = relationship()
    method: Mapped[PaymentMethod | None] = relationship()

    def __str__(self) -> str:
        return f"{self.amount} {self.currency} by {self.gateway}"


class WebhookMessage(Identified, Base):
    """A verified message from a gateway, stored before it is acted on. `dedup_key` is semantic: payment and
    status.
    """

    __tablename__ = "webhook_messages"
    __table_args__ = (
        UniqueConstraint("gateway", "dedup_key"),
        Index("ix_webhook_messages_waiting", "received_at", postgresql_where=text("status = 'received'")),
    )

    gateway: Mapped[str]
    dedup_key: Mapped[str]
    kind: Mapped[str]
    reference: Mapped[str]
    payload: Mapped[dict[str, Any]]
    status: Mapped[MessageStatus] = mapped_column(default=MessageStatus.received, server_default="received")
    error: Mapped[str | None]
    received_at: Mapped[CreatedAt]
    processed_at: Mapped[datetime | None]
