"""Moves of many subscriptions to another version of their plan: what was asked for, and what became of
each."""

from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.db import Base
from app.models.base import Identified, Timestamped
from app.models.plans import PlanVersion, Subscription


class MoveStatus(StrEnum):
    """Where a move stands."""

    running = "running"
    done = "done"


class MoveItemStatus(StrEnum):
    """What became of one subscription; `unchanged` was on the version already, or had ended."""

    pending = "pending"
    moved = "moved"
    unchanged = "unchanged"
    failed = "failed"


class PlanMove(Identified, Timestamped, Base):
    """Many subscriptions of a plan brought to one of its versions. Resumable: what is pending is left."""

    __tablename__ = "plan_moves"
    __table_args__ = (Index("ix_plan_moves_plan_version_id", "plan_version_id"),)

    plan_version_id: Mapped[UUID] = mapped_column(ForeignKey("plan_versions.id", ondelete="RESTRICT"))
    on_day: Mapped[date | None] = mapped_column(
        info={"help": "The first day of the new version; empty: each at the end of its billing period."}
    )
    status: Mapped[MoveStatus] = mapped_column(default=MoveStatus.running, info={"readonly": True})
    started_by: Mapped[str]
    finished_at: Mapped[datetime | None]

    version: Mapped[PlanVersion] = relationship()
    items: Mapped[list["PlanMoveItem"]] = relationship(back_populates="move", passive_deletes="all")

    def __str__(self) -> str:
        return f"Move to v{self.version.number}"


class PlanMoveItem(Identified, Timestamped, Base):
    """What became of one subscription in a move; `at` is the first instant of the new version."""

    __tablename__ = "plan_move_items"
    __table_args__ = (
        UniqueConstraint("move_id", "subscription_id"),
        Index("ix_plan_move_items_subscription_id", "subscription_id"),
        Index("ix_plan_move_items_from_version_id", "from_version_id"),
    )

    move_id: Mapped[UUID] = mapped_column(ForeignKey("plan_moves.id", ondelete="RESTRICT"))
    subscription_id: Mapped[UUID] = mapped_column(ForeignKey("subscriptions.id", ondelete="RESTRICT"))
    from_version_id: Mapped[UUID] = mapped_column(ForeignKey("plan_versions.id", ondelete="RESTRICT"))
    at: Mapped[datetime | None]
    status: Mapped[MoveItemStatus] = mapped_column(default=MoveItemStatus.pending, server_default="pending")
    message: Mapped[str | None]

    move: Mapped[PlanMove] = relationship(back_populates="items")
    subscription: Mapped[Subscription] = relationship()
    from_version: Mapped[PlanVersion] = relationship()
