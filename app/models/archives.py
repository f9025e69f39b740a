"""Months of usage events that were moved into files, and back."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, CheckConstraint, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base
from app.models.base import Identified, Timestamped


class ArchiveStatus(StrEnum):
    """Where the events are: in their partition (pending, written, restored) or in the file alone (archived,
    restoring).
    """

    pending = "pending"
    written = "written"
    archived = "archived"
    restoring = "restoring"
    restored = "restored"


class EventArchive(Identified, Timestamped, Base):
    """One file of a month's events. A month that got late events after its first file has a second one.

    The row is also the work: a worker takes up what is `pending`, `written` or `restoring`, and drops the
    partition of what is `archived`.
    """

    __tablename__ = "event_archives"
    __table_args__ = (
        UniqueConstraint("month", "sequence"),
        CheckConstraint("month ~ '^[0-9]{4}-[0-9]{2}$'", name="month_of_a_year"),
        CheckConstraint(
            "status IN ('pending', 'restored') OR (sha256 IS NOT NULL AND rows > 0)", name="file_is_known"
        ),
    )

    month: Mapped[str] = mapped_column(info={"help": "A calendar month in UTC, such as 2025-03."})
    sequence: Mapped[int]
    status: Mapped[ArchiveStatus] = mapped_column(
        default=ArchiveStatus.pending, server_default=text("'pending'")
    )
    file_key: Mapped[str] = mapped_column(unique=True)
    rows: Mapped[int] = mapped_column(BigInteger, default=0, server_default=text("0"))
    size: Mapped[int] = mapped_column(
        BigInteger, default=0, server_default=text("0"), info={"help": "Bytes of the file."}
    )
    sha256: Mapped[bytes | None]
    first_at: Mapped[datetime | None] = mapped_column(info={"help": "When its first event occurred."})
    last_at: Mapped[datetime | None] = mapped_column(info={"help": "When its last event occurred."})
    done: Mapped[int] = mapped_column(
        BigInteger, default=0, server_default=text("0"), info={"help": "Events written or read so far."}
    )
    requested_by: Mapped[str]
    error: Mapped[str | None] = mapped_column(info={"help": "Why the last attempt stopped."})
    keep_until: Mapped[datetime | None] = mapped_column(
        info={"help": "A restored month is not archived again before this, unless somebody asks for it."}
    )
    written_at: Mapped[datetime | None]
    archived_at: Mapped[datetime | None]
    dropped_at: Mapped[datetime | None] = mapped_column(info={"help": "When the old partition was dropped."})
    restored_at: Mapped[datetime | None]

    def __str__(self) -> str:
        return f"{self.month}, file {self.sequence}"
