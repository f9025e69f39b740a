"""What was taken back of the usage that had been accepted: events are never edited."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Index, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.db import Base
from app.models.base import Quantity
from app.models.customers import Account
from app.models.plans import Metric


class CorrectionKind(StrEnum):
    """Whether an event was only taken back, or replaced by another one as well."""

    cancel = "cancel"
    amend = "amend"


class EventCorrection(Base):
    """One event that no longer counts: what was taken back, why and by whom. Append-only.

    `occurred_at` finds the event's month. `quantity` is what the event had counted in the bucket of
    `metric_id`, `bucket_at` and `dimensions`; the same was put into `usage_deltas` with the sign turned, as
    −1 event.
    """

    __tablename__ = "event_corrections"
    __table_args__ = (
        Index("ix_event_corrections_at", "at"),
        Index(
            "uq_event_corrections_account_id_replacement_event_id",
            "account_id",
            "replacement_event_id",
            unique=True,
            postgresql_where=text("replacement_event_id IS NOT NULL"),
        ),
    )

    account_id: Mapped[UUID] = mapped_column(primary_key=True)
    event_id: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[CorrectionKind]
    occurred_at: Mapped[datetime]
    metric_id: Mapped[UUID]
    bucket_at: Mapped[datetime]
    dimensions: Mapped[dict[str, Any]]
    quantity: Mapped[Quantity]
    reason: Mapped[str]
    actor: Mapped[str]
    at: Mapped[datetime]
    replacement_event_id: Mapped[str | None] = mapped_column(
        info={"help": "The event that counts in its place."}
    )

    account: Mapped[Account] = relationship(
        primaryjoin="foreign(EventCorrection.account_id) == Account.id", viewonly=True
    )
    metric: Mapped[Metric] = relationship(
        primaryjoin="foreign(EventCorrection.metric_id) == Metric.id", viewonly=True
    )

    def __str__(self) -> str:
        return self.event_id
