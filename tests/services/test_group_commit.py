"""Group commit: a common COMMIT, own outcomes, nobody pays for a neighbour."""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from types import SimpleNamespace

import psycopg
import pytest
from flask import Flask

from app.config import Settings
from app.db import db
from app.embedded.processes import wait_until
from app.errors import Unavailable
from app.factory import create_app
from app.services import group_commit
from app.services.group_commit import GroupCommit, commit_raw, group_of
from tests.support.own import OwnDatabase

Group = GroupCommit[str, str]


class Log:
    """Notes what was committed together; what is called `bad` cannot be committed, `away` breaks."""

    def __init__(self) -> None:
        self.go, self.begun = threading.Event(), threading.Event()
        self.go.set()
        self.together: list[list[str]] = []

    def commit(self, items: Sequence[str]) -> list[str]:
        self.together.append(list(items))
        self.begun.set()
        assert self.go.wait(10)
        if "bad" in items:
            raise ValueError("bad")
        if "away" in items:
            raise Unavailable("away")
        return [item.upper() for item in items]


@pytest.fixture
def plain_app(settings: Settings) -> Iterator[Flask]:
    """An application outside of any transaction."""
    app = create_app(settings)
    with app.app_context():
        yield app
        db.engine.dispose()


@pytest.fixture
def log() -> Log:
    return Log()


def submit_together(group: Group, log: Log, callers: Sequence[list[str]]) -> list[list[str] | BaseException]:
    """Hold one caller's commit until all others wait; return what each of the others was told."""
    log.go.clear()
    log.begun.clear()
    with ThreadPoolExecutor(len(callers) + 1) as pool:
        first = pool.submit(group.submit, ["first"])
        assert log.begun.wait(10)
        others = []
        for n, items in enumerate(callers, 1):
            others.append(pool.submit(group.submit, items))
            assert wait_until(lambda n=n: group.waiting == n, patience_seconds=10)
        log.go.set()
        assert first.result(10) == ["FIRST"]
        return [other.exception(10) or other.result() for other in others]


def kinds(answers: Sequence[list[str] | BaseException]) -> list[object]:
    return [type(each) if isinstance(each, BaseException) else each for each in answers]


def test_each_caller_gets_its_own_outcomes_of_a_common_commit(plain_app: Flask, log: Log) -> None:
    group = Group("log", plain_app, log.commit)
    assert submit_together(group, log, [["a", "b"], ["c"]]) == [["A", "B"], ["C"]]
    assert log.together == [["first"], ["a", "b", "c"]]


def test_who_follows_company_waits_for_others_to_join_and_who_follows_one_does_not(
    plain_app: Flask, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = Group("log", plain_app, log.commit)
    pauses: list[float] = []

    def let_one_more_join(seconds: float) -> None:
        pauses.append(seconds)
        assert len(pauses) > 1 or wait_until(lambda: group.waiting == 2, patience_seconds=10)

    monkeypatch.setattr(group_commit, "time", SimpleNamespace(sleep=let_one_more_join, monotonic=lambda: 0.0))
    assert group.submit(["alone"]) == ["ALONE"]
    submit_together(group, log, [["a"], ["b"]])
    assert pauses == []
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(group.submit, [["c"], ["d"]])) == [["C"], ["D"]]
    assert [sorted(each) for each in log.together] == [["alone"], ["first"], ["a", "b"], ["c", "d"]]
    assert pauses[0] == group_commit.JOIN_SECONDS


