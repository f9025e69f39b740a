"""What would flood the audit trail is noted once a minute: refusals and looks that somebody repeats.

The mark is kept in Redis, so that all processes share it; without Redis each process keeps its own.
"""

import time

from redis.exceptions import RedisError

from app.queue import connection

SECONDS = 60
MOST_REMEMBERED = 10_000

_marks: dict[str, float] = {}


def is_first(*parts: str) -> bool:
    """Tell whether nobody asked the same within the last minute, and remember that it was asked now."""
    key = ":".join(("audited", *parts))
    try:
        return bool(connection().set(key, "1", nx=True, ex=SECONDS))
    except RedisError:
        return _is_first_here(key, time.monotonic())


def _is_first_here(key: str, now: float) -> bool:
    if _marks.get(key, 0.0) > now:
        return False
    if len(_marks) >= MOST_REMEMBERED:
        _marks.clear()
    _marks[key] = now + SECONDS
    return True
