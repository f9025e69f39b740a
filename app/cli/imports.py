"""`flask import-events`: usage from a file."""

from pathlib import Path

import click

from app import clock
from app.cli.console import actor, command, progress, say, table
from app.cli.work import drain
from app.db import in_transaction
from app.services import events, imports
from app.services.imports import Import, Report, accounts


@click.command("import-events")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--map",
    "maps",
    multiple=True,
    metavar="FIELD=COLUMN",
    help="Where a field comes from: a column, or text with columns in braces. Fields: event_id, account_id, "
    "metric, timestamp, quantity, properties.NAME. A column of the same name needs no --map.",
)
@click.option("--metric", metavar="CODE", help="The metric of every row.")
@click.option(
    "--dimension", "dimensions", multiple=True, metavar="COLUMN", help="A column to keep as a property."
)
@click.option("--backfill", is_flag=True, help="Take usage of any age.")
@click.option(
    "--create-accounts",
    "plan",
    metavar="PLAN",
    help="Make an account on this plan for every unknown account id.",
)
@command
def import_events(
    file: Path,
    maps: tuple[str, ...],
    metric: str | None,
    dimensions: tuple[str, ...],
    backfill: bool,
    plan: str | None,
) -> None:
    """Import usage from FILE: CSV or JSON lines, plain or .gz.

    The file is read to its end before anything is stored; importing it again, or after a crash, adds only
    what is new. Rows that are refused become dead letters, to be mended and replayed in the back office.

    \b
    flask import-events requests.csv.gz --map event_id=request_id --map account_id=client \\
        --map timestamp=requested_at --metric requests --backfill --create-accounts web-traffic
    flask import-events requests.csv.gz --map "event_id=bytes-{request_id}" --map account_id=client \\
        --map timestamp=requested_at --metric bytes --backfill
    """
    at = clock.now()
    max_age = None if backfill else events.oldest_allowed()
    job = imports.prepare(file, maps, metric=metric, dimensions=dimensions, max_age=max_age, at=at)
    made = _make_accounts(job, plan) if plan else 0
    report = Report()
    with progress("Importing", job.survey.rows) as advance:
        for batch in job.batches():
            imports.store(batch, report, actor=actor(), at=at)
            advance(len(batch))
    drain()
    _tell(job, report, made, plan)


def _make_accounts(job: Import, plan: str) -> int:
    since = job.earliest_at or clock.now()
    unknown = in_transaction(job.unknown)
    with progress("Making accounts", len(unknown)) as advance:
        for count in accounts.make_all(unknown, plan, since=since, actor=actor()):
            advance(count)
    return len(unknown)


def _tell(job: Import, report: Report, made: int, plan: str | None) -> None:
    say(f"{job.survey.path.name}: {report.total:,} rows of {len(job.senders):,} accounts")
    if job.earliest_at and job.latest_at:
        say(f"from {job.earliest_at:%Y-%m-%d %H:%M} to {job.latest_at:%Y-%m-%d %H:%M} UTC")
    rows: list[tuple[str, object]] = [("accounts made", f"{made:,}")] if plan else []
    rows += [("accepted", f"{report.accepted:,}"), ("duplicate", f"{report.duplicates:,}")]
    if report.conflicts:
        rows.append(("of these with other content", f"{report.conflicts:,}"))
    rows.append(("rejected", f"{report.rejected:,}"))
    table(rows)
    for code, count in report.reasons.most_common():
        say(f"    {count:,} × {code}: {report.examples[code]}")
    if report.rejected:
        say("Rejected rows are dead letters: mend and replay them at /admin/dead-letters/.")
    if "unknown_account" in report.reasons and not plan:
        say("To make the missing accounts on the fly, add --create-accounts PLAN.")
