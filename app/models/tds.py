"""Tax that a payer kept for the government: a receivable until its certificate has come."""

from datetime import date
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, Numeric, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.db import Base
from app.models.base import Amount, Currency, Identified, Timestamped, money
from app.models.customers import Customer
from app.models.invoices import Invoice
from app.models.payments import Payment


class TdsKind(StrEnum):
    """Under which law it was kept: income tax by any payer, GST (CGST Act s.51) by government buyers."""

    income_tax = "income_tax"
    gst = "gst"


class TdsStatus(StrEnum):
    """Whether the certificate has come; the allowed moves are in `app.domain.states`."""

    expected = "expected"
    certified = "certified"


class TdsReceivable(Identified, Timestamped, Base):
    """Tax deducted at source from one payment of an invoice, which counts as paid with it."""

    __tablename__ = "tds_receivables"
    __table_args__ = (
        UniqueConstraint("payment_id", "kind"),
        CheckConstraint("amount > 0", name="amount_positive"),
        CheckConstraint("amount <= round(taxable * rate / 100, 2)", name="within_rate"),
        CheckConstraint(
            "(status = 'certified') = (certificate_number IS NOT NULL)", name="certified_by_number"
        ),
        Index("ix_tds_receivables_invoice_id", "invoice_id"),
        Index("ix_tds_receivables_customer_id_status", "customer_id", "status"),
    )

    payment_id: Mapped[UUID] = mapped_column(ForeignKey("payments.id", ondelete="RESTRICT"))
    invoice_id: Mapped[UUID] = mapped_column(ForeignKey("invoices.id", ondelete="RESTRICT"))
    customer_id: Mapped[UUID] = mapped_column(ForeignKey("customers.id", ondelete="RESTRICT"))
    kind: Mapped[TdsKind]
    section: Mapped[str] = mapped_column(info={"help": "Of the law: 194J, 194C, 51."})
    rate: Mapped[Decimal] = mapped_column(Numeric(6, 3), info={"help": "Percent of the taxable value."})
    taxable: Mapped[Amount] = mapped_column(info=money())
    amount: Mapped[Amount] = mapped_column(info=money())
    currency: Mapped[Currency]
    status: Mapped[TdsStatus] = mapped_column(default=TdsStatus.expected, server_default="expected")
    certificate_number: Mapped[str | None]
    certified_on: Mapped[date | None]

    payment: Mapped[Payment] = relationship()
    invoice: Mapped[Invoice] = relationship()
    customer: Mapped[Customer] = relationship()

    def __str__(self) -> str:
        return f"{self.section} on {self.invoice}"
