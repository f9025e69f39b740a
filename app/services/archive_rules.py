"""Which months may be archived: old ones whose usage is metered, proved and billed, and comes no more."""

from datetime import datetime, timedelta

from sqlalchemy import func, select, text

from app.config import current_settings
from app.db import db
from app.domain.aggregations import aggregations
from app.models import EventArchive
from app.models.archives import ArchiveStatus
from app.services import archive_tables as tables
from app.services.archive_tables import Partition

IN_MONTH = "bucket_at >= :start AND bucket_at < :end"

ADDING = [name for name, entry in aggregations.items() if entry.adds]

WAITING = text(f"SELECT count(*) FROM usage_deltas WHERE {IN_MONTH}")  # noqa: S608

# By account and metric: events less corrections less rollups, in number, and in quantity where that adds.
DIFFERENCES = text(f"""
    SELECT count(*) FILTER (WHERE n <> 0 OR (q <> 0 AND aggregation = ANY (:adding))) AS wrong,
           coalesce(sum(n), 0) AS rest
    FROM (
        SELECT account_id, metric_id, sum(n) AS n, sum(q) AS q FROM (
            SELECT account_id, metric_id, count(*) AS n, sum(quantity) AS q FROM usage_events
            WHERE occurred_at >= :start AND occurred_at < :end GROUP BY account_id, metric_id
            UNION ALL SELECT account_id, metric_id, -sum(events), -sum(quantity) FROM usage_rollups
            WHERE {IN_MONTH} GROUP BY account_id, metric_id
            UNION ALL SELECT account_id, metric_id, -count(*), -sum(quantity) FROM event_corrections
            WHERE {IN_MONTH} GROUP BY account_id, metric_id
        ) AS each_side GROUP BY account_id, metric_id
    ) AS summed JOIN metrics m ON m.id = summed.metric_id
""")  # noqa: S608

UNBILLED = text("""
    SELECT count(*) AS charges, max(period_end) - interval '1 microsecond' AS until FROM charge_positions
    WHERE period_start < :end AND period_end > :start
      AND (period_end > :at OR quantity <> invoiced_quantity)
""")

LAST_ARRIVED = text(
    "SELECT max(received_at) FROM usage_events WHERE occurred_at >= :start AND occurred_at < :end"
)


def kept_since(at: datetime) -> str:
    """Return the first month that the retention keeps: with 12 months in November 2026 it is `2025-11`."""
    return tables.plus(tables.month_of(at), -current_settings().event_retention_months)


def old_months(at: datetime, before: str | None = None) -> list[Partition]:
    """Return the partitions of months that are older than the retention, or than `before` if that is older.

    Raises:
        Invalid: `before` is no month.
    """
    first = kept_since(at)
    if before is not None:
        tables.span_of(before)
        first = min(first, before)
    return [one for one in tables.partitions() if one.month < first and _holds_any(one.month)]


def reasons_against(month: str, *, at: datetime, asked_for: bool = False) -> list[str]:
    """Return why a month may not be archived now, a sentence each; nothing where it may.

    `asked_for` sets aside what only the calendar run minds: that the month was restored or filled lately.

    Raises:
        Invalid: `month` is none.
    """
    span = tables.span_of(month)
    last_bucket_moves = span.end + timedelta(days=current_settings().event_max_age_days)
    kept = kept_since(at)
    if month >= kept or last_bucket_moves > at:
        months = current_settings().event_retention_months
        return [f"Events are kept for {months} full months, now from {kept} on."]
    within = {"start": span.start, "end": span.end}
    reasons = [] if asked_for else _lately(month, within, at)
    waiting = db.session.scalar(WAITING, within)
    if waiting:
        reasons.append(f"Usage of it waits to be metered, in {waiting:,} parts.")
    elif _differs(month, within):
        reasons.append("Its rollups and its events differ; flask verify says where.")
    unbilled = db.session.execute(UNBILLED, {**within, "at": at}).one()
    if unbilled.charges:
        command = f"flask billing run --period {tables.month_of(unbilled.until)}"
        reasons.append(f"{unbilled.charges:,} charges of it are not invoiced yet: {command}.")
    return reasons


def _holds_any(month: str) -> bool:
    return bool(db.session.scalar(text(f"SELECT EXISTS (SELECT FROM {tables.table_of(month)})")))  # noqa: S608


def _lately(month: str, within: dict[str, datetime], at: datetime) -> list[str]:
    reasons = []
    kept = db.session.scalar(select(func.max(EventArchive.keep_until)).where(EventArchive.month == month))
    if kept is not None and kept > at:
        reasons.append(f"It was restored and stays until {kept:%Y-%m-%d}.")
    arrived = db.session.scalar(LAST_ARRIVED, within)
    quiet = timedelta(days=current_settings().event_max_age_days)
    if arrived is not None and arrived + quiet > at:
        reasons.append(
            f"Events of it arrived on {arrived:%Y-%m-%d}; it stays until {arrived + quiet:%Y-%m-%d}."
        )
    return reasons


def _differs(month: str, within: dict[str, datetime]) -> bool:
    """Tell whether rollups and events of a month do not agree, what is in files counted in."""
    in_files = select(func.sum(EventArchive.rows)).where(
        EventArchive.month == month,
        EventArchive.status.in_((ArchiveStatus.archived, ArchiveStatus.restoring)),
    )
    archived = db.session.scalar(in_files) or 0
    found = db.session.execute(DIFFERENCES, {**within, "adding": ADDING}).one()
    return bool(found.rest + archived) or bool(found.wrong and not archived)
