"""Millions of events, made inside the database: what ingest and metering would have left behind."""

import time

import psycopg

CHUNK = 500_000

# The months of UTC from an instant until now.
MONTHS = """
    SELECT start, start + interval '1 month'
    FROM generate_series(date_trunc('month', %s::timestamptz, 'UTC'), now(), interval '1 month') AS start
"""

METRICS = """
    INSERT INTO metrics (id, code, name, aggregation, unit, dimensions, active)
    SELECT gen_random_uuid(), code, code, 'count', 'message', '{channel,country}', true
    FROM unnest('{auth.whatsapp,auth.mail,fraud.check,audit.export}'::text[]) AS code
"""

# A few accounts send most of it; of the metrics one has two thirds, one a hundredth, and one is used by a
# single event in a million.
EVENTS = """
    WITH numbered AS (
        SELECT n, floor(%(accounts)s * power(random(), 3))::int AS account, random() AS kind,
               (n %% 3)::int AS channel, random() < 0.05 AS abroad
        FROM generate_series(%(first)s::bigint, %(last)s::bigint) n
    ), made AS (
        SELECT a.id AS account_id, 'ev-' || to_char(n, 'FM0000000000') AS event_id,
               %(begin)s::timestamptz + (%(span)s::interval / %(events)s) * n AS occurred_at,
               m.id AS metric_id,
               jsonb_build_object('channel', ('{sms,whatsapp,email}'::text[])[channel + 1],
                                  'country', CASE WHEN abroad THEN 'AE' ELSE 'IN' END) AS properties
        FROM numbered
        JOIN (SELECT id, row_number() OVER (ORDER BY id) - 1 AS number FROM accounts) a ON a.number = account
        JOIN (SELECT id, code FROM metrics) m ON m.code = CASE
            WHEN n %% 1000000 = 0 THEN 'audit.export' WHEN kind < 0.66 THEN 'auth.otp'
            WHEN kind < 0.88 THEN 'auth.whatsapp' WHEN kind < 0.99 THEN 'auth.mail' ELSE 'fraud.check' END
    ), keys AS (
        INSERT INTO event_keys (account_id, event_id, body_sha256, occurred_at)
        SELECT account_id, event_id, ''::bytea, occurred_at FROM made
    )
    INSERT INTO usage_events (account_id, occurred_at, event_id, metric_id, quantity, properties)
    SELECT account_id, occurred_at, event_id, metric_id, 1, properties FROM made
"""

# In the order in which metering would have written them: those of one account lie scattered.
ROLLUPS = """
    INSERT INTO usage_rollups (account_id, metric_id, bucket_at, dimensions, quantity, events)
    SELECT account_id, metric_id, date_bin('15 minutes', occurred_at, 'epoch'), properties, count(*), count(*)
    FROM usage_events WHERE occurred_at >= %(start)s AND occurred_at < %(end)s
    GROUP BY 1, 2, 3, 4 ORDER BY 3, 1 ON CONFLICT DO NOTHING
"""


def fill(url: str, events: int, accounts: int, days: int) -> dict[str, float]:
    """Store so many events of the last days with their keys and rollups; return how many rows and seconds."""
    begun = time.perf_counter()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET work_mem = '256MB'")
        connection.execute("SET synchronous_commit = off")
        (begin,) = connection.execute("SELECT now() - make_interval(days => %s)", (days,)).fetchone() or ()
        months = connection.execute(MONTHS, (begin,)).fetchall()
        for start, _ in months:
            connection.execute("SELECT ensure_usage_partition(%s)", (start,))
        connection.execute(METRICS)
        given = {"accounts": accounts, "events": events, "begin": begin, "span": f"{days} days"}
        for first in range(0, events, CHUNK):
            last = min(first + CHUNK, events) - 1
            connection.execute(EVENTS, {**given, "first": first, "last": last})
        for start, end in months:
            connection.execute(ROLLUPS, {"start": start, "end": end})
        connection.execute("VACUUM ANALYZE usage_events, event_keys, usage_rollups")
        connection.execute("CHECKPOINT") if _may_checkpoint(connection) else None
        (rolled,) = connection.execute("SELECT count(*) FROM usage_rollups").fetchone() or (0,)
    return {"events": events, "rollups": rolled, "seconds": round(time.perf_counter() - begun)}


def _may_checkpoint(connection: psycopg.Connection[tuple[object, ...]]) -> bool:
    found = connection.execute("SELECT pg_has_role(current_user, 'pg_checkpoint', 'MEMBER')").fetchone()
    return bool(found and found[0])
