"""The months of usage events that come next are there before anything is written into them, and what would
grow for ever has an end.
"""

import os
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from app.config import Settings
from app.db import db
from app.gateways.files import open_store
from app.models import (
    AuditRecord,
    DeadLetter,
    EndedSession,
    EventArchive,
    EventCorrection,
    EventKey,
    IdempotencyRecord,
    Invoice,
    InvoiceLine,
    JobRun,
    Journal,
    OutboxMessage,
    Payment,
    Posting,
    StoredFile,
    UsageEvent,
    UsageRollup,
    WebhookMessage,
)
from app.services import archive_tables, care, verify
from tests.services.tampering import red

YEAR_END = datetime(2031, 11, 30, 23, 59, tzinfo=UTC)
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
KEPT_FOR_EVER = (
    AuditRecord,
    EventArchive,
    EventCorrection,
    EventKey,
    Invoice,
    InvoiceLine,
    Journal,
    Payment,
    Posting,
    UsageEvent,
    UsageRollup,
)


def test_partitions_reach_three_months_ahead_over_the_end_of_the_year(session: Session) -> None:
    assert care.ensure_partitions(YEAR_END) == [
        "usage_events_2031_09",
        "usage_events_2031_10",
        "usage_events_2031_11",
        "usage_events_2031_12",
        "usage_events_2032_01",
        "usage_events_2032_02",
    ]
    attached = text(
        "SELECT count(*) FROM pg_inherits WHERE inhparent = 'usage_events'::regclass"
        " AND inhrelid::regclass::text ~ '_203[12]_'"
    )
    assert session.scalar(attached) == 6


def test_making_them_again_changes_nothing(session: Session) -> None:
    assert care.ensure_partitions(YEAR_END) == care.ensure_partitions(YEAR_END)


def test_missing_months_are_named_and_alarm_when_fewer_than_two_lie_ahead(session: Session) -> None:
    care.ensure_partitions(YEAR_END)
    assert care.missing_months(YEAR_END) == []
    later = YEAR_END + timedelta(days=45)
    assert care.missing_months(later) == ["2032-03", "2032-04"]
    assert red(verify.run(["partitions"], at=YEAR_END + timedelta(days=20))) == {}
    assert red(verify.run(["partitions"], at=later)) == {"partitions": ["2032-03"]}
    care.ensure_partitions(later)
    assert red(verify.run(["partitions"], at=later)) == {}


def test_a_month_knows_the_ones_around_it() -> None:
    assert [archive_tables.plus("2025-11", n) for n in (-11, 0, 1, 2, 14)] == [
        "2024-12",
        "2025-11",
        "2025-12",
        "2026-01",
        "2027-01",
    ]


def old(days: int, *, seconds: int = 0) -> datetime:
    return NOW - timedelta(days=days, seconds=seconds)


def row(model: type, age: datetime, n: int) -> object:
    """Return a row that its rule lets go."""
    makers = {
        IdempotencyRecord: lambda: IdempotencyRecord(
            caller="key", key=f"k{n}", request_sha256=b"x" * 32, status=201, answer={}, created_at=age
        ),
        OutboxMessage: lambda: OutboxMessage(kind="mail", key=f"k{n}", payload={}, done_at=age),
        WebhookMessage: lambda: WebhookMessage(
            gateway="stripe",
            dedup_key=f"k{n}",
            kind="payment",
            reference="pi",
            payload={},
            status="processed",
            received_at=age,
        ),
        DeadLetter: lambda: DeadLetter(
            source="api",
            code="unknown_metric",
            pointer="/metric",
            message="There is none.",
            payload={},
            payload_sha256=n.to_bytes(32),
            status="discarded",
            last_seen_at=age,
        ),
        EndedSession: lambda: EndedSession(id=uuid.uuid4(), ended_at=age),
        JobRun: lambda: JobRun(job="jobs.care.clean_up", period=f"p{n}", started_at=age, finished_at=age),
    }
    return makers[model]()


