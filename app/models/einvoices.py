"""What the Invoice Registration Portal knows of our documents."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.db import Base
from app.models.base import Identified, Timestamped
from app.models.invoices import Invoice


class EInvoiceStatus(StrEnum):
    """How a document stands at the portal; the allowed moves are in `app.domain.states`."""

    awaiting_irn = "awaiting_irn"
    registered = "registered"
    failed = "failed"
    cancelling = "cancelling"
    cancelled = "cancelled"


class EInvoice(Identified, Timestamped, Base):
    """The e-invoice of an issued document. The row is the work: whoever is `awaiting_irn` or `cancelling` is
    taken to the portal once `next_try_at` has come. What the portal has signed never changes.
    """

    __tablename__ = "einvoices"
    __table_args__ = (
        Index("ix_einvoices_created_at", "created_at"),
        CheckConstraint("length(irn) = 64", name="irn_length"),
        CheckConstraint(
            "(status IN ('awaiting_irn', 'failed')) = (ack_no IS NULL)", name="acknowledged_when_registered"
        ),
        CheckConstraint(
            "(ack_no IS NULL) = (signed_qr IS NULL) AND (ack_no IS NULL) = (signed_invoice IS NULL)"
            " AND (ack_no IS NULL) = (ack_at IS NULL)",
            name="acknowledged_whole",
        ),
        CheckConstraint("(status = 'cancelled') = (cancelled_at IS NOT NULL)", name="cancelled"),
        CheckConstraint("cancel_reason BETWEEN 1 AND 4", name="cancel_reason"),
        CheckConstraint("status = 'failed' OR failure IS NULL", name="failure"),
        Index(
            "ix_einvoices_due",
            "next_try_at",
            postgresql_where=text("status IN ('awaiting_irn', 'cancelling')"),
        ),
    )

    invoice_id: Mapped[UUID] = mapped_column(ForeignKey("invoices.id", ondelete="RESTRICT"), unique=True)
    status: Mapped[EInvoiceStatus] = mapped_column(
        default=EInvoiceStatus.awaiting_irn, server_default="awaiting_irn"
    )
    irn: Mapped[str] = mapped_column(
        String(64), unique=True, info={"help": "The Invoice Reference Number, worked out by ourselves."}
    )
    provider: Mapped[str] = mapped_column(info={"help": "Through whom the portal is asked."})
    ack_no: Mapped[str | None] = mapped_column(info={"help": "The portal's number of the registration."})
    ack_at: Mapped[datetime | None]
    signed_invoice: Mapped[str | None] = mapped_column(info={"readonly": True})
    signed_qr: Mapped[str | None] = mapped_column(info={"readonly": True})
    attempts: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    next_try_at: Mapped[datetime]
    failure: Mapped[str | None] = mapped_column(
        info={"help": "Why the portal, or our own check, refused it."}
    )
    last_error: Mapped[str | None] = mapped_column(info={"help": "What came of the last attempt."})
    cancel_reason: Mapped[int | None] = mapped_column(
        info={"help": "1 duplicate, 2 data entry mistake, 3 order cancelled, 4 others."}
    )
    cancel_remark: Mapped[str | None]
    cancel_asked_by: Mapped[str | None]
    cancelled_at: Mapped[datetime | None]

    invoice: Mapped[Invoice] = relationship()

    def __str__(self) -> str:
        return f"e-invoice {self.irn[:12]}…"
