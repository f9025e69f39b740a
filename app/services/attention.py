"""What waits for the person who is looking: the number on the bell, and that of the requests to decide on.

Every page shows both, so they are counted in one statement and kept until something is told, read, asked for
or decided.
"""

from dataclasses import dataclass

from sqlalchemy import select

from app.db import db
from app.services import approvals, cache, notifications
from app.services.notifications import Reader

KEPT_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many notifications are new, and how many requests wait."""

    notifications: int
    approvals: int


def waiting_for(user: Reader) -> Waiting:
    """Count what waits for a person."""
    of = [*notifications.marks_of(user), approvals.MARK]
    return cache.get_or_make(
        f"waiting:{user.id}:{user.role}", of, KEPT_SECONDS, lambda: _count(user), Waiting
    )


def _count(user: Reader) -> Waiting:
    told = notifications.unread(user).scalar_subquery()
    asked = approvals.count_for(user).scalar_subquery()
    return Waiting(*db.session.execute(select(told, asked)).one())
