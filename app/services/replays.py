"""Replays of many dead letters as work for a worker: begun by a person, resumable, their progress in a row.

A replay is a `JobRun`; `detail` says which letters were chosen, how far it is and what became of them. Each
batch and the progress it made are one transaction under the lock of that row, so that a worker that dies, or
a second one, costs nothing and counts nothing twice.
"""

from collections import Counter
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select

from app import clock
from app.db import db, in_transaction, lock
from app.errors import Invalid, NotFound
from app.ids import new_id
from app.models import JobRun
from app.permissions import Actor, Role
from app.queue import enqueue
from app.services import audit, dead_letters
from app.services.dead_letters import MOST_AT_ONCE, Fate
from app.services.letter_choices import Choice

JOB = "dead_letter_replay"


def start(choice: Choice, *, at: datetime, actor: Actor) -> JobRun:
    """Begin the replay of all open letters of a choice and wake up a worker.

    Raises:
        Invalid: no open letter fits.
    """
    total = choice.count()
    if not total:
        raise Invalid("No open letter fits.")
    detail = {
        "choice": choice.as_json(),
        "actor": {"kind": actor.kind, "id": actor.id, "label": actor.label, "role": str(actor.role)},
        "phase": "waiting",
        # Letters that come in meanwhile wait for another replay.
        "until": at.isoformat(),
        "after": None,
        "total": total,
        "done": 0,
        **{str(fate): 0 for fate in Fate},
    }
    run_id = new_id()
    run = JobRun(id=run_id, job=JOB, period=str(run_id), started_at=at, detail=detail)
    db.session.add(run)
    summary = f"Replay of {total:,} dead letters was started"
    audit.record(actor, "dead_letters.replay_started", run, summary=summary, at=at, after=choice.as_json())
    enqueue("jobs.dead_letters.run_replay", str(run_id))
    return run


def get(run_id: UUID) -> JobRun:
    """Return a replay.

    Raises:
        NotFound: there is none with this id.
    """
    run = db.session.get(JobRun, run_id)
    if run is None or run.job != JOB:
        raise NotFound("There is no such replay.")
    return run


def under_way() -> list[JobRun]:
    """Return the replays that were begun and are not done, the oldest first."""
    query = select(JobRun).where(JobRun.job == JOB, JobRun.finished_at.is_(None))
    return list(db.session.scalars(query.order_by(JobRun.started_at)))


def unfinished() -> list[UUID]:
    """Return the ids of the replays that are under way."""
    return [run.id for run in under_way()]


def has_unfinished() -> bool:
    """Tell whether a replay waits or is under way."""
    return bool(unfinished())


def work(run_id: UUID) -> dict[str, int]:
    """Do what is left of a replay; return how many letters that was."""
    done = 0
    while (batch := in_transaction(lambda: _do_batch(run_id))) is not None:
        done += batch
    return {"letters": done}


def _do_batch(run_id: UUID) -> int | None:
    """Replay the next letters and keep the progress; None when nothing is left."""
    (run,) = lock(JobRun, [run_id])
    if run.finished_at is not None:
        return None
    detail, at = dict(run.detail or {}), clock.now()
    actor = Actor(**{**detail["actor"], "role": Role(detail["actor"]["role"])})
    after = detail["after"] and UUID(detail["after"])
    until = datetime.fromisoformat(detail["until"])
    ids = Choice(**detail["choice"]).ids(MOST_AT_ONCE, after, until)
    if not ids:
        _finish(run, detail, actor, at)
        return None
    fates = Counter(str(one.fate) for one in dead_letters.replay_many(ids, actor=actor, at=at))
    counts = {str(fate): detail[fate] + fates[fate] for fate in Fate}
    progress = {"phase": "letters", "after": str(ids[-1]), "done": detail["done"] + len(ids)}
    run.detail = {**detail, **progress, **counts}
    return len(ids)


def _finish(run: JobRun, detail: dict[str, Any], actor: Actor, at: datetime) -> None:
    run.finished_at, run.succeeded = at, True
    run.detail = {**detail, "phase": "done"}
    counts = {str(fate): detail[fate] for fate in Fate}
    summary = (
        f"Replay of dead letters finished: {counts['replayed']:,} count, {counts['refused']:,} were refused "
        f"again, {counts['conflict']:,} were in conflict"
    )
    audit.record(actor, "dead_letters.replay_finished", run, summary=summary, at=at, after=counts)
