"""The nightly check keeps its report in the history and raises its voice; a lost run is begun again."""

import logging

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app import clock
from app.db import db, transaction
from app.models import JobRun, Verification
from app.services import verifications
from jobs import verify
from tests.factories import ACTOR
from tests.services.metered import a_rupee_each
from tests.services.tampering import power
from tests.support.own import OwnDatabase


def test_the_report_of_the_night_is_kept_in_the_history_and_with_its_job(
    session: Session, caplog: pytest.LogCaptureFixture
) -> None:
    with transaction():
        session.add(JobRun(job="jobs.verify.nightly", period="2026-10-10T20:30Z"))
        _, wallet, _ = a_rupee_each(balance="10")
        power(session, "UPDATE wallets SET balance = 11")
    with caplog.at_level(logging.ERROR):
        verify.nightly()
    detail = session.scalars(select(JobRun.detail)).one()
    kept = session.scalars(select(Verification)).one()
    assert detail is not None
    (wrong,) = [each for each in detail["checks"] if not each["ok"]]
    assert (detail["ok"], wrong["name"]) == (False, "wallets")
    assert wrong["problems"] == [
        {"where": f"wallet {wallet.id}", "message": "The balance is 11, the postings say 10."}
    ]
    assert (kept.status, kept.ok, kept.failures, kept.started_by) == ("done", False, 1, "nightly check")
    assert kept.report == detail
    assert kept.done == kept.checks == len(detail["checks"])
    assert [record.checks for record in caplog.records] == [["wallets"]]


def test_who_asks_while_a_run_is_under_way_gets_that_one(session: Session) -> None:
    first = verifications.start(at=clock.now(), actor=ACTOR)
    assert verifications.start(at=clock.now(), actor=ACTOR) is first
    assert session.scalar(select(func.count()).select_from(Verification)) == 1
    report = verifications.work(first.id)
    assert report is not None
    session.refresh(first)
    assert (first.status, first.ok, verifications.latest()) == ("done", True, first)
    assert verifications.work(first.id) is None
    assert verifications.start(at=clock.now(), actor=ACTOR) is not first


def test_a_run_that_ends_without_a_result_says_why(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    run = verifications.start(at=clock.now(), actor=ACTOR)

    def fall(**_: object) -> None:
        raise MemoryError("too much")

    monkeypatch.setattr(verifications.verify, "run", fall)
    with pytest.raises(MemoryError):
        verifications.work(run.id)
    session.refresh(run)
    assert (run.status, run.ok, run.error) == ("failed", None, "MemoryError: too much")
    assert verifications.latest() is None


@pytest.mark.processes
def test_a_lost_run_is_begun_again_and_one_that_is_worked_on_is_left_alone(
    own_database: OwnDatabase,
) -> None:
    with own_database.app():
        with transaction():
            run = verifications.start(at=clock.now(), actor=ACTOR)
            # As a worker leaves it that was killed.
            run.status, run_id = "running", run.id
        with db.engine.connect() as other:
            other.execute(verifications.LOCK)
            assert verifications.work(run_id) is None
            other.execute(verifications.UNLOCK)
        assert verify.resume() == {"runs": 1}
        told = verify.run(str(run_id))
        assert told["ok"] is True
        db.session.expire_all()
        assert verifications.get(run_id).status == "done"
        assert verifications.get(run_id).done == len(told["checks"])
        assert verify.resume() == {"runs": 0}
