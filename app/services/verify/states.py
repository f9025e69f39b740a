"""The check of the buckets whose quantities do not add.

Metering has the database work them out; here each is worked out event by event, by the definition of its
aggregation.
"""

from collections.abc import Collection, Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec
from sqlalchemy import text

from app.db import db
from app.domain.aggregations import Observation, Window, aggregations
from app.domain.money import plain
from app.domain.periods import BUCKET
from app.services import archives
from app.services.rollups import EVENTS_IN_BUCKETS, Bucket, columns_of
from app.services.verify.checks import CHUNK, Findings, check, chunks, stream

BUCKETS_AT_ONCE = 500
ZERO = Decimal(0)
UNEVEN = [name for name, entry in aggregations.items() if not entry.adds]

UNEVEN_ROLLUPS = """
    SELECT r.account_id, r.metric_id, r.bucket_at, r.dimensions::text AS dimensions, r.quantity, r.events,
           r.state::text AS state, m.code, m.aggregation
    FROM usage_rollups r JOIN metrics m ON m.id = r.metric_id
    WHERE m.aggregation = ANY(:uneven)
        AND date_trunc('month', r.bucket_at, 'UTC') <> ALL (CAST(:archived AS timestamptz[]))
        AND NOT EXISTS (
            SELECT FROM usage_deltas d WHERE d.account_id = r.account_id AND d.metric_id = r.metric_id
                AND d.bucket_at = r.bucket_at AND d.dimensions = r.dimensions
        )
"""

READ_EVENTS = text(f"""
    SELECT b.account_id, b.metric_id, b.bucket_at, d.dimensions::text AS dimensions,
           e.occurred_at, e.event_id, e.quantity, e.properties ->> m.value_property AS value
    {EVENTS_IN_BUCKETS}
""")


@check("states", "Every bucket that does not add holds what its events come to")
def states(findings: Findings, at: datetime) -> None:
    """Work out each such bucket that waits for nothing by the definition of its aggregation; archived months
    stay as they are."""
    rows = stream(UNEVEN_ROLLUPS, uneven=UNEVEN, archived=archives.month_starts())
    for some in chunks(rows, BUCKETS_AT_ONCE):
        findings.count("buckets", len(some))
        observed: dict[Bucket, list[Observation]] = {Bucket(*row[:4]): [] for row in some}
        for bucket, observation in _observations_of(observed):
            observed[bucket].append(observation)
        for row in some:
            _compare_state(findings, row, observed[Bucket(*row[:4])])


def _compare_state(findings: Findings, row: Any, observed: list[Observation]) -> None:
    entry, window = aggregations[row.aggregation], Window(row.bucket_at, row.bucket_at + BUCKET)
    quantity = entry.value(observed, window) if observed else ZERO
    state = entry.observe(observed) if observed else None
    held = None if row.state is None else msgspec.json.decode(row.state)
    if (row.quantity, row.events, held) != (quantity, len(observed), state):
        message = (
            f"It holds {plain(row.quantity)} in {row.events} events, "
            f"its events come to {plain(quantity)} in {len(observed)}."
        )
        where = f"{row.code} of account {row.account_id} from {row.bucket_at:%Y-%m-%d %H:%M}"
        findings.add(where, message)


def _observations_of(buckets: Collection[Bucket]) -> Iterator[tuple[Bucket, Observation]]:
    rows = db.session.execute(READ_EVENTS, columns_of(buckets), execution_options={"yield_per": CHUNK})
    for row in rows:
        bucket = Bucket(*row[:4])
        if bucket in buckets:
            yield bucket, Observation(*row[4:])
