"""The proofs of the books and their history: asked for by a person, a service or the night, done by a worker.

One run is under way at a time, by a unique index. A run whose worker was lost is begun again: whoever works
holds an advisory lock, so a second wake-up finds it taken and leaves.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, select, text, update
from sqlalchemy.dialects.postgresql import insert

from app import clock
from app.db import db, in_transaction
from app.errors import NotFound
from app.ids import new_id
from app.models import Verification
from app.models.verifications import VerificationStatus
from app.permissions import Actor
from app.queue import enqueue
from app.services import audit, verify
from app.services.verify import Report, Result

JOB = "jobs.verify.run"
UNDER_WAY = (VerificationStatus.queued, VerificationStatus.running)
LOCK = text("SELECT pg_try_advisory_lock(hashtext('verification'))")
UNLOCK = text("SELECT pg_advisory_unlock(hashtext('verification'))")


def start(*, at: datetime, actor: Actor) -> Verification:
    """Return a run that a worker will do, or the one that is under way already."""
    values = {"id": new_id(), "status": VerificationStatus.queued, "started_by": actor.label}
    made = insert(Verification).values(**values, checks=len(verify.checks), created_at=at)
    run: Verification | None = db.session.scalar(made.on_conflict_do_nothing().returning(Verification))
    if run is not None:
        audit.record(actor, "verification.started", run, summary="A check of the books was started", at=at)
        enqueue(JOB, str(run.id))
        return run
    under_way = find_under_way()
    # It ended between the two statements; its result is as good.
    return under_way or latest() or start(at=at, actor=actor)


def work(run_id: UUID) -> Report | None:
    """Do a run and keep what it found; None where it is over, or another worker is at it."""
    with _alone() as own:
        if own is None or not in_transaction(lambda: _begin(run_id)):
            return None
        try:
            report = in_transaction(lambda: verify.run(progress=lambda result: _tell(own, run_id, result)))
        except BaseException as error:
            reason = f"{type(error).__name__}: {error}"[:500]
            in_transaction(lambda: _end(run_id, VerificationStatus.failed, error=reason))
            raise
        wrong = sum(not each.ok for each in report.results)
        told = {"report": report.as_json(), "failures": wrong, "done": len(report.results)}
        in_transaction(lambda: _end(run_id, VerificationStatus.done, **told))
    return report


def get(run_id: UUID) -> Verification:
    """Return a run.

    Raises:
        NotFound: there is none with this id.
    """
    found = db.session.get(Verification, run_id)
    if found is None:
        raise NotFound("There is no such run.")
    return found


def latest() -> Verification | None:
    """Return the last run that came to a result."""
    done = select(Verification).where(Verification.status == VerificationStatus.done)
    newest = done.order_by(Verification.created_at.desc(), Verification.id.desc())
    return db.session.scalars(newest.limit(1)).first()


def find_under_way() -> Verification | None:
    """Return the run that waits or is being done."""
    return db.session.scalars(select(Verification).where(Verification.status.in_(UNDER_WAY))).first()


def has_unfinished() -> bool:
    """Tell whether a run waits or is under way."""
    return find_under_way() is not None


@contextmanager
def _alone() -> Iterator[Connection | None]:
    """Yield a connection of one's own if no other worker is at it, else None."""
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as own:
        first = bool(own.scalar(LOCK))
        try:
            yield own if first else None
        finally:
            if first:
                own.execute(UNLOCK)


def _begin(run_id: UUID) -> bool:
    begun = update(Verification).where(Verification.id == run_id, Verification.status.in_(UNDER_WAY))
    values = {"status": VerificationStatus.running, "started_at": clock.now(), "done": 0}
    return db.session.scalar(begun.values(**values).returning(Verification.id)) is not None


def _tell(own: Connection, run_id: UUID, result: Result) -> None:
    """Count a check that is done, outside of the one unchanging view that the checks look at."""
    counted = update(Verification).where(Verification.id == run_id).values(done=Verification.done + 1)
    own.execute(counted)


def _end(run_id: UUID, status: VerificationStatus, **found: Any) -> None:
    run = get(run_id)
    db.session.refresh(run)
    run.status, run.finished_at = status, clock.now()
    for name, value in found.items():
        setattr(run, name, value)
