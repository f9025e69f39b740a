"""Imports as work: tried without a trace, done by batches, taken up again where they were left."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from app.db import db
from app.errors import Invalid, NotFound, Unavailable
from app.models import Account, AuditRecord, DeadLetter, JobRun, UsageDelta, UsageEvent
from app.services import imports
from app.services.imports import Report, accounts, runs, trials, uploads
from app.services.imports.choices import Choices, guess
from jobs import imports as jobs
from tests.factories import ACTOR, make_account, make_metric, make_plan, per_unit

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
HEADER = "request_id,client,requested_at,bytes\n"
CHOSEN = Choices(metric="requests", event_id="request_id", account_id="client", timestamp="requested_at")


def rows(count: int, client: str = "acme") -> str:
    return HEADER + "".join(f"r-{n},{client},2026-11-20T10:00:00Z,512\n" for n in range(count))


def begun(text: str, chosen: Choices = CHOSEN) -> JobRun:
    """Return the begun import of a file with this text."""
    return runs.start(uploads.keep("usage.csv", text.encode()), chosen, at=NOW, actor=ACTOR)


def count(model: type[Any]) -> int:
    return db.session.scalar(select(func.count()).select_from(model)) or 0


def told(run: JobRun, *names: str) -> tuple[Any, ...]:
    db.session.refresh(run)
    assert run.detail is not None
    return tuple(run.detail[name] for name in names)


@pytest.fixture(autouse=True)
def _shop(session: Session) -> None:
    metric = make_metric("requests", dimensions=[])
    make_account(external_id="acme")
    make_plan("web-traffic", components=[per_unit(metric)])


def test_the_job_imports_every_row_and_tells_what_became_of_it() -> None:
    run = begun(rows(2) + "r-0,acme,2026-11-20T10:00:00Z,512\nr-9,nobody,2026-11-20T10:00:00Z,512\n")
    assert jobs.run_import(str(run.id)) == {"rows": 4}
    assert told(run, "phase", "done", "accepted", "duplicates", "rejected") == ("done", 4, 2, 1, 1)
    assert told(run, "reasons", "error") == ({"unknown_account": 1}, "")
    assert (run.succeeded, count(UsageEvent), count(DeadLetter)) == (True, 2, 1)
    summaries = list(
        db.session.scalars(select(AuditRecord.summary).where(AuditRecord.resource_type == "JobRun"))
    )
    assert sorted(summaries) == [
        "Import of usage.csv finished: 2 accepted, 1 duplicate, 1 rejected",
        "Import of usage.csv with 4 rows was started",
    ]
    assert (jobs.run_import(str(run.id)), jobs.resume_imports()) == ({"rows": 0}, {"imports": 0})


def test_an_import_goes_on_where_it_was_left(monkeypatch: pytest.MonkeyPatch) -> None:
    run = begun(rows(2_500))
    real, calls = imports.store, []

    def store_two(batch: Sequence[Any], report: Report, **options: Any) -> None:
        calls.append(len(batch))
        if len(calls) == 3:
            raise Unavailable("The database is away.")
        real(batch, report, **options)

    monkeypatch.setattr(runs, "store", store_two)
    with pytest.raises(Unavailable):
        runs.work(run.id)
    assert told(run, "phase", "done", "accepted") == ("rows", 2_000, 2_000)
    assert runs.has_unfinished()
    assert jobs.resume_imports() == {"imports": 1}
    assert runs.work(run.id) == {"rows": 500}
    assert calls == [1_000, 1_000, 500, 500]
    assert told(run, "attempts", "done", "accepted", "duplicates") == (2, 2_500, 2_500, 0)
    assert db.session.scalar(select(func.sum(UsageDelta.quantity))) == 2_500


def test_a_worker_that_died_before_it_noted_a_batch_counts_nothing_twice() -> None:
    run = begun(rows(3))
    assert runs.work(run.id) == {"rows": 3}
    run.finished_at, run.detail = None, {**(run.detail or {}), "done": 0, "accepted": 0}
    db.session.flush()
    assert runs.work(run.id) == {"rows": 3}
    assert told(run, "accepted", "duplicates") == (0, 3)
    assert count(UsageEvent) == 3


def test_two_workers_never_do_the_same_import() -> None:
    run = begun(rows(3))
    with db.engine.connect() as other:
        other.execute(text("SELECT pg_advisory_lock(hashtext(:name))"), {"name": f"import {run.id}"})
        assert runs.work(run.id) == {"rows": 0}
        assert told(run, "attempts", "done") == (0, 0)
        other.execute(text("SELECT pg_advisory_unlock_all()"))
    assert runs.work(run.id) == {"rows": 3}


def test_an_import_that_is_interrupted_again_and_again_is_given_up() -> None:
    run = begun(rows(3))
    run.detail = {**(run.detail or {}), "attempts": 10}
    db.session.flush()
    assert runs.work(run.id) == {"rows": 0}
    assert told(run, "phase", "error") == ("done", "It was interrupted 10 times. Import the file again.")
    assert (run.succeeded, count(UsageEvent)) == (False, 0)


def test_a_file_that_was_changed_in_the_store_stops_the_import(monkeypatch: pytest.MonkeyPatch) -> None:
    run = begun(rows(3))
    upload = uploads.get(run.id)
    upload.sha256 = b"\x00" * 32
    db.session.flush()
    assert runs.work(run.id) == {"rows": 0}
    assert told(run, "error") == ("The stored document was changed or damaged. Restore it from a backup.",)
    assert (run.succeeded, count(UsageEvent)) == (False, 0)


def test_unknown_accounts_are_made_on_the_plan_before_their_rows() -> None:
    chosen = Choices(**{**CHOSEN.as_json(), "properties": (), "plan": "web-traffic"})
    upload = uploads.keep("usage.csv", rows(3, "newcomer").encode())
    trial = trials.check(upload, chosen, at=NOW, actor=ACTOR)
    assert (trial.report.accepted, trial.unknown, trial.senders, count(Account)) == (3, 1, 1, 1)
    run = runs.start(upload, chosen, at=NOW, actor=ACTOR)
    assert runs.work(run.id) == {"rows": 3}
    assert told(run, "made", "accepted", "rejected") == (1, 3, 0)
    assert db.session.scalars(select(Account.external_id).order_by(Account.external_id)).all() == [
        "acme",
        "newcomer",
    ]


def test_an_account_that_is_named_by_our_own_id_is_known() -> None:
    account = make_account(external_id=None)
    strange = "00000000-0000-0000-0000-000000000000"
    assert accounts.find_missing([str(account.id), str(account.id).upper(), "acme", strange]) == [strange]


def test_a_plan_without_a_version_then_is_refused_at_its_field() -> None:
    upload = uploads.keep("usage.csv", rows(3).encode())
    for act in (trials.check, runs.start):
        with pytest.raises(Invalid) as refused:
            act(upload, Choices(**{**CHOSEN.as_json(), "plan": "gold"}), at=NOW, actor=ACTOR)
        assert [one.pointer for one in refused.value.fields] == ["/plan"]
    assert count(JobRun) == 0


def test_a_check_of_a_large_file_looks_at_its_first_ten_thousand_rows() -> None:
    upload = uploads.keep("usage.csv", rows(10_500).encode())
    trial = trials.check(upload, CHOSEN, at=NOW, actor=ACTOR)
    assert (trial.checked, trial.rows, trial.report.accepted) == (10_000, 10_500, 10_000)
    assert (count(UsageEvent), count(DeadLetter)) == (0, 0)


def test_a_check_foresees_what_the_import_then_does() -> None:
    assert runs.work(begun(rows(2)).id) == {"rows": 2}
    upload = uploads.keep(
        "usage.csv", (rows(4).replace("r-1,acme", "r-1,nobody") + "r-3,acme,x,1\n").encode()
    )
    trial = trials.check(upload, CHOSEN, at=NOW, actor=ACTOR)
    run = runs.start(upload, CHOSEN, at=NOW, actor=ACTOR)
    runs.work(run.id)
    report = trial.report
    foreseen = (report.accepted, report.duplicates, report.rejected, dict(report.reasons))
    assert foreseen == (2, 1, 2, {"unknown_account": 1, "bad_timestamp": 1})
    assert told(run, "accepted", "duplicates", "rejected", "reasons") == foreseen


def test_the_same_rows_are_imported_as_another_metric_under_ids_of_their_own() -> None:
    make_metric("traffic", aggregation="sum", value_property="volume", dimensions=[])
    for chosen in (
        CHOSEN,
        Choices(
            **{
                **CHOSEN.as_json(),
                "metric": "traffic",
                "prefix": "v{1}-",
                "quantity": "bytes",
                "summed": "volume",
            }
        ),
    ):
        assert runs.work(begun(rows(2), chosen).id) == {"rows": 2}
    found = db.session.execute(select(UsageEvent.event_id, UsageEvent.quantity).order_by(UsageEvent.event_id))
    assert [(name, int(quantity)) for name, quantity in found] == [
        ("r-0", 1),
        ("r-1", 1),
        ("v{1}-r-0", 512),
        ("v{1}-r-1", 512),
    ]


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (
            ("request_id", "client", "requested_at", "section", "bytes"),
            {"event_id": "request_id", "account_id": "client", "timestamp": "requested_at"},
        ),
        (
            ("Id", "Account", "Time", "Qty", "Metric"),
            {
                "event_id": "Id",
                "account_id": "Account",
                "timestamp": "Time",
                "quantity": "Qty",
                "metric": "Metric",
            },
        ),
        (("customer_id", "sms_id", "when"), {"event_id": "sms_id", "account_id": "customer_id"}),
        (("a", "b"), {}),
    ],
)
def test_the_likely_columns_are_guessed(columns: tuple[str, ...], expected: dict[str, str]) -> None:
    assert guess(columns) == expected


@pytest.mark.parametrize("key", ["", "x", "00000000-0000-0000-0000-000000000000"])
def test_only_uploaded_files_are_found(key: str) -> None:
    with pytest.raises(NotFound):
        uploads.get(key)
