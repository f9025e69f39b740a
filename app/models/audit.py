"""The audit trail: who did what, when, from where, and how it was before. Append-only by trigger.

A record bears the hash of its own content. The statement that adds it also notes that it waits for its seal
(a trigger does, so no way of adding forgets it); a job seals what waits, and the seals are a chain.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Connection, ForeignKey, Identity, Index, event, func, text
from sqlalchemy.orm import Mapped, Mapper, mapped_column, relationship

from app.db import Base
from app.domain.auditing import DOCUMENTS, FIELDS, content_hash
from app.ids import new_id
from app.models.base import Identified


class AuditRecord(Identified, Base):
    """One change, one refused attempt, or one look at something sensitive. `before` and `after` hold only the
    attributes that differ."""

    __tablename__ = "audit_records"
    __table_args__ = (
        Index("ix_audit_records_at", "at"),
        Index("ix_audit_records_resource_type_resource_id", "resource_type", "resource_id"),
        Index("ix_audit_records_actor_id_at", "actor_id", "at"),
        Index("ix_audit_records_action_at", "action", "at"),
        # Nearly all is done by machines, which act as super admins: those are found on the way.
        Index("ix_audit_records_role_at", "role", "at", postgresql_where=text("role <> 'super_admin'")),
        Index(
            "ix_audit_records_actor_kind_at",
            "actor_kind",
            "at",
            postgresql_where=text("actor_kind <> 'system'"),
        ),
        Index("ix_audit_records_ip_at", "ip", "at", postgresql_where=text("ip IS NOT NULL")),
        Index("ix_audit_records_request_id", "request_id", postgresql_where=text("request_id IS NOT NULL")),
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
    hash: Mapped[bytes]

    def __str__(self) -> str:
        return self.summary


@event.listens_for(AuditRecord, "before_insert")
def _hash_content(_mapper: Mapper[AuditRecord], _connection: Connection, record: AuditRecord) -> None:
    told = {name: getattr(record, name) for name in (*FIELDS, *DOCUMENTS)}
    if told["id"] is None:
        record.id = told["id"] = new_id()
    record.hash = content_hash(told)


class AuditUnsealed(Base):
    """A record that waits for its seal."""

    __tablename__ = "audit_unsealed"

    record_id: Mapped[UUID] = mapped_column(primary_key=True)
    place: Mapped[int] = mapped_column(BigInteger, Identity(always=True))
    since: Mapped[datetime] = mapped_column(server_default=func.now())


class AuditSeal(Base):
    """The place of a record in the chain: its gapless number, and a hash over the seal before it, the
    record's id and the hash of its content. Append-only."""

    __tablename__ = "audit_seals"

    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    record_id: Mapped[UUID] = mapped_column(ForeignKey("audit_records.id", ondelete="RESTRICT"), unique=True)
    at: Mapped[datetime]
    prev_hash: Mapped[bytes] = mapped_column(info={"secret": True})
    hash: Mapped[bytes] = mapped_column(info={"secret": True})

    record: Mapped[AuditRecord] = relationship()


class AuditAnchor(Base):
    """The last seal that there was at an instant, noted in a chain of its own. Append-only."""

    __tablename__ = "audit_anchors"

    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    at: Mapped[datetime]
    seq: Mapped[int] = mapped_column(BigInteger)
    head: Mapped[bytes] = mapped_column(info={"secret": True})
    prev_hash: Mapped[bytes] = mapped_column(info={"secret": True})
    hash: Mapped[bytes] = mapped_column(info={"secret": True})
