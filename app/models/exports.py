"""Lists and statements that a worker writes into files, and the mails that documents go out with."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.db import Base
from app.models.base import Identified, Timestamped
from app.models.customers import Customer


class ExportFormat(StrEnum):
    """How the file is written. Statements are documents too, so they alone can be PDFs."""

    csv = "csv"
    xlsx = "xlsx"
    pdf = "pdf"


class ExportStatus(StrEnum):
    """Where an export stands; `expired` when its file was deleted."""

    pending = "pending"
    running = "running"
    done = "done"
    failed = "failed"
    cancelled = "cancelled"
    expired = "expired"


class Export(Identified, Timestamped, Base):
    """A file that was asked for. The row is the work: a worker takes up what is `pending`, and anew what a
    killed one left `running`.
    """

    __tablename__ = "exports"
    __table_args__ = (
        CheckConstraint("status <> 'done' OR (sha256 IS NOT NULL AND file_key IS NOT NULL)", name="has_file"),
        CheckConstraint("rows >= 0 AND size >= 0", name="not_negative"),
        Index("ix_exports_open", "created_at", postgresql_where=text("status IN ('pending', 'running')")),
        Index("ix_exports_customer_id", "customer_id"),
        Index("ix_exports_keep_until", "keep_until", postgresql_where=text("status = 'done'")),
    )

    kind: Mapped[str] = mapped_column(info={"help": "What is listed: invoices, payments, a statement."})
    format: Mapped[ExportFormat]
    status: Mapped[ExportStatus] = mapped_column(
        default=ExportStatus.pending, server_default=text("'pending'")
    )
    parameters: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default=text("'{}'"))
    customer_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("customers.id", ondelete="RESTRICT"),
        info={"help": "Whose rows alone it holds, and who may have it besides the staff."},
    )
    requested_by: Mapped[str]
    rows: Mapped[int] = mapped_column(
        BigInteger, default=0, server_default=text("0"), info={"help": "Written so far."}
    )
    expected: Mapped[int | None] = mapped_column(
        BigInteger, info={"help": "How many rows there will be, counted at the start."}
    )
    size: Mapped[int] = mapped_column(
        BigInteger, default=0, server_default=text("0"), info={"help": "Bytes of the file."}
    )
    sha256: Mapped[bytes | None]
    file_key: Mapped[str | None] = mapped_column(unique=True)
    error: Mapped[str | None] = mapped_column(info={"help": "Why it failed."})
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    keep_until: Mapped[datetime | None] = mapped_column(info={"help": "The file is deleted after this."})

    customer: Mapped[Customer | None] = relationship()

    def __str__(self) -> str:
        return f"{self.kind.replace('_', ' ')} as {self.format}"


class MailStatus(StrEnum):
    """What became of a mail."""

    pending = "pending"
    sent = "sent"
    skipped = "skipped"


class DocumentMail(Identified, Timestamped, Base):
    """A document on its way to its customer: the first mail has `n` 1, and each time somebody sends it again
    one more.
    """

    __tablename__ = "document_mails"
    __table_args__ = (
        UniqueConstraint("document_type", "document_id", "n"),
        CheckConstraint("n >= 1", name="counted_from_one"),
        CheckConstraint("(status = 'sent') = (sent_at IS NOT NULL)", name="sent_when"),
        Index("ix_document_mails_customer_id", "customer_id"),
        Index("ix_document_mails_created_at", "created_at"),
        Index("ix_document_mails_recipient_prefix", text("lower(recipient) text_pattern_ops")),
    )

    document_type: Mapped[str] = mapped_column(info={"help": "Such as Invoice."})
    document_id: Mapped[UUID]
    n: Mapped[int]
    customer_id: Mapped[UUID] = mapped_column(ForeignKey("customers.id", ondelete="RESTRICT"))
    recipient: Mapped[str]
    copies: Mapped[list[str]] = mapped_column(default=list, server_default=text("'{}'"))
    subject: Mapped[str]
    status: Mapped[MailStatus] = mapped_column(default=MailStatus.pending, server_default=text("'pending'"))
    requested_by: Mapped[str]
    message_id: Mapped[str | None]
    sent_at: Mapped[datetime | None]

    customer: Mapped[Customer] = relationship()

    def __str__(self) -> str:
        return self.subject
