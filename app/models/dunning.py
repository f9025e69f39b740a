"""Asking for money that is late: what was sent for which invoice, and customers who are left in peace."""

from datetime import date
from uuid import UUID

from sqlalchemy import ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.db import Base
from app.models.base import CreatedAt, Identified, Timestamped
from app.models.customers import Customer
from app.models.invoices import Invoice
from app.models.notifications import Notification
from app.models.payments import Payment


class DunningNotice(Identified, Base):
    """One reminder of an invoice. `step` is the days after the due day (before it: negative) of the schedule
    that it belongs to, sent once; None for one that a person sent."""

    __tablename__ = "dunning_notices"
    __table_args__ = (
        Index(
            "uq_dunning_notices_once_per_step",
            "invoice_id",
            "step",
            unique=True,
            postgresql_where=text("step IS NOT NULL"),
        ),
        Index("ix_dunning_notices_invoice_id", "invoice_id"),
        Index("ix_dunning_notices_notification_id", "notification_id"),
        Index("ix_dunning_notices_payment_id", "payment_id"),
    )

    invoice_id: Mapped[UUID] = mapped_column(ForeignKey("invoices.id", ondelete="RESTRICT"))
    step: Mapped[int | None] = mapped_column(info={"help": "Days after the due day; empty: sent by hand."})
    last: Mapped[bool] = mapped_column(info={"help": "The schedule ends with it."})
    notification_id: Mapped[UUID] = mapped_column(ForeignKey("notifications.id", ondelete="RESTRICT"))
    payment_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("payments.id", ondelete="RESTRICT"),
        info={"help": "The attempt to charge a saved way to pay."},
    )
    sent_by: Mapped[str]
    created_at: Mapped[CreatedAt]

    invoice: Mapped[Invoice] = relationship()
    notification: Mapped[Notification] = relationship()
    payment: Mapped[Payment | None] = relationship()

    def __str__(self) -> str:
        return "by hand" if self.step is None else f"step {self.step:+d}"


class DunningPause(Identified, Timestamped, Base):
    """A customer who gets no reminders until the end of a day."""

    __tablename__ = "dunning_pauses"
    __table_args__ = (UniqueConstraint("customer_id"),)

    customer_id: Mapped[UUID] = mapped_column(ForeignKey("customers.id", ondelete="RESTRICT"))
    until: Mapped[date] = mapped_column(info={"help": "The last day without reminders, in India's time."})
    reason: Mapped[str]
    paused_by: Mapped[str]

    customer: Mapped[Customer] = relationship()

    def __str__(self) -> str:
        return f"{self.customer} until {self.until}"
