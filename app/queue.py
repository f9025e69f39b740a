"""Wake-ups for the workers: payload-free, coalesced, after commit, and never a reason to fail.

A row in PostgreSQL is the work; what goes to Redis says only "look". So a lost wake-up costs latency until
the sweeper of `jobs/` finds the row, and Redis away costs nothing else.
"""

import logging
import time
from functools import lru_cache

from redis import Redis
from redis.exceptions import RedisError
from rq import Queue
from rq.serializers import JSONSerializer

from app.config import current_settings
from app.db import after_commit

QUEUES = ("metering", "billing", "documents", "default")
# A mark whose wake-up was lost with its worker stands in the way this long; a second wake-up does no harm.
WAKE_UP_SECONDS = 15
# After a failure Redis is left alone this long: no caller waits for its time-out, and the log has one line.
PAUSE_SECONDS = 1.0

log = logging.getLogger(__name__)


class _Line:
    """This process's way to one Redis, shut for a moment after it failed."""

    def __init__(self, url: str) -> None:
        self.redis = Redis.from_url(url, socket_timeout=0.25, socket_connect_timeout=0.25)
        self._shut_until = 0.0

    def push(self, name: str, args: tuple[str, ...]) -> None:
        """Queue a wake-up unless the same one is waiting, or Redis has just been away."""
        if time.monotonic() < self._shut_until:
            return
        try:
            if self.redis.set(wake_up_key(name, args), "1", nx=True, ex=WAKE_UP_SECONDS):
                queue = Queue(queue_of(name), connection=self.redis, serializer=JSONSerializer)
                told = f"{name}({', '.join(args)})"
                queue.enqueue_call(name, args=args, result_ttl=0, failure_ttl=86_400, description=told)
        except RedisError as error:
            self._shut_until = time.monotonic() + PAUSE_SECONDS
            log.warning(
                "Redis is away, the sweeper will find the work",
                extra={"job": name, "reason": type(error).__name__},
            )


@lru_cache(maxsize=8)
def _line(url: str) -> _Line:
    return _Line(url)


def connection() -> Redis:
    """Return this process's Redis client; its calls raise RedisError within 250 ms when Redis is away."""
    return _line(current_settings().redis_url).redis


def queue_of(name: str) -> str:
    """Return the queue of the job with this dotted name: that of its module, else `default`.

    >>> queue_of("jobs.metering.drain"), queue_of("jobs.payments.reconcile")
    ('metering', 'default')
    """
    module = name.split(".")[1]
    slow = {"invoices": "billing", "outbox": "documents"}
    return {**slow, **{queue: queue for queue in QUEUES}}.get(module, "default")


def wake_up_key(name: str, args: tuple[str, ...]) -> str:
    """Return the Redis key that stands while this wake-up is queued and not yet begun."""
    return ":".join(("wake-up", name, *args))


def enqueue(name: str, *args: str) -> None:
    """Ask a worker to run the job `name` once the open transaction has committed.

    `name` is the dotted name of a registered job, `args` are ids or ISO strings. While the same wake-up is
    still waiting no second one is queued; the job runner lifts the mark when it begins.
    """
    line = _line(current_settings().redis_url)
    after_commit(lambda: line.push(name, args))


def is_anything_queued(*, but: str) -> bool:
    """Tell whether a job waits in any queue except one; yes where Redis cannot be asked."""
    line = _line(current_settings().redis_url)
    try:
        return any(Queue(name, connection=line.redis).count for name in QUEUES if name != but)
    except RedisError:
        return True
