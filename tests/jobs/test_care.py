"""The jobs that take care of the data, run as a worker runs them."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import select, text

from app import clock
from app.db import db, in_transaction, transaction
from app.models import JobRun
from app.services import archives
from jobs import care
from tests import factories as make
from tests.services.archived import LATER, MONTH, Shop, months_there, open_shop, red_of, statuses
from tests.support.own import OwnDatabase

HEADERS = {"job": "jobs.care.archive_events", "period": "2028-06-09T21:40Z"}


@pytest.fixture
def shop(own_database: OwnDatabase, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    with open_shop(own_database) as shop:
        monkeypatch.setattr(clock, "now", lambda: LATER)
        yield shop


def test_the_night_moves_every_old_month_and_keeps_what_it_did(shop: Shop) -> None:
    with transaction() as session:
        session.add(JobRun(**HEADERS))
    care.archive_events()
    assert (months_there(), statuses("2025-03"), statuses("2025-04")) == ([], ["archived"], ["archived"])
    detail = in_transaction(lambda: db.session.scalar(select(JobRun.detail)))
    assert detail == {"months": ["2025-03", "2025-04"], "archived": 2, "restored": 0, "failed": 0}
    assert red_of() == {}


def test_what_was_asked_for_is_work_until_it_is_done(shop: Shop) -> None:
    assert in_transaction(archives.has_work) is False
    in_transaction(lambda: archives.request(MONTH, at=LATER, actor=make.ACTOR).id)
    assert in_transaction(archives.has_work) is True
    assert care.work_archives() == {"archived": 1, "restored": 0, "failed": 0}
    assert in_transaction(archives.has_work) is False


def test_a_missing_month_is_made_as_soon_as_somebody_looks(shop: Shop) -> None:
    assert in_transaction(care.lacks_partitions) is True
    care.mend_partitions()
    assert in_transaction(care.lacks_partitions) is False


def test_nonces_that_are_too_old_are_forgotten(shop: Shop) -> None:
    with transaction() as session:
        session.execute(
            text(
                "INSERT INTO used_nonces (key_id, nonce, forget_at)"
                " SELECT gen_random_uuid(), n::text, CAST(:at AS timestamptz) + n * interval '1 second'"
                " FROM generate_series(-2, 0) n"
            ),
            {"at": LATER},
        )
    assert care.forget_nonces() == {"nonces": 2}
    assert care.clean_up()["idempotency_records"] == 0
    assert clock.now() - LATER == timedelta(0)
