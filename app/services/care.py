"""Housekeeping that keeps the tables able to take what comes."""

from datetime import datetime

from sqlalchemy import text

from app.db import db

AHEAD_MONTHS = 3
BACK_MONTHS = 2
NEIGHBOURS = text(
    "SELECT ensure_usage_partition(:at + make_interval(months => n))"
    " FROM generate_series(cast(:first AS int), cast(:last AS int)) n"
)


def ensure_partitions(at: datetime, months: int = AHEAD_MONTHS) -> list[str]:
    """Make the monthly partitions of usage events around `at` and return the names of all of them.

    They reach from two months before to `months` after; what exists stays as it is. Older months are made by
    whoever writes into them (an import of old usage).
    """
    return list(db.session.scalars(NEIGHBOURS, {"at": at, "first": -BACK_MONTHS, "last": months}))
