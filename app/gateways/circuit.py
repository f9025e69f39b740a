"""A circuit breaker: after several silent calls in a row a gateway is left alone for a while.

Written here, because pybreaker holds its lock for the whole call and so lets one slow answer queue every
other thread.
"""

import time
from collections.abc import Callable
from threading import Lock
from typing import TypeVar

from app.errors import GatewayUnavailable

T = TypeVar("T")


class Circuit:
    """Counts consecutive `GatewayUnavailable`; when open, one call per pause is let through to try again."""

    def __init__(
        self,
        title: str,
        *,
        failures: int = 5,
        pause_seconds: float = 30,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.title = title
        self._limit, self._pause, self._clock = failures, pause_seconds, clock
        self._lock = Lock()
        self._failed = 0
        self._retry_at = 0.0

    def call(self, work: Callable[[], T]) -> T:
        """Return what `work` returns. A refusal is an answer and closes the circuit like a success.

        Raises:
            GatewayUnavailable: `work` raised it, or the circuit is open and nothing was sent.
        """
        self._enter()
        try:
            result = work()
        except GatewayUnavailable:
            self._count_failure()
            raise
        except Exception:
            self._reset()
            raise
        self._reset()
        return result

    def _enter(self) -> None:
        with self._lock:
            if self._failed < self._limit:
                return
            if self._clock() < self._retry_at:
                raise GatewayUnavailable(f"{self.title} is not answering. Try again in a minute.")
            self._retry_at = self._clock() + self._pause

    def _count_failure(self) -> None:
        with self._lock:
            self._failed += 1
            if self._failed >= self._limit:
                self._retry_at = self._clock() + self._pause

    def _reset(self) -> None:
        with self._lock:
            self._failed = 0