def test_who_waited_long_for_the_commit_before_waits_for_nobody_to_join(
    plain_app: Flask, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = Group("log", plain_app, log.commit)
    pauses: list[float] = []
    clock = count(step=group_commit.JOIN_SECONDS * 2.5)
    monkeypatch.setattr(
        group_commit, "time", SimpleNamespace(sleep=pauses.append, monotonic=lambda: next(clock))
    )
    submit_together(group, log, [["a"], ["b"]])
    assert group.submit(["c"]) == ["C"]
    assert (log.together[-1], pauses) == (["c"], [])


def test_who_brings_what_cannot_be_committed_fails_alone(plain_app: Flask, log: Log) -> None:
    group = Group("log", plain_app, log.commit)
    assert kinds(submit_together(group, log, [["a"], ["bad"], ["c"]])) == [["A"], ValueError, ["C"]]
    assert log.together == [["first"], ["a", "bad", "c"], ["a"], ["bad"], ["c"]]


def test_an_unknown_outcome_is_everybodys_and_is_not_tried_again(plain_app: Flask, log: Log) -> None:
    group = Group("log", plain_app, log.commit)
    assert kinds(submit_together(group, log, [["a"], ["away"]])) == [Unavailable, Unavailable]
    assert log.together == [["first"], ["a", "away"]]
    assert group.submit(["again"]) == ["AGAIN"]


def test_a_commit_takes_whole_callers_up_to_its_size(plain_app: Flask, log: Log) -> None:
    group = Group("log", plain_app, log.commit, most_together=3)
    submit_together(group, log, [["a", "b"], ["c", "d"], ["e"], ["f", "g", "h", "i"]])
    assert log.together == [["first"], ["a", "b"], ["c", "d", "e"], ["f", "g", "h", "i"]]


def test_too_much_waiting_is_refused_at_once(plain_app: Flask, log: Log) -> None:
    group = Group("log", plain_app, log.commit, most_waiting=2)
    log.go.clear()
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(group.submit, ["a"])
        assert log.begun.wait(10)
        second = pool.submit(group.submit, ["b", "c"])
        assert wait_until(lambda: group.waiting == 1, patience_seconds=10)
        with pytest.raises(Unavailable):
            group.submit(["d"])
        log.go.set()
        assert (first.result(10), second.result(10)) == (["A"], ["B", "C"])
    assert log.together == [["a"], ["b", "c"]]


def test_an_answer_that_does_not_come_in_time_is_unknown(
    plain_app: Flask, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_commit, "ANSWER_SECONDS", 0.05)
    log.go.clear()
    with pytest.raises(Unavailable, match="unknown to us"):
        Group("log", plain_app, log.commit, unknown="unknown to us").submit(["a"])
    log.go.set()


def test_the_thread_ends_when_idle_and_another_begins(
    plain_app: Flask, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_commit, "IDLE_SECONDS", 0.02)
    group = Group("log-thread", plain_app, log.commit)

    def runs() -> bool:
        return any(thread.name == "log-thread" for thread in threading.enumerate())

    assert group.submit(["a"]) == ["A"]
    assert wait_until(lambda: not runs(), patience_seconds=10)
    assert group.submit(["b"]) == ["B"]


def test_a_thread_begins_in_a_child_that_was_forked_while_the_parents_ran(plain_app: Flask, log: Log) -> None:
    group = Group("log", plain_app, log.commit)
    assert group.submit(["parent"]) == ["PARENT"]

    assert in_a_child(lambda: group.submit(["a"]) == ["A"] and group.submit(["b"]) == ["B"])
    assert group.submit(["still"]) == ["STILL"]


def in_a_child(work: Callable[[], bool]) -> bool:
    """Return what `work` says in a forked process."""
    pid = os.fork()
    if pid == 0:
        os._exit(0 if work() else 1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_what_follows_a_commit_is_called_once_for_all(plain_app: Flask, log: Log) -> None:
    calls: list[int] = []
    group = Group("log", plain_app, log.commit, committed=lambda: calls.append(len(log.together)))
    submit_together(group, log, [["a"], ["b"]])
    assert wait_until(lambda: calls == [1, 2], patience_seconds=10)


def test_inside_an_outer_transaction_all_happens_in_the_callers_thread(app: Flask, log: Log) -> None:
    def commit(items: Sequence[str]) -> list[str]:
        return [f"{item} {threading.current_thread() is here}" for item in items]

    here = threading.current_thread()
    assert Group("log", app, commit).submit(["a"]) == ["a True"]
    assert Group("log", app, commit).submit([]) == []


def test_an_application_has_one_of_each_name(plain_app: Flask, log: Log) -> None:
    def make(app: Flask) -> Group:
        return Group("log", app, log.commit)

    assert group_of("log", make) is group_of("log", make)
    assert group_of("log", make) is not group_of("other", make)


def test_a_connection_that_breaks_at_commit_is_an_unknown_outcome(own_database: OwnDatabase) -> None:
    def cut(connection: psycopg.Connection) -> None:
        connection.execute("SELECT 1")
        with own_database.connect() as other:
            other.execute("SELECT pg_terminate_backend(%s, 5000)", (connection.info.backend_pid,))

    with own_database.app():
        with pytest.raises(Unavailable, match="cut off"):
            commit_raw(cut, unknown="cut off")
        assert commit_raw(lambda connection: connection.execute("SELECT 1").fetchone()) == (1,)
