"""Checks of the way from events to money: keys, rollups, positions, charges."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select

from app.db import db
from app.domain.aggregations import aggregations
from app.domain.groups import NO_USAGE, Groups, Total
from app.domain.money import plain, quantize
from app.models import ChargePosition
from app.services import archives
from app.services.rating import Place, Tariffs
from app.services.rollups import PlaceKey, Tally
from app.services.verify.checks import Findings, check, chunks, count_rows, stream

ACCOUNTS_AT_ONCE = 500
UNEVEN = [name for name, entry in aggregations.items() if not entry.adds]

UNKEYED = """
    SELECT account_id, sum(keys) AS keys, sum(events) AS events FROM (
        SELECT account_id, count(*) AS keys, 0 AS events FROM event_keys
            WHERE date_trunc('month', occurred_at, 'UTC') <> ALL (CAST(:archived AS timestamptz[]))
            GROUP BY account_id
        UNION ALL SELECT account_id, 0, count(*) FROM usage_events
            WHERE date_trunc('month', occurred_at, 'UTC') <> ALL (CAST(:archived AS timestamptz[]))
            GROUP BY account_id
    ) AS each_side GROUP BY account_id HAVING sum(keys) <> sum(events)
"""

# Quantities are compared where they add. Elsewhere a recomputed rollup may be ahead of the deltas that wait.
MISCOUNTED = """
    SELECT u.account_id, m.code, sum(accepted) AS accepted, sum(accepted_events) AS accepted_events,
           sum(metered) AS metered, sum(metered_events) AS metered_events,
           coalesce(m.aggregation = ANY(:uneven), false) AS uneven
    FROM (
        SELECT account_id, metric_id, sum(quantity) AS accepted, count(*) AS accepted_events, 0 AS metered,
               0 AS metered_events, 0 AS waiting FROM usage_events
            WHERE date_trunc('month', occurred_at, 'UTC') <> ALL (CAST(:archived AS timestamptz[]))
            GROUP BY account_id, metric_id
        UNION ALL SELECT account_id, metric_id, -sum(quantity), -count(*), 0, 0, 0 FROM event_corrections
            WHERE date_trunc('month', bucket_at, 'UTC') <> ALL (CAST(:archived AS timestamptz[]))
            GROUP BY account_id, metric_id
        UNION ALL SELECT account_id, metric_id, 0, 0, sum(quantity), sum(events), 0 FROM usage_rollups
            WHERE date_trunc('month', bucket_at, 'UTC') <> ALL (CAST(:archived AS timestamptz[]))
            GROUP BY account_id, metric_id
        UNION ALL SELECT account_id, metric_id, 0, 0, sum(quantity), sum(events), count(*) FROM usage_deltas
            WHERE date_trunc('month', bucket_at, 'UTC') <> ALL (CAST(:archived AS timestamptz[]))
            GROUP BY account_id, metric_id
    ) AS u LEFT JOIN metrics m ON m.id = u.metric_id
    GROUP BY u.account_id, m.code, m.aggregation
    HAVING CASE WHEN m.aggregation = ANY(:uneven)
        THEN sum(waiting) = 0 AND sum(accepted_events) <> sum(metered_events)
        ELSE sum(accepted) <> sum(metered) OR sum(accepted_events) <> sum(metered_events) END
"""

METERED_ACCOUNTS = """
    SELECT DISTINCT account_id FROM (
        SELECT account_id FROM usage_rollups UNION ALL SELECT account_id FROM charge_positions
    ) AS metered ORDER BY account_id
"""

PREPAID_ACCOUNTS = """
    SELECT id AS account_id FROM accounts a WHERE billing_mode = 'prepaid'
        AND EXISTS (SELECT FROM charge_positions p WHERE p.account_id = a.id)
    ORDER BY id
"""

ROLLUPS = """
    SELECT account_id, metric_id, bucket_at, dimensions::text AS dimensions, quantity, events,
           state::text AS state
    FROM usage_rollups WHERE account_id = ANY(:accounts)
"""

UNPOSTED = """
    SELECT a.id, coalesce(c.charged, 0) AS charged, coalesce(p.posted, 0) AS posted
    FROM accounts a
    LEFT JOIN (SELECT account_id, sum(charged_amount) AS charged FROM charge_positions GROUP BY account_id) c
        ON c.account_id = a.id
    LEFT JOIN (SELECT account_id, sum(amount) AS posted FROM postings WHERE book = 'revenue' GROUP BY
    account_id) p
        ON p.account_id = a.id
    WHERE coalesce(c.charged, 0) <> coalesce(p.posted, 0)
