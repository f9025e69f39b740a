"""The history of the proofs that the books balance."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Index, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base
from app.models.base import CreatedAt, Identified


class VerificationStatus(StrEnum):
    """Where a run stands; `failed` when it ended without a result."""

    queued = "queued"
    running = "running"
    done = "done"
    failed = "failed"


class Verification(Identified, Base):
    """One run of every check. `report` is what `app.services.verify.Report.as_json` returns; while it runs
    it holds the checks that are done.
    """

    __tablename__ = "verifications"
    __table_args__ = (
        Index("ix_verifications_created_at", "created_at"),
        Index(
            "uq_verifications_under_way",
            text("(1)"),
            unique=True,
            postgresql_where=text("status IN ('queued', 'running')"),
        ),
    )

    status: Mapped[VerificationStatus] = mapped_column(default=VerificationStatus.queued)
    started_by: Mapped[str]
    created_at: Mapped[CreatedAt]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    checks: Mapped[int] = mapped_column(info={"help": "How many checks there are."})
    done: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    failures: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    report: Mapped[dict[str, Any] | None]
    error: Mapped[str | None]

    @property
    def ok(self) -> bool | None:
        """True when every check of a finished run holds; None where there is no result."""
        return self.failures == 0 if self.status is VerificationStatus.done else None

    def __str__(self) -> str:
        return f"{self.created_at:%Y-%m-%d %H:%M}"
