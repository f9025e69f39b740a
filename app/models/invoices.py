"""Invoices with their lines, and the series of their numbers."""

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, Numeric, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.db import Base
from app.models.base import Amount, CreatedAt, Currency, Identified, Quantity, Timestamped, money
from app.models.customers import Account, Customer
from app.models.plans import PlanVersion, PriceComponent, Subscription
from app.models.tax import SellerRegistration


class InvoiceStatus(StrEnum):
    """The life of an invoice; the allowed moves are in `app.domain.states`."""

    draft = "draft"
    parked = "parked"
    issued = "issued"
    partially_paid = "partially_paid"
    paid = "paid"
    overdue = "overdue"
    uncollectible = "uncollectible"
    cancelled = "cancelled"


class InvoiceKind(StrEnum):
    """What the document is in law; each has a number series of its own."""

    tax_invoice = "tax_invoice"
    export_invoice = "export_invoice"
    credit_note = "credit_note"


class SeriesKind(StrEnum):
    """What a series numbers: the kinds of invoices, and the vouchers for money in advance."""

    tax_invoice = "tax_invoice"
    export_invoice = "export_invoice"
    credit_note = "credit_note"
    receipt_voucher = "receipt_voucher"
    refund_voucher = "refund_voucher"


class InvoiceOrigin(StrEnum):
    """Made by a billing run, one per account and period, or by a person."""

    run = "run"
    manual = "manual"


class LineKind(StrEnum):
    """What a line is for: `adjustment` is late usage, `carried` kept for later, the last four a deal's."""

    usage = "usage"
    fixed = "fixed"
    adjustment = "adjustment"
    manual = "manual"
    carried = "carried"
    commitment = "commitment"
    discount = "discount"
    coupon = "coupon"
    credit = "credit"


class InvoiceSeries(Identified, Base):
    """The consecutive numbers of one registration, document kind and Indian financial year (CGST Rule 46(b)).

    The row is locked by whoever takes a number and rolls back with them, so no number is lost or given twice.
    """

    __tablename__ = "invoice_series"
    __table_args__ = (
        UniqueConstraint("registration_id", "kind", "financial_year"),
        UniqueConstraint("registration_id", "financial_year", "prefix"),
    )

    registration_id: Mapped[UUID] = mapped_column(ForeignKey("seller_registrations.id", ondelete="RESTRICT"))
    kind: Mapped[SeriesKind]
    financial_year: Mapped[str] = mapped_column(info={"help": "2026-27"})
    prefix: Mapped[str] = mapped_column(
        info={"help": "1 to 5 of A-Z, 0-9, - and /; it can be changed until the first number."}
    )
    last_number: Mapped[int] = mapped_column(default=0, server_default=text("0"))

    registration: Mapped[SellerRegistration] = relationship()

    def __str__(self) -> str:
        return f"{self.prefix}{self.financial_year}"


