"""The audit trail: who did what, when, from where, and how it was before. Append-only by trigger."""

from datetime import datetime
from typing import Any

from sqlalchemy import Index
from sqlalchemy.orm import Mapped

from app.db import Base
from app.models.base import Identified


class AuditRecord(Identified, Base):
    """One change, or one refused attempt. `before` and `after` hold only the attributes that differ."""

    __tablename__ = "audit_records"
    __table_args__ = (
        Index("ix_audit_records_at", "at"),
        Index("ix_audit_records_resource_type_resource_id", "resource_type", "resource_id"),
    )

    at: Mapped[datetime]
    actor_kind: Mapped[str]
    actor_id: Mapped[str]
    actor: Mapped[str]
    role: Mapped[str]
    ip: Mapped[str | None]
    request_id: Mapped[str | None]
    action: Mapped[str]
    resource_type: Mapped[str]
    resource_id: Mapped[str]
    summary: Mapped[str]
    before: Mapped[dict[str, Any] | None]
    after: Mapped[dict[str, Any] | None]

    def __str__(self) -> str:
        return self.summary
