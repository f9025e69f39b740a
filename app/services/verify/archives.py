"""Checks of the care of the events: the months that come next, and those that are in files."""

from datetime import datetime

from sqlalchemy import select

from app.config import current_settings
from app.db import db
from app.errors import DomainError
from app.gateways.files import open_store
from app.models import EventArchive
from app.services import archive_steps, archives
from app.services import archive_tables as tables
from app.services.verify.checks import Findings, check, stream

LEAST_MONTHS_AHEAD = 2
# How many files are read to their end by one run; where there are more, each has its turn on another day.
READ_AT_ONCE = 12

MONTH = "date_trunc('month', {}, 'UTC')"
UNEVEN = f"""
    SELECT month, sum(keys) AS keys, sum(live) AS live, sum(kept) AS kept, sum(metered) AS metered,
           sum(taken_back) AS taken_back
    FROM (
        SELECT {MONTH.format("occurred_at")} AS month, count(*) AS keys, 0 AS live, 0 AS kept, 0 AS metered,
               0 AS taken_back FROM event_keys GROUP BY 1
        UNION ALL SELECT {MONTH.format("occurred_at")}, 0, count(*), 0, 0, 0 FROM usage_events GROUP BY 1
        UNION ALL SELECT {MONTH.format("first_at")}, 0, 0, rows, 0, 0 FROM event_archives
            WHERE status IN ('archived', 'restoring')
        UNION ALL SELECT {MONTH.format("bucket_at")}, 0, 0, 0, sum(events), 0 FROM usage_rollups GROUP BY 1
        UNION ALL SELECT {MONTH.format("bucket_at")}, 0, 0, 0, sum(events), 0 FROM usage_deltas GROUP BY 1
        UNION ALL SELECT {MONTH.format("bucket_at")}, 0, 0, 0, 0, count(*) FROM event_corrections GROUP BY 1
    ) AS each_side
    WHERE to_char(month AT TIME ZONE 'UTC', 'YYYY-MM') = ANY(:months)
    GROUP BY month
    HAVING sum(keys) <> sum(live) + sum(kept) OR sum(metered) <> sum(live) + sum(kept) - sum(taken_back)
    ORDER BY month
"""  # noqa: S608


@check("partitions", "The next months of events have their tables")
def partitions(findings: Findings, at: datetime) -> None:
    """Look for the months that follow this one; without them the first event of a month has to make it."""
    there = {one.month for one in tables.partitions()}
    findings.count("months", len(there))
    for ahead in range(LEAST_MONTHS_AHEAD + 1):
        month = tables.plus(tables.month_of(at), ahead)
        if month not in there:
            findings.add(
                month, "It has no table yet. The job jobs.care.ensure_partitions makes it: see its runs."
            )


@check("archives", "Every archived month is in the file store, byte for byte")
def archive_files(findings: Findings, at: datetime) -> None:
    """Compare the size of every file, and the content of as many as one run may read."""
    query = select(EventArchive).where(EventArchive.status.in_(archives.IN_FILES))
    rows = list(db.session.scalars(query.order_by(EventArchive.file_key)))
    store, turns = open_store(current_settings()), -(-len(rows) // READ_AT_ONCE)
    for n, row in enumerate(rows):
        findings.count("files")
        findings.count("events", row.rows)
        try:
            size = store.size(row.file_key)
            if size != row.size:
                findings.add(row.file_key, f"It has {size:,} bytes and should have {row.size:,}.")
            elif (n + at.toordinal()) % turns == 0:
                findings.count("read")
                archive_steps.check_file(row)
        except DomainError as error:
            findings.add(row.file_key, error.message)


@check("archived_events", "Every key of an archived month has its event, in the table or in a file")
def archived_events(findings: Findings, at: datetime) -> None:
    """Compare keys, events, files and rollups of every month that is in files; all others are compared by
    account in the checks of usage.
    """
    months = archives.months()
    findings.count("months", len(months))
    for row in stream(UNEVEN, months=months) if months else ():
        message = (
            f"There are {row.keys} keys and {row.metered} metered events for {row.live} events in the table, "
            f"{row.kept} in files and {row.taken_back} taken back."
        )
        findings.add(f"{row.month:%Y-%m}", message)