class Invoice(Identified, Timestamped, Base):
    """A bill. A draft can change; once issued it has a number and an immutable snapshot, and is only ever
    paid or cancelled."""

    __tablename__ = "invoices"
    __table_args__ = (
        UniqueConstraint("registration_id", "number"),
        CheckConstraint("(status IN ('draft', 'parked')) = (number IS NULL)", name="numbered_when_issued"),
        CheckConstraint("(number IS NULL) = (snapshot IS NULL)", name="snapshot_when_issued"),
        CheckConstraint("amount_paid >= 0", name="paid_not_negative"),
        CheckConstraint("amount_credited = 0 OR amount_credited BETWEEN 0 AND total", name="credited_within"),
        Index(
            "uq_invoices_one_per_period",
            "account_id",
            "period_start",
            "kind",
            unique=True,
            postgresql_where=text("origin = 'run' AND status <> 'cancelled'"),
        ),
        Index("ix_invoices_account_id_status_due_on", "account_id", "status", "due_on"),
        Index("ix_invoices_customer_id", "customer_id"),
        Index("ix_invoices_status_due_on", "status", "due_on"),
        # What the dashboard adds up stands in the indexes: 200,000 rows need not be read.
        Index(
            "ix_invoices_issued_on",
            "issued_on",
            postgresql_include=["currency", "kind", "status", "subtotal"],
        ),
        Index(
            "ix_invoices_open",
            "currency",
            postgresql_include=["due_on", "total", "amount_paid", "amount_credited"],
            postgresql_where=text(
                "status IN ('issued', 'partially_paid', 'overdue') AND kind <> 'credit_note'"
            ),
        ),
        Index("ix_invoices_created_at", "created_at"),
        Index("ix_invoices_number_lower", text("lower(number) text_pattern_ops")),
        Index("ix_invoices_number", "number"),
        Index("ix_invoices_original_id", "original_id"),
    )

    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id", ondelete="RESTRICT"))
    customer_id: Mapped[UUID] = mapped_column(ForeignKey("customers.id", ondelete="RESTRICT"))
    registration_id: Mapped[UUID] = mapped_column(ForeignKey("seller_registrations.id", ondelete="RESTRICT"))
    kind: Mapped[InvoiceKind] = mapped_column(default=InvoiceKind.tax_invoice)
    origin: Mapped[InvoiceOrigin] = mapped_column(default=InvoiceOrigin.run)
    status: Mapped[InvoiceStatus] = mapped_column(default=InvoiceStatus.draft)
    number: Mapped[str | None]
    currency: Mapped[Currency]
    period_start: Mapped[datetime] = mapped_column(info={"zone": "account.timezone"})
    period_end: Mapped[datetime] = mapped_column(info={"zone": "account.timezone"})
    issued_at: Mapped[datetime | None]
    issued_on: Mapped[date | None] = mapped_column(
        info={"help": "The date of the document, in India's time."}
    )
    due_on: Mapped[date | None]
    place_of_supply: Mapped[str] = mapped_column(info={"help": "GST State code; 96 is abroad."})
    reverse_charge: Mapped[bool] = mapped_column(default=False)
    purchase_order: Mapped[str | None]
    subtotal: Mapped[Amount] = mapped_column(default=0, server_default=text("0"), info=money())
    tax_total: Mapped[Amount] = mapped_column(default=0, server_default=text("0"), info=money())
    round_off: Mapped[Amount] = mapped_column(default=0, server_default=text("0"), info=money())
    total: Mapped[Amount] = mapped_column(default=0, server_default=text("0"), info=money())
    paid_from_wallet: Mapped[Amount] = mapped_column(default=0, server_default=text("0"), info=money())
    advance_tax: Mapped[Amount] = mapped_column(
        default=0,
        server_default=text("0"),
        info={**money(), "help": "Tax of this invoice that was collected with advances."},
    )
    amount_paid: Mapped[Amount] = mapped_column(default=0, server_default=text("0"), info=money())
    amount_credited: Mapped[Amount] = mapped_column(
        default=0,
        server_default=text("0"),
        info={**money(), "readonly": True, "help": "What credit notes have taken off."},
    )
    rebilled: Mapped[bool] = mapped_column(
        default=False,
        server_default=text("false"),
        info={"readonly": True, "help": "Cancelled, and its charges are billed again."},
    )
    taxes: Mapped[list[Any]] = mapped_column(default=list, server_default=text("'[]'"))
    parked_reason: Mapped[str | None]
    snapshot: Mapped[dict[str, Any] | None] = mapped_column(info={"readonly": True})
    snapshot_sha256: Mapped[bytes | None] = mapped_column(info={"readonly": True})
    original_id: Mapped[UUID | None] = mapped_column(ForeignKey("invoices.id", ondelete="RESTRICT"))

    account: Mapped[Account] = relationship()
    customer: Mapped[Customer] = relationship()
    registration: Mapped[SellerRegistration] = relationship()
    original: Mapped["Invoice | None"] = relationship(remote_side="Invoice.id")
    lines: Mapped[list["InvoiceLine"]] = relationship(
        back_populates="invoice", order_by="InvoiceLine.n", cascade="all, delete-orphan", passive_deletes=True
    )

    @property
    def amount_due(self) -> Decimal:
        """What is still to be paid: the total less what the wallet, payments and credit notes have covered;
        nothing for a credit note, and where more was paid than is asked for."""
        if self.kind is InvoiceKind.credit_note:
            return Decimal(0)
        return max(self.total - self.amount_paid - self.amount_credited, Decimal(0))

    @property
    def overpaid(self) -> Decimal:
        """What was paid beyond what the invoice asks for after its credit notes."""
        if self.kind is InvoiceKind.credit_note:
            return Decimal(0)
        return max(self.amount_paid + self.amount_credited - self.total, Decimal(0))

    def __str__(self) -> str:
        return self.number or "draft"


class InvoiceLine(Identified, Base):
    """One charge, with everything needed to explain it: version, component, tiers, and the hash of its
    events.
    """

    __tablename__ = "invoice_lines"
    __table_args__ = (
        UniqueConstraint("invoice_id", "n"),
        Index("ix_invoice_lines_subscription_id", "subscription_id"),
        Index("ix_invoice_lines_plan_version_id", "plan_version_id"),
        Index("ix_invoice_lines_component_id_period_start", "component_id", "period_start"),
        Index("ix_invoice_lines_source_id", "source_id", postgresql_where=text("source_id IS NOT NULL")),
    )

    invoice_id: Mapped[UUID] = mapped_column(ForeignKey("invoices.id", ondelete="CASCADE"))
    n: Mapped[int]
    kind: Mapped[LineKind]
    description: Mapped[str]
    sac: Mapped[str]
    metric_code: Mapped[str | None]
    unit: Mapped[str | None]
    quantity: Mapped[Quantity]
    unit_price: Mapped[Quantity | None]
    amount: Mapped[Amount] = mapped_column(info=money("invoice.currency"))
    tax_rate: Mapped[Decimal] = mapped_column(Numeric(6, 3), default=0)
    taxes: Mapped[list[Any]] = mapped_column(default=list, server_default=text("'[]'"))
    period_start: Mapped[datetime | None]
    period_end: Mapped[datetime | None]
    subscription_id: Mapped[UUID | None] = mapped_column(ForeignKey("subscriptions.id", ondelete="RESTRICT"))
    plan_version_id: Mapped[UUID | None] = mapped_column(ForeignKey("plan_versions.id", ondelete="RESTRICT"))
    component_id: Mapped[UUID | None] = mapped_column(ForeignKey("price_components.id", ondelete="RESTRICT"))
    breakdown: Mapped[list[Any]] = mapped_column(default=list, server_default=text("'[]'"))
    events_hash: Mapped[str | None]
    source_id: Mapped[UUID | None] = mapped_column(info={"help": "The part of a contract behind the line."})

    invoice: Mapped[Invoice] = relationship(back_populates="lines")
    subscription: Mapped[Subscription | None] = relationship()
    version: Mapped[PlanVersion | None] = relationship()
    component: Mapped[PriceComponent | None] = relationship()
    created_at: Mapped[CreatedAt]

    def __str__(self) -> str:
        return self.description
