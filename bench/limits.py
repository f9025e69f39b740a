"""What the rate limits cost a request: `python -m bench.limits` prints one line of JSON.

A Redis of its own. Processor microseconds of this thread for a request, the cheapest of many rounds: for
posting events, whose bucket is leased, and for reading invoices, which asks Redis each time; the same on the
clock; and how many trips to Redis a thousand requests made.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from flask import Flask, Response, g

from app.api import limits
from app.api.limits import Limits
from app.config import Settings
from app.domain.buckets import WINDOWS, Limit
from app.embedded.stores import open_stores
from app.factory import create_app
from app.permissions import Actor, Role
from app.queue import connection

REQUESTS = 1_000
# Never empty, and leased as the usual ones are.
FIGURES = {
    "ip": Limit.per(1_000, WINDOWS["min"]),
    "caller": Limit.per(10_000, WINDOWS["min"], burst=100_000_000),
    "events": Limit.per(1_000, WINDOWS["s"], burst=1_000_000_000),
    "invoices": Limit.per(100, WINDOWS["min"], burst=10_000_000),
}
ACTOR = Actor(kind="api_key", id="0190", label="bench", role=Role.service)


@contextmanager
def application() -> Iterator[Flask]:
    """Yield the application on a Redis that goes afterwards; no database is asked."""
    with tempfile.TemporaryDirectory(prefix="otpless-bench-") as folder:
        Path(folder).chmod(0o711)
        with open_stores(Path(folder), {"DATABASE_URL": "postgresql:///not-used"}, durable=False) as stores:
            stores.start()
            settings = Settings(secret_key="bench" * 8, database_url="postgresql:///not-used")
            yield create_app(replace(settings, redis_url=stores.redis_url))


def measure(app: Flask, method: str, path: str, rounds: int) -> dict[str, float]:
    """Return what the hooks of a request to `path` cost, each in microseconds."""
    made, trips = Limits(FIGURES), [0]
    app.extensions["limits"] = made
    counted: Callable[[], object] = lambda: (trips.append(trips.pop() + 1), connection())[1]  # noqa: E731
    made.limiter = type(made.limiter)(counted)  # type: ignore[arg-type]
    response = Response()
    cheapest = [float("inf")] * 2
    with app.test_request_context(path, method=method, headers={"Authorization": "Bearer x"}):
        for _ in range(rounds):
            begun = time.thread_time(), time.perf_counter()
            for _ in range(REQUESTS):
                g.pop("standing", None)
                limits._limit_strangers()
                limits.spend(ACTOR)
                limits._tell(response)
                response.headers.clear()
            ended = time.thread_time(), time.perf_counter()
            cheapest = [min(old, b - a) for old, a, b in zip(cheapest, begun, ended, strict=True)]
    return {
        "processor_us": round(cheapest[0] / REQUESTS * 1e6, 1),
        "clock_us": round(cheapest[1] / REQUESTS * 1e6, 1),
        "redis_trips_per_1000": round(trips[0] / rounds, 1),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    rounds = parser.parse_args().rounds
    with application() as app:
        print(
            json.dumps(
                {
                    "post_events": measure(app, "POST", "/api/v1/events", rounds),
                    "read_invoices": measure(app, "GET", "/api/v1/invoices", rounds),
                }
            )
        )


if __name__ == "__main__":
    main()
