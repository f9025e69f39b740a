"""Archiving and restoring survive a kill at every step: nothing is lost, and the next run finishes."""

import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from app.db import in_transaction
from app.services import archives
from tests import factories as make
from tests.services.archived import (
    EVENTS,
    LATER,
    MONTH,
    SYSTEM,
    Shop,
    archive,
    events,
    left_tables,
    open_shop,
    red_of,
    restore,
    rows_of,
    statuses,
)
from tests.services.killed_archiver import POINTS, RESTORE_POINTS
from tests.support.machine import ROOT
from tests.support.own import OwnDatabase

pytestmark = pytest.mark.processes

NOTHING_LEFT = {"archived": 0, "restored": 0, "failed": 0}


@pytest.fixture
def shop(own_database: OwnDatabase) -> Iterator[Shop]:
    with open_shop(own_database) as shop:
        yield shop


def kill_a_worker(shop: Shop, point: str) -> None:
    """Let a process work until it is killed at a point."""
    command = [sys.executable, "-m", "tests.services.killed_archiver", point]
    done = subprocess.run(command, env=shop.own.environment, cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()[-2000:]


def finish(shop: Shop) -> None:
    """Work until nothing is left; PostgreSQL may take a moment to see that the killed process is gone."""

    def done() -> bool:
        archives.work(at=LATER, actor=SYSTEM, again=True)
        return not in_transaction(archives.has_work)

    shop.own.poll(done, "the archive to be finished")


def test_an_archive_that_was_killed_anywhere_is_finished_by_the_next_run(shop: Shop) -> None:
    whole = events()
    archive()
    checksum = rows_of()[0].sha256
    restore()
    for sequence, point in enumerate(POINTS, 2):
        in_transaction(lambda: archives.request(MONTH, at=LATER, actor=make.ACTOR).id)
        kill_a_worker(shop, point)
        assert red_of() == {}, point
        finish(shop)
        row = rows_of()[-1]
        assert (row.sequence, row.status, row.rows, row.sha256) == (sequence, "archived", EVENTS, checksum), (
            point
        )
        assert (events(), red_of()) == ([], {}), point
        with shop.own.connect() as connection:
            assert left_tables(connection) == [], point
        assert archives.work(at=LATER, actor=SYSTEM, again=True) == NOTHING_LEFT, point
        restore()
        assert (events(), red_of()) == (whole, {}), point


def test_a_restore_that_was_killed_anywhere_is_finished_by_the_next_run(shop: Shop) -> None:
    whole = events()
    for point in RESTORE_POINTS:
        archive()
        in_transaction(lambda: len(archives.request_restore(MONTH, at=LATER, actor=make.ACTOR)))
        kill_a_worker(shop, point)
        assert red_of() == {}, point
        finish(shop)
        assert set(statuses()) == {"restored"}, point
        assert (events(), red_of()) == (whole, {}), point


@pytest.mark.parametrize("point", ["when the file is known", "when the partition is detached"])
def test_events_that_come_between_the_steps_are_kept(shop: Shop, point: str) -> None:
    whole = events()
    in_transaction(lambda: archives.request(MONTH, at=LATER, actor=make.ACTOR).id)
    kill_a_worker(shop, point)
    shop.send(["between-1", "between-2"])
    came = sorted(set(events()) - set(whole))
    assert len(came) == 2
    finish(shop)
    assert red_of() == {}
    restore()
    assert events() == sorted(whole + came)
    assert red_of() == {}
