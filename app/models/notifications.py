"""What the product tells people: the notification itself, who has read it, and who wants it by mail."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, true
from sqlalchemy import text as sql
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.db import Base
from app.models.base import CreatedAt, Identified
from app.models.customers import Customer
from app.models.users import User


class Notification(Identified, Base):
    """Something that happened to a customer and that people should know; staff see every one.

    `kind` is one of `services.notifications.KINDS`, `kept` what `services.told` keeps besides title and text,
    `url` leads to a page outside the product, such as a gateway's.
    """

    __tablename__ = "notifications"
    __table_args__ = (Index("ix_notifications_customer_id_id", "customer_id", "id"),)

    customer_id: Mapped[UUID | None] = mapped_column(ForeignKey("customers.id", ondelete="RESTRICT"))
    kind: Mapped[str]
    tone: Mapped[str]
    title: Mapped[str]
    text: Mapped[str]
    kept: Mapped[dict[str, Any]] = mapped_column("facts", default=dict, server_default=sql("'[]'"))
    url: Mapped[str | None]
    resource_type: Mapped[str]
    resource_id: Mapped[str]
    created_at: Mapped[CreatedAt]

    customer: Mapped[Customer | None] = relationship()

    def __str__(self) -> str:
        return self.title

    @property
    def facts(self) -> list[list[str]]:
        """Pairs of label and value in English; rows from before the sentences were kept have nothing else."""
        kept: Any = self.kept
        found: list[list[str]] = kept.get("facts", []) if isinstance(kept, dict) else kept
        return found


class NotificationRead(Base):
    """A person has read a notification."""

    __tablename__ = "notification_reads"
    __table_args__ = (Index("ix_notification_reads_user_id", "user_id"),)

    notification_id: Mapped[UUID] = mapped_column(
        ForeignKey("notifications.id", ondelete="CASCADE"), primary_key=True
    )
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="RESTRICT"), primary_key=True)
    read_at: Mapped[datetime]

    notification: Mapped[Notification] = relationship()
    user: Mapped[User] = relationship()


class NotificationPreference(Identified, Base):
    """Whether one kind is wanted: by mail, of a customer as a whole or of a member of staff, and in the
    product, of any person. Without a row everybody sees it in the product, and customers get it by mail.
    """

    __tablename__ = "notification_preferences"
    __table_args__ = (
        UniqueConstraint("customer_id", "kind"),
        UniqueConstraint("user_id", "kind"),
        CheckConstraint("num_nonnulls(customer_id, user_id) = 1", name="of_one"),
    )

    customer_id: Mapped[UUID | None] = mapped_column(ForeignKey("customers.id", ondelete="RESTRICT"))
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="RESTRICT"))
    kind: Mapped[str]
    mail: Mapped[bool]
    in_product: Mapped[bool] = mapped_column(default=True, server_default=true())

    customer: Mapped[Customer | None] = relationship()
    user: Mapped[User | None] = relationship()
