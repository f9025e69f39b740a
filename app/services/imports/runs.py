"""Imports as work for a worker: begun by a person, resumable at any point, their progress and report in a
row.

An import is the `JobRun` with the id of its uploaded file; `detail` says what was chosen, how far it is and
what became of the rows. Each batch is kept before the progress is, so a worker that dies in between costs
the report up to a thousand rows that count as duplicates, and never an event.
"""

from collections import Counter
from datetime import datetime
from itertools import islice
from typing import Any
from uuid import UUID

from sqlalchemy import select

from app import clock
from app.db import db, in_transaction, lock
from app.errors import DomainError, Invalid, NotFound, Unavailable
from app.models import JobRun, StoredFile
from app.permissions import Actor, Role
from app.queue import enqueue
from app.services import audit
from app.services.imports import BATCH, Import, Report, accounts, choices, store, uploads
from app.services.imports.choices import Choices
from app.services.sole import alone

JOB = "import"
MOST_ATTEMPTS = 10
RECENT = 10


def start(upload: StoredFile, chosen: Choices, *, at: datetime, actor: Actor) -> JobRun:
    """Begin the import of an uploaded file and wake up a worker; one that was begun is returned as it is.

    Raises:
        TooOld: at `/backfill`, older usage than is taken without that choice.
        Invalid: at `/plan`, no account can be made on it.
        UnreadableFile, BadMapping, NotFound: the choices do not fit the file.
    """
    lock(StoredFile, [upload.id])
    if run := find(upload.id):
        return run
    with uploads.opened(upload) as path:
        job = choices.prepare(path, chosen, at=at)
    if chosen.plan:
        check_plan(chosen.plan, job.earliest_at or at)
    detail = {
        "file": uploads.name_of(upload),
        "choices": chosen.as_json(),
        "at": at.isoformat(),
        "actor": {"kind": actor.kind, "id": actor.id, "label": actor.label, "role": str(actor.role)},
        "attempts": 0,
        "phase": "waiting",
        "rows": job.survey.rows,
        "done": 0,
        "made": 0,
        **_as_json(Report()),
    }
    run = JobRun(id=upload.id, job=JOB, period=str(upload.id), started_at=at, detail=detail)
    db.session.add(run)
    summary = f"Import of {detail['file']} with {job.survey.rows:,} rows was started"
    audit.record(actor, "import.started", run, summary=summary, at=at, after={"choices": detail["choices"]})
    enqueue("jobs.imports.run_import", str(run.id))
    return run


def find(import_id: UUID) -> JobRun | None:
    """Return the import of an uploaded file, if it was begun."""
    run = db.session.get(JobRun, import_id)
    return run if run is not None and run.job == JOB else None


def recent() -> list[JobRun]:
    """Return the latest imports, the newest first."""
    query = select(JobRun).where(JobRun.job == JOB).order_by(JobRun.started_at.desc()).limit(RECENT)
    return list(db.session.scalars(query))


def unfinished() -> list[UUID]:
    """Return the imports that were begun and are not done, the oldest first."""
    query = select(JobRun.id).where(JobRun.job == JOB, JobRun.finished_at.is_(None))
    return list(db.session.scalars(query.order_by(JobRun.started_at)))


def has_unfinished() -> bool:
    """Tell whether an import waits or is under way."""
    return bool(unfinished())


def check_plan(code: str, since: datetime) -> None:
    """Refuse a plan that accounts with usage since `since` cannot be made on.

    Raises:
        Invalid: at `/plan`, with the reason.
    """
    try:
        accounts.choose_version(code, since)
    except (Invalid, NotFound) as error:
        raise Invalid.at("/plan", error.message) from None


