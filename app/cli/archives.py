"""`flask archive`: months of events into files, and back."""

from datetime import datetime, timedelta

import click
from flask.cli import AppGroup
from sqlalchemy import select

from app import clock
from app.cli.console import actor, command, progress, say, table
from app.db import db, in_transaction
from app.errors import DomainError
from app.formatting import format_bytes
from app.models import EventArchive
from app.services import archive_rules, archive_steps, archives
from app.services.archive_tables import Partition

archive = AppGroup("archive", help="Months of usage events into files, and back.")

MONTH = "YYYY-MM"


@archive.command("run", with_appcontext=False)
@click.option(
    "--before", metavar=MONTH, help="Only months before this one; by default all past the retention."
)
@click.option("--month", metavar=MONTH, help="Only this month, also if it was restored or filled lately.")
@click.option(
    "--dry-run", is_flag=True, help="Say what would be archived and what stays, and change nothing."
)
@command
def run(before: str | None, month: str | None, dry_run: bool) -> None:
    """Move old months into files of the file store, and drop them from the database.

    A month goes when it is older than EVENT_RETENTION_MONTHS, metered, proved and invoiced. Interrupted at
    any point, the next run goes on. Exits with 1 if a month failed.

    \b
    flask archive run --dry-run
    flask archive run --before 2025-11
    """
    at = clock.now()
    if dry_run:
        _tell_plan(in_transaction(lambda: _plan(at, before, month)))
        return
    if month:
        in_transaction(lambda: archives.request(month, at=at, actor=actor()).id)
    else:
        in_transaction(lambda: len(archives.request_old(at=at, actor=actor(), before=before)))
    _work(at)


@archive.command("restore", with_appcontext=False)
@click.argument("month", metavar=MONTH)
@click.option(
    "--days", default=archives.RESTORED_FOR.days, show_default=True, help="How long it stays at least."
)
@command
def restore(month: str, days: int) -> None:
    """Put the events of a month back into the database, beside those that came since.

    \b
    flask archive restore 2025-03
    """
    at = clock.now()
    keep_until = at + timedelta(days=days)
    in_transaction(lambda: len(archives.request_restore(month, at=at, actor=actor(), keep_until=keep_until)))
    _work(at)


@archive.command("list", with_appcontext=False)
@command
def list_archives() -> None:
    """Show every file with its month, events, size and checksum."""
    for row in _rows():
        say(
            f"{row.month}  {row.sequence}  {row.status:<9}  {row.rows:>12,} events  "
            f"{format_bytes(row.size):>10}  {(row.sha256 or b'').hex()[:16]}  {row.file_key}"
        )
        if row.error:
            say(f"            {row.error}")


@archive.command("verify", with_appcontext=False)
@command
def verify() -> None:
    """Read every file that holds archived events to its end. Exits with 1 if one is damaged or gone."""
    rows = [row for row in _rows() if row.status in archives.IN_FILES]
    wrong = 0
    with progress("Reading", len(rows)) as advance:
        for row in rows:
            try:
                archive_steps.check_file(row)
            except DomainError as error:
                wrong += 1
                say(f"{row.file_key}: {error.message}")
            advance(1)
    say(
        f"{wrong} of {len(rows)} files are not as they were written."
        if wrong
        else f"{len(rows)} files are whole."
    )
    if wrong:
        raise click.exceptions.Exit(1)


def _plan(at: datetime, before: str | None, month: str | None) -> list[tuple[Partition, list[str]]]:
    chosen = [one for one in archive_rules.old_months(at, before) if month in (None, one.month)]
    return [
        (one, archive_rules.reasons_against(one.month, at=at, asked_for=month is not None)) for one in chosen
    ]


def _tell_plan(found: list[tuple[Partition, list[str]]]) -> None:
    if not found:
        say("No month is old enough.")
    for one, reasons in found:
        verb = f"stays: {' '.join(reasons)}" if reasons else "would be archived"
        say(f"{one.month}  about {one.about:,} events, {format_bytes(one.size)}: {verb}")


def _work(at: datetime) -> None:
    with progress("Events", None) as advance:
        done: dict[str, int] = {}

        def tell(row: EventArchive, count: int) -> None:
            advance(count - done.get(row.month, 0))
            done[row.month] = count

        counts = archives.work(at=at, actor=actor(), tell=tell, again=True)
    table([(name, f"{count:,}") for name, count in counts.items()])
    for row in _rows():
        if row.error:
            say(f"  {row}: {row.error}")
    if counts["failed"]:
        raise click.exceptions.Exit(1)


def _rows() -> list[EventArchive]:
    def read() -> list[EventArchive]:
        found = list(
            db.session.scalars(select(EventArchive).order_by(EventArchive.month, EventArchive.sequence))
        )
        db.session.expunge_all()
        return found

    return in_transaction(read)
