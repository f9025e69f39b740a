"""Ways to pay that a customer lets a gateway keep: the gateway's names of them, never a card's number."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.db import Base
from app.models.base import CreatedAt, Identified
from app.models.customers import Account


class PaymentMethod(Identified, Base):
    """A card or mandate that a gateway keeps for an account; `label` is what the customer knows it by."""

    __tablename__ = "payment_methods"
    __table_args__ = (
        UniqueConstraint("gateway", "method_ref"),
        Index("ix_payment_methods_account_id", "account_id"),
    )

    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id", ondelete="RESTRICT"))
    gateway: Mapped[str] = mapped_column(info={"registry": "gateways"})
    customer_ref: Mapped[str] = mapped_column(info={"secret": True})
    method_ref: Mapped[str] = mapped_column(info={"secret": True})
    label: Mapped[str]
    created_at: Mapped[CreatedAt]
    removed_at: Mapped[datetime | None]

    account: Mapped[Account] = relationship()

    def __str__(self) -> str:
        return self.label