def work(import_id: UUID) -> dict[str, int]:
    """Do what is left of an import, unless another worker is at it; return how many rows were done.

    Raises:
        Unavailable: the database did not confirm a batch; the next attempt goes on from there.
    """
    with alone(f"{JOB} {import_id}") as mine:
        detail = in_transaction(lambda: _take_up(import_id)) if mine else None
        if detail is None:
            return {"rows": 0}
        try:
            return {"rows": _do(import_id, detail)}
        except Unavailable:
            raise
        except DomainError as error:
            message = error.message
            in_transaction(lambda: _finish(import_id, error=message))
            return {"rows": 0}


def _take_up(import_id: UUID) -> dict[str, Any] | None:
    """Count the attempt and return what is known of the import; None where nothing is left to do."""
    run = find(import_id)
    if run is None or run.finished_at is not None:
        return None
    if (run.detail or {})["attempts"] >= MOST_ATTEMPTS:
        _finish(import_id, error=f"It was interrupted {MOST_ATTEMPTS} times. Import the file again.")
        return None
    return _update(import_id, attempts=(run.detail or {})["attempts"] + 1)


def _do(import_id: UUID, detail: dict[str, Any]) -> int:
    chosen = Choices.from_json(detail["choices"])
    actor = _actor(detail)
    at = datetime.fromisoformat(detail["at"])
    report, done = _from_json(detail), int(detail["done"])
    before = done
    upload = uploads.get(import_id)
    with uploads.opened(upload) as path:
        # What was refused as too old was refused before the import began.
        job = choices.prepare(path, chosen, at=at, old_too=True)
        if chosen.plan:
            _make_accounts(import_id, job, chosen.plan, int(detail["made"]), at=at, actor=actor)
        for batch in islice(job.batches(), -(-done // BATCH), None):
            store(batch, report, actor=actor, at=at)
            done += len(batch)
            _keep(import_id, phase="rows", done=done, **_as_json(report))
    in_transaction(lambda: _finish(import_id))
    return done - before


def _make_accounts(import_id: UUID, job: Import, plan: str, made: int, *, at: datetime, actor: Actor) -> None:
    unknown = in_transaction(job.unknown)
    for count in accounts.make_all(unknown, plan, since=job.earliest_at or at, actor=actor):
        made += count
        _keep(import_id, phase="accounts", made=made)


def _keep(import_id: UUID, **changes: Any) -> None:
    in_transaction(lambda: _update(import_id, **changes))


def _update(import_id: UUID, **changes: Any) -> dict[str, Any]:
    (run,) = lock(JobRun, [import_id])
    run.detail = {**(run.detail or {}), **changes}
    return run.detail


def _finish(import_id: UUID, *, error: str = "") -> None:
    (run,) = lock(JobRun, [import_id])
    detail = run.detail or {}
    run.finished_at = clock.now()
    run.succeeded = not error
    run.detail = {**detail, "phase": "done", "error": error}
    counts = {name: detail[name] for name in ("accepted", "duplicates", "rejected", "made")}
    outcome = (
        f"stopped: {error}"
        if error
        else f"finished: {counts['accepted']:,} accepted, {counts['duplicates']:,} duplicate, "
        f"{counts['rejected']:,} rejected"
    )
    action = "import.failed" if error else "import.finished"
    audit.record(_actor(detail), action, run, summary=f"Import of {detail['file']} {outcome}", after=counts)


def _actor(detail: dict[str, Any]) -> Actor:
    """Return the person who began the import."""
    return Actor(**{**detail["actor"], "role": Role(detail["actor"]["role"])})


def _as_json(report: Report) -> dict[str, Any]:
    return {
        "accepted": report.accepted,
        "duplicates": report.duplicates,
        "conflicts": report.conflicts,
        "rejected": report.rejected,
        "reasons": dict(report.reasons.most_common()),
        "examples": report.examples,
    }


def _from_json(detail: dict[str, Any]) -> Report:
    counts = (detail["accepted"], detail["duplicates"], detail["conflicts"], detail["rejected"])
    return Report(*counts, reasons=Counter(detail["reasons"]), examples=dict(detail["examples"]))