def open_row(model: type, age: datetime, n: int) -> object:
    """Return a row as old whose work is not done."""
    made = row(model, age, n)
    undone = {OutboxMessage: ("done_at", None), JobRun: ("finished_at", None)}
    undone |= {WebhookMessage: ("status", "received"), DeadLetter: ("status", "open")}
    setattr(made, *undone[model])
    return made


RULES = {rule.name: rule for rule in care.RULES}
TABLES = (IdempotencyRecord, EndedSession, OutboxMessage, WebhookMessage, DeadLetter, JobRun)


@pytest.mark.parametrize("model", TABLES, ids=lambda model: model.__tablename__)
def test_a_row_goes_after_its_days_and_not_before(session: Session, model: type) -> None:
    name = model.__tablename__
    days = RULES[name].days
    session.add_all([row(model, old(days, seconds=1), 1), row(model, old(days), 2), row(model, NOW, 3)])
    session.flush()
    expected = {rule.name: int(rule.name == name) for rule in care.RULES}
    assert care.clean_up(NOW) == expected
    assert session.scalar(select(func.count()).select_from(model)) == 2
    assert care.clean_up(NOW)[name] == 0


@pytest.mark.parametrize("model", TABLES[2:], ids=lambda model: model.__tablename__)
def test_what_is_not_done_never_goes(session: Session, model: type) -> None:
    session.add(open_row(model, old(4000), 1))
    session.flush()
    assert care.clean_up(NOW)[model.__tablename__] == 0
    assert session.scalar(select(func.count()).select_from(model)) == 1


def test_many_rows_go_in_batches(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(care, "BATCH", 3)
    session.add_all(row(OutboxMessage, old(500), n) for n in range(8))
    session.flush()
    assert care.clean_up(NOW)["outbox_messages"] == 8


def upload(settings: Settings, name: str, *, kind: str = "Import") -> StoredFile:
    digest = open_store(settings).save(name, b"x", content_type="text/csv")
    stored = StoredFile(
        key=name,
        content_type="text/csv",
        size=1,
        sha256=digest,
        resource_type=kind,
        resource_id=name,
        created_at=old(91),
    )
    db.session.add(stored)
    db.session.flush()
    return stored


def test_an_upload_goes_with_its_file_unless_its_import_is_under_way(
    session: Session, settings: Settings
) -> None:
    upload(settings, "imports/done.csv")
    waiting = upload(settings, "imports/waiting.csv")
    upload(settings, "invoices/kept.pdf", kind="Invoice")
    session.add(JobRun(id=waiting.id, job="import", period="p", started_at=old(91)))
    session.flush()
    assert care.clean_up(NOW)["uploads"] == 1
    left = sorted(session.scalars(select(StoredFile.key)))
    assert left == ["imports/waiting.csv", "invoices/kept.pdf"]
    files = settings.files_dir
    assert [(files / name).exists() for name in ("imports/done.csv", *left)] == [False, True, True]


def test_mails_that_were_written_as_files_go(session: Session, settings: Settings) -> None:
    settings.mail_dir.mkdir(parents=True, exist_ok=True)
    for name, age in (("old.eml", old(91)), ("new.eml", old(89)), ("notes.txt", old(91))):
        path = settings.mail_dir / name
        path.write_bytes(b"x")
        os.utime(path, (age.timestamp(), age.timestamp()))
    assert care.clean_up(NOW)["mails"] == 1
    assert {"new.eml", "notes.txt"} <= {path.name for path in settings.mail_dir.iterdir()}
    assert not (settings.mail_dir / "old.eml").exists()


def test_no_rule_touches_what_is_kept_for_ever(session: Session) -> None:
    assert set(RULES) & {model.__tablename__ for model in KEPT_FOR_EVER} == set()
    assert set(RULES) == {model.__tablename__ for model in TABLES} | {"uploads", "mails"}
