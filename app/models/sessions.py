"""Sessions of people that are over before their time."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base


class EndedSession(Base):
    """A session that was signed out of or followed by another: a copy of its cookie opens nothing any more.

    After the longest time that a session lasts the row is not needed: the cookie is too old by itself.
    """

    __tablename__ = "ended_sessions"
    __table_args__ = (Index("ix_ended_sessions_ended_at", "ended_at"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    ended_at: Mapped[datetime]
