"""Vouchers for money that came in advance (CGST Rules 50 and 51), and what of it later invoices took up.

Neither is ever changed. What of an advance is open is its value less what was adjusted and given back.
"""

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, Numeric, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.db import Base
from app.models.base import Amount, CreatedAt, Currency, Identified, money
from app.models.customers import Account, Customer
from app.models.invoices import Invoice
from app.models.payments import Payment
from app.models.tax import SellerRegistration
from app.models.wallets import Wallet, WalletTransaction


class VoucherKind(StrEnum):
    """A receipt voucher says that money came in advance, a refund voucher that some of it went back."""

    receipt_voucher = "receipt_voucher"
    refund_voucher = "refund_voucher"


class Voucher(Identified, Base):
    """A numbered document about an advance: `taxable` went into the wallet or out of it, `tax` with it.

    `taxes` is that of an invoice: `[{code, rate, taxable, amount}]`, empty for a zero-rated supply.
    """

    __tablename__ = "vouchers"
    __table_args__ = (
        UniqueConstraint("registration_id", "number"),
        UniqueConstraint("transaction_id", "receipt_id", postgresql_nulls_not_distinct=True),
        CheckConstraint("amount = taxable + tax", name="adds_up"),
        CheckConstraint("taxable >= 0 AND tax >= 0 AND amount > 0", name="not_negative"),
        CheckConstraint("(kind = 'refund_voucher') = (receipt_id IS NOT NULL)", name="refund_of_a_receipt"),
        Index("ix_vouchers_customer_id_currency", "customer_id", "currency"),
        Index("ix_vouchers_account_id", "account_id"),
        Index("ix_vouchers_wallet_id", "wallet_id"),
        Index("ix_vouchers_payment_id", "payment_id"),
        Index("ix_vouchers_receipt_id", "receipt_id"),
        Index("ix_vouchers_issued_on", "issued_on"),
        Index("ix_vouchers_created_at", "created_at"),
        Index("ix_vouchers_number_prefix", text("number text_pattern_ops")),
    )

    kind: Mapped[VoucherKind]
    number: Mapped[str]
    registration_id: Mapped[UUID] = mapped_column(ForeignKey("seller_registrations.id", ondelete="RESTRICT"))
    customer_id: Mapped[UUID] = mapped_column(ForeignKey("customers.id", ondelete="RESTRICT"))
    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id", ondelete="RESTRICT"))
    wallet_id: Mapped[UUID] = mapped_column(ForeignKey("wallets.id", ondelete="RESTRICT"))
    transaction_id: Mapped[UUID] = mapped_column(ForeignKey("wallet_transactions.id", ondelete="RESTRICT"))
    payment_id: Mapped[UUID | None] = mapped_column(ForeignKey("payments.id", ondelete="RESTRICT"))
    receipt_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("vouchers.id", ondelete="RESTRICT"), info={"help": "The receipt voucher that it refunds."}
    )
    issued_at: Mapped[datetime]
    issued_on: Mapped[date] = mapped_column(info={"help": "The date of the document, in India's time."})
    currency: Mapped[Currency]
    place_of_supply: Mapped[str] = mapped_column(info={"help": "GST State code; 96 is abroad."})
    service_code: Mapped[str] = mapped_column(info={"help": "SAC."})
    rate: Mapped[Decimal] = mapped_column(Numeric(6, 3), info={"help": "Percent."})
    taxable: Mapped[Amount] = mapped_column(info=money())
    tax: Mapped[Amount] = mapped_column(info=money())
    amount: Mapped[Amount] = mapped_column(info={**money(), "help": "What was received or paid back."})
    taxes: Mapped[list[Any]]
    snapshot: Mapped[dict[str, Any]] = mapped_column(info={"readonly": True})
    snapshot_sha256: Mapped[bytes] = mapped_column(info={"readonly": True})
    created_at: Mapped[CreatedAt]

    registration: Mapped[SellerRegistration] = relationship()
    customer: Mapped[Customer] = relationship()
    account: Mapped[Account] = relationship()
    wallet: Mapped[Wallet] = relationship()
    transaction: Mapped[WalletTransaction] = relationship()
    payment: Mapped[Payment | None] = relationship()
    receipt: Mapped["Voucher | None"] = relationship(remote_side="Voucher.id")

    def __str__(self) -> str:
        return self.number


class VoucherAdjustment(Identified, Base):
    """The part of an advance that an invoice took up: its tax was collected with the receipt voucher."""

    __tablename__ = "voucher_adjustments"
    __table_args__ = (
        UniqueConstraint("voucher_id", "invoice_id"),
        CheckConstraint("taxable >= 0 AND tax >= 0 AND taxable + tax > 0", name="not_negative"),
        Index("ix_voucher_adjustments_invoice_id", "invoice_id"),
    )

    voucher_id: Mapped[UUID] = mapped_column(ForeignKey("vouchers.id", ondelete="RESTRICT"))
    invoice_id: Mapped[UUID] = mapped_column(ForeignKey("invoices.id", ondelete="RESTRICT"))
    currency: Mapped[Currency]
    taxable: Mapped[Amount] = mapped_column(info=money())
    tax: Mapped[Amount] = mapped_column(info=money())
    taxes: Mapped[list[Any]]
    created_at: Mapped[CreatedAt]

    voucher: Mapped[Voucher] = relationship()
    invoice: Mapped[Invoice] = relationship()

    def __str__(self) -> str:
        return f"{self.voucher} on {self.invoice}"
