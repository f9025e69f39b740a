"""What an import would do: told before it is begun, with nothing stored."""

from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from app.models import StoredFile
from app.permissions import Actor
from app.services import events
from app.services.imports import BATCH, Report, choices, runs, uploads
from app.services.imports.choices import Choices

MOST_CHECKED = 10_000


@dataclass(frozen=True, slots=True)
class Trial:
    """What the first `checked` of `rows` rows would become; `unknown` of all `senders` have no account."""

    checked: int
    rows: int
    report: Report
    senders: int
    unknown: int
    earliest_at: datetime | None
    latest_at: datetime | None


def check(upload: StoredFile, chosen: Choices, *, at: datetime, actor: Actor) -> Trial:
    """Try an import on the first ten thousand rows; nothing is stored.

    Raises:
        TooOld, Invalid, UnreadableFile, BadMapping, NotFound: as `runs.start` says.
        Unavailable: the database is away.
    """
    with uploads.opened(upload) as path:
        job = choices.prepare(path, chosen, at=at)
        batches = islice(job.batches(), MOST_CHECKED // BATCH)
        sample = [event for batch in batches for event in batch]
    if chosen.plan:
        runs.check_plan(chosen.plan, job.earliest_at or at)
    unknown = job.unknown()
    report = Report()
    report.count(events.check(sample, actor=actor, at=at, expected=unknown if chosen.plan else ()))
    return Trial(
        len(sample),
        job.survey.rows,
        report,
        len(job.senders),
        len(unknown),
        job.earliest_at,
        job.latest_at,
    )
