"""How fast a backlog is metered: `python -m bench.metering` prints one line of JSON.

A PostgreSQL of its own (fsync on) gets a queue with one delta per event, of a hundred prepaid accounts at ₹1
an event, as after a night without workers. It is metered in this process; in the end everything is charged.
How soon a single event is in a balance is measured by `bench.ingest`.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import func, select

from app.db import db, in_transaction
from app.domain.periods import bucket_start
from app.factory import create_app
from app.models import ChargePosition
from app.services import metering
from app.services.rating import Tariffs
from bench.stack import ACCOUNTS, open_stack

BACKLOG = """
    INSERT INTO usage_deltas (account_id, metric_id, bucket_at, dimensions, quantity, events)
    SELECT a.id, m.id, %(first)s + make_interval(mins => 15 * (n / 100 %% 96)::int),
           jsonb_build_object('channel', 'c' || n %% 3), 1, 1
    FROM generate_series(1, %(events)s) n
    JOIN (SELECT id, row_number() OVER (ORDER BY id) - 1 AS number FROM accounts) a ON a.number = n %%
    %(accounts)s CROSS JOIN metrics m
"""


def drain_backlog(app: Any, url: str, events: int) -> dict[str, float]:
    """Meter a backlog of one delta per event in this process."""
    with psycopg.connect(url) as connection:
        first = bucket_start(datetime.now(UTC) - timedelta(days=2))
        connection.execute(BACKLOG, {"first": first, "events": events, "accounts": ACCOUNTS})
    with app.app_context():
        tariffs, done, started = Tariffs(), 0, time.perf_counter()
        while batch := in_transaction(lambda: metering.drain(metering.BATCH, tariffs)):
            done += batch
        seconds = time.perf_counter() - started
    return {"deltas": done, "deltas_per_second": round(done / seconds)}


def measure(options: argparse.Namespace, data: Path) -> dict[str, Any]:
    """Return all figures of one run."""
    with open_stack(data) as stack:
        app = create_app(stack.settings)
        backlog = drain_backlog(app, stack.stores.database_url, options.backlog)
        with app.app_context():
            charged = db.session.scalar(select(func.sum(ChargePosition.charged_amount)))
            db.session.remove()
            db.engine.dispose()
    return {
        "bench": "metering",
        "cores": os.cpu_count(),
        "fsync": True,
        "backlog": backlog,
        "charged": int(charged or 0),
    }


def main() -> int:
    """Run the measurement; fail when something was left or the books do not balance."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backlog", type=int, default=50_000, help="deltas")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="otpless-bench-") as directory:
        figures = measure(options, Path(directory))
    print(json.dumps(figures))
    return 0 if figures["backlog"]["deltas"] == figures["charged"] == options.backlog else 1


if __name__ == "__main__":
    sys.exit(main())
