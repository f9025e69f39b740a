"""The one statement that stores events: keys, events and deltas together, each event exactly once.

`event_keys` decides what is new (`ON CONFLICT DO NOTHING RETURNING`), and only that reaches `usage_events`
and, grouped by account, metric, dimension values and 15-minute bucket, the metering queue `usage_deltas`. All
of it is one statement, so there is no moment at which one table knows an event and another does not.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

import psycopg


class Row(NamedTuple):
    """An event ready to be stored; `quantity` is what its metric counts, `dimensions` canonical JSON text."""

    account_id: UUID
    event_id: str
    body_sha256: bytes
    occurred_at: datetime
    metric_id: UUID
    quantity: Decimal
    properties: str
    bucket_at: datetime
    dimensions: str


class Outcome(NamedTuple):
    """What became of a row: new, or a duplicate; `conflict` where the first one with its id had other
    content.
    """

    accepted: bool
    conflict: bool = False


ACCEPTED = Outcome(True)
DUPLICATE = Outcome(False)
CONFLICT = Outcome(False, True)

# Rows come sorted by key and are inserted in that order: two batches that share events cannot deadlock.
STORE = """
WITH given AS (
    SELECT * FROM unnest(
        %s::uuid[], %s::text[], %s::bytea[], %s::timestamptz[],
        %s::uuid[], %s::numeric[], %s::text[], %s::int[]
    ) WITH ORDINALITY AS t (
        account_id, event_id, body_sha256, occurred_at,
        metric_id, quantity, properties, cell, n
    )
), fresh AS (
    INSERT INTO event_keys (account_id, event_id, body_sha256, occurred_at)
    SELECT account_id, event_id, body_sha256, occurred_at FROM given
    ON CONFLICT DO NOTHING RETURNING account_id, event_id
), stored AS (
    INSERT INTO usage_events (account_id, occurred_at, event_id, metric_id, quantity, properties)
    SELECT account_id, occurred_at, event_id, metric_id, quantity, properties::jsonb
    FROM given JOIN fresh USING (account_id, event_id)
), cells AS (
    SELECT * FROM unnest(%s::int[], %s::timestamptz[], %s::text[]) AS c (cell, bucket_at, dimensions)
), queued AS (
    INSERT INTO usage_deltas (account_id, metric_id, bucket_at, dimensions, quantity, events)
    SELECT account_id, metric_id, bucket_at, dimensions::jsonb, sum(quantity), count(*)
    FROM given JOIN fresh USING (account_id, event_id) JOIN cells USING (cell)
    GROUP BY account_id, metric_id, cell, bucket_at, dimensions
)
SELECT n FROM given LEFT JOIN fresh USING (account_id, event_id) WHERE fresh.event_id IS NULL
"""

FIND_FIRST = """
SELECT account_id, event_id, body_sha256 FROM event_keys
JOIN unnest(%s::uuid[], %s::text[]) AS t (account_id, event_id) USING (account_id, event_id)
"""


def store(connection: psycopg.Connection[Any], rows: Sequence[Row]) -> list[Outcome]:
    """Store what is new of `rows` in the open transaction of `connection`; return one outcome per row, in
    their order.

    An id that stands twice in `rows` counts once, its first row. The partitions of all months must exist.

    Raises:
        psycopg.Error: nothing of `rows` is stored once the caller rolls back.
    """
    firsts = _firsts(rows)
    keys = sorted(firsts)
    refused = connection.execute(STORE, _parameters([firsts[key] for key in keys])).fetchall()
    known = [keys[n - 1] for (n,) in refused]
    if not known and len(keys) == len(rows):
        return [ACCEPTED] * len(rows)
    return _outcomes(rows, firsts, _find_first_bodies(connection, known))


def ensure_partitions(connection: psycopg.Connection[Any], rows: Iterable[Row]) -> None:
    """Make the partitions of the months of `rows` in the open transaction, where they are missing."""
    for year, month in sorted({(row.occurred_at.year, row.occurred_at.month) for row in rows}):
        connection.execute("SELECT ensure_usage_partition(%s)", (datetime(year, month, 1, tzinfo=UTC),))


def foresee(connection: psycopg.Connection[Any], rows: Sequence[Row]) -> list[Outcome]:
    """Return the outcomes that `store` would give now; nothing is stored."""
    firsts = _firsts(rows)
    return _outcomes(rows, firsts, _find_first_bodies(connection, sorted(firsts)))


def _firsts(rows: Sequence[Row]) -> dict[tuple[UUID, str], Row]:
    firsts: dict[tuple[UUID, str], Row] = {}
    for row in rows:
        firsts.setdefault((row.account_id, row.event_id), row)
    return firsts


def _outcomes(
    rows: Sequence[Row], firsts: dict[tuple[UUID, str], Row], bodies: dict[tuple[UUID, str], bytes]
) -> list[Outcome]:
    outcomes = []
    for row in rows:
        key = (row.account_id, row.event_id)
        first = firsts[key]
        if row is first and key not in bodies:
            outcomes.append(ACCEPTED)
        else:
            same = row.body_sha256 == bodies.get(key, first.body_sha256)
            outcomes.append(DUPLICATE if same else CONFLICT)
    return outcomes


def _find_first_bodies(
    connection: psycopg.Connection[Any], keys: Sequence[tuple[UUID, str]]
) -> dict[tuple[UUID, str], bytes]:
    if not keys:
        return {}
    accounts, ids = plain_array(str(key[0]) for key in keys), quoted_array(key[1] for key in keys)
    found = connection.execute(FIND_FIRST, (accounts, ids)).fetchall()
    return {(account_id, event_id): bytes(body) for account_id, event_id, body in found}


def _parameters(rows: Sequence[Row]) -> tuple[str, ...]:
    cells: dict[tuple[UUID, UUID, datetime, str], int] = {}
    cell_of = [
        cells.setdefault((row.account_id, row.metric_id, row.bucket_at, row.dimensions), len(cells))
        for row in rows
    ]
    return (
        plain_array(str(row.account_id) for row in rows),
        quoted_array(row.event_id for row in rows),
        plain_array(f'"\\\\x{row.body_sha256.hex()}"' for row in rows),
        plain_array(f'"{row.occurred_at.isoformat()}"' for row in rows),
        plain_array(str(row.metric_id) for row in rows),
        plain_array(str(row.quantity) for row in rows),
        quoted_array(row.properties for row in rows),
        plain_array(map(str, cell_of)),
        plain_array(map(str, cells.values())),
        plain_array(f'"{cell[2].isoformat()}"' for cell in cells),
        quoted_array(cell[3] for cell in cells),
    )


def plain_array(texts: Iterable[str]) -> str:
    """Return a PostgreSQL array literal of texts that need no escaping. Ten times as fast as the driver's
    adaptation.
    """
    return f"{{{','.join(texts)}}}"


def quoted_array(texts: Iterable[str]) -> str:
    """Return a PostgreSQL array literal of any texts without NUL."""
    escaped = [text.replace("\\", "\\\\").replace('"', '\\"') for text in texts]
    return '{"' + '","'.join(escaped) + '"}' if escaped else "{}"
