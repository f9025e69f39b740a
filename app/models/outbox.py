"""What must happen after a commit, what was answered before, what was stored, which scheduled work ran."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, Index, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base
from app.models.base import CreatedAt, Identified


class OutboxMessage(Identified, Base):
    """A promise made inside a transaction and kept by a worker after it: a PDF, a mail, an outgoing
    webhook.
    """

    __tablename__ = "outbox_messages"
    __table_args__ = (
        UniqueConstraint("kind", "key"),
        Index("ix_outbox_messages_due", "available_at", postgresql_where=text("done_at IS NULL")),
    )

    kind: Mapped[str]
    key: Mapped[str] = mapped_column(
        info={"help": "Names the thing once: the same promise is never made twice."}
    )
    payload: Mapped[dict[str, Any]]
    attempts: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    available_at: Mapped[datetime] = mapped_column(server_default=func.now())
    error: Mapped[str | None]
    done_at: Mapped[datetime | None]
    created_at: Mapped[CreatedAt]


class IdempotencyRecord(Base):
    """The answer to a call that carried an `Idempotency-Key`, so that a repeat gets the same one."""

    __tablename__ = "idempotency_records"
    __table_args__ = (Index("ix_idempotency_records_created_at", "created_at"),)

    caller: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    request_sha256: Mapped[bytes]
    status: Mapped[int | None]
    answer: Mapped[dict[str, Any] | None]
    created_at: Mapped[CreatedAt]


class StoredFile(Identified, Base):
    """A document in the file store: its key there, its size and its checksum."""

    __tablename__ = "stored_files"
    __table_args__ = (
        CheckConstraint("size >= 0", name="size_not_negative"),
        Index("ix_stored_files_resource", "resource_type", "resource_id"),
    )

    key: Mapped[str] = mapped_column(unique=True)
    content_type: Mapped[str]
    size: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[bytes]
    resource_type: Mapped[str]
    resource_id: Mapped[str]
    retain_until: Mapped[datetime | None] = mapped_column(
        info={"help": "Nobody deletes it before: the law asks to keep documents (CGST Act s.36)."}
    )
    created_at: Mapped[CreatedAt]


class JobRun(Identified, Base):
    """One run of a scheduled job for one period; the unique row keeps two schedulers from doing it twice."""

    __tablename__ = "job_runs"
    __table_args__ = (UniqueConstraint("job", "period"), Index("ix_job_runs_started_at", "started_at"))

    job: Mapped[str]
    period: Mapped[str]
    started_at: Mapped[CreatedAt]
    finished_at: Mapped[datetime | None]
    succeeded: Mapped[bool | None]
    detail: Mapped[dict[str, Any] | None]

    def __str__(self) -> str:
        return f"{self.job} {self.period}"