"""


@check("event_keys", "Every accepted event has its key, and every key its event")
def event_keys(findings: Findings, at: datetime) -> None:
    """Compare the number of keys and events of every account; archived months are compared elsewhere."""
    count_rows(findings, events="usage_events", keys="event_keys")
    for row in stream(UNKEYED, archived=archives.month_starts()):
        findings.add(f"account {row.account_id}", f"There are {row.keys} keys for {row.events} events.")


@check("rollups", "Every accepted event is in exactly one rollup or waits to be")
def rollups(findings: Findings, at: datetime) -> None:
    """Compare events that count with rollups and the metering queue, by account and metric."""
    count_rows(findings, rollups="usage_rollups", waiting="usage_deltas")
    for row in stream(MISCOUNTED, uneven=UNEVEN, archived=archives.month_starts()):
        accepted, metered = f"{row.accepted_events} events", f"{row.metered_events} events"
        if not row.uneven:
            accepted, metered = f"{plain(row.accepted)} in {accepted}", f"{plain(row.metered)} in {metered}"
        message = f"{accepted} were accepted, {metered} were metered."
        findings.add(f"{row.code} of account {row.account_id}", message)


@check("positions", "Every rolled-up quantity is in the charge position of its price")
def positions(findings: Findings, at: datetime) -> None:
    """Match all rollups anew and compare what they come to with the positions; count what no price fits."""
    tariffs = Tariffs()
    for rows in chunks(stream(METERED_ACCOUNTS), ACCOUNTS_AT_ONCE):
        accounts = [row.account_id for row in rows]
        tariffs.load(accounts)
        wanted: dict[PlaceKey, Tally] = {}
        for row in stream(ROLLUPS, accounts=accounts):
            place = tariffs.place(row.account_id, row.metric_id, row.bucket_at, row.dimensions)
            if place is None:
                findings.count("rollups without a price")
            else:
                wanted.setdefault(place.key, Tally(place)).take(row)
        sums = {key: each.whole for key, each in wanted.items()}
        _compare_positions(findings, sums, _positions_of(accounts))


def _positions_of(accounts: list[UUID]) -> Iterable[Any]:
    columns = (
        ChargePosition.id,
        ChargePosition.subscription_id,
        ChargePosition.component_id,
        ChargePosition.period_start,
        ChargePosition.quantity,
        ChargePosition.events,
        ChargePosition.groups,
    )
    return db.session.execute(select(*columns).where(ChargePosition.account_id.in_(accounts)))


def _compare_positions(findings: Findings, wanted: dict[PlaceKey, Total], rows: Iterable[Any]) -> None:
    for row in rows:
        findings.count("positions")
        key = (row.subscription_id, row.component_id, row.period_start)
        used = wanted.pop(key, NO_USAGE)
        if (row.quantity, row.events) != (used.quantity, used.events):
            message = (
                f"It holds {plain(row.quantity)} in {row.events} events, "
                f"the rollups {plain(used.quantity)} in {used.events}."
            )
            findings.add(f"position {row.id}", message)
        elif (row.groups or {}) != (used.groups or {}):
            message = f"It holds {_told(row.groups)} by group, the rollups {_told(used.groups)}."
            findings.add(f"position {row.id}", message)
    for (subscription_id, component_id, period_start), used in wanted.items():
        where = f"component {component_id} of subscription {subscription_id}"
        findings.add(
            where, f"{plain(used.quantity)} of the period from {period_start:%Y-%m-%d} has no position."
        )


def _told(groups: Groups | None) -> str:
    return ", ".join(f"{value or 'none'}: {part[0]}" for value, part in sorted((groups or {}).items())) or "0"


@check("charges", "Prepaid usage is charged at exactly its price")
def charges(findings: Findings, at: datetime) -> None:
    """Price every position of a prepaid account anew and compare it with what was charged."""
    tariffs = Tariffs()
    for rows in chunks(stream(PREPAID_ACCOUNTS), ACCOUNTS_AT_ONCE):
        accounts = [row.account_id for row in rows]
        tariffs.load(accounts)
        coverages = {one.subscription_id: one for each in accounts for one in tariffs.coverages(each)}
        query = select(ChargePosition).where(ChargePosition.account_id.in_(accounts))
        for position in db.session.scalars(query.execution_options(yield_per=5_000)):
            findings.count("positions")
            coverage = coverages[position.subscription_id]
            listed = tariffs.prices[position.component_id]
            price = coverage.priced(listed, position.period_start)
            place = Place(coverage, price, coverage.period_at(position.period_start))
            due = place.charge(position).amount
            untouched = not position.quantity and not position.events and not position.charged_amount
            if position.charged_amount != due and not untouched:
                charged = quantize(position.charged_amount, price.currency)
                message = f"{charged} was charged for what costs {due} {price.currency}."
                findings.add(f"position {position.id}", message)


@check("revenue", "What was charged for usage is posted to the ledger")
def revenue(findings: Findings, at: datetime) -> None:
    """Compare the charges of every account with its revenue postings."""
    count_rows(findings, accounts="accounts")
    for row in stream(UNPOSTED):
        message = f"{plain(row.charged)} was charged, {plain(row.posted)} is posted as revenue."
        findings.add(f"account {row.id}", message)
