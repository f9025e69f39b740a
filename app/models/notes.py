"""What staff write down about a customer for each other."""

from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, false
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.db import Base
from app.models.base import CreatedAt, Identified
from app.models.customers import Customer


class CustomerNote(Identified, Base):
    """One note, in the words of whom `author` names. It is never changed; a pinned one stands first."""

    __tablename__ = "customer_notes"
    __table_args__ = (
        CheckConstraint("length(text) BETWEEN 1 AND 10000", name="text_length"),
        Index("ix_customer_notes_customer_id_created_at", "customer_id", "created_at"),
    )

    customer_id: Mapped[UUID] = mapped_column(ForeignKey("customers.id", ondelete="RESTRICT"))
    text: Mapped[str]
    pinned: Mapped[bool] = mapped_column(default=False, server_default=false())
    author: Mapped[str]
    created_at: Mapped[CreatedAt]

    customer: Mapped[Customer] = relationship()

    def __str__(self) -> str:
        return self.text if len(self.text) <= 60 else f"{self.text[:59]}…"
