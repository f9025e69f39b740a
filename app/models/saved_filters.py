"""Filters of a list that a person keeps under a name."""

from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.db import Base
from app.models.base import Identified, Timestamped
from app.models.users import User


class SavedFilter(Identified, Timestamped, Base):
    """What a list is narrowed to: the arguments of its address. A shared one is offered to all staff."""

    __tablename__ = "saved_filters"
    __table_args__ = (
        UniqueConstraint("user_id", "screen", "name"),
        CheckConstraint("length(name) BETWEEN 1 AND 60", name="name_length"),
        Index("ix_saved_filters_screen", "screen"),
    )

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="RESTRICT"))
    screen: Mapped[str] = mapped_column(info={"help": "The list's name in addresses."})
    name: Mapped[str]
    shared: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    arguments: Mapped[dict[str, Any]]

    user: Mapped[User] = relationship()

    def __str__(self) -> str:
        return self.name
