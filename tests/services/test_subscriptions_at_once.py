"""Many who act on one subscription at the same moment leave one line of segments."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier
from typing import Any
from uuid import UUID

import pytest
from flask import Flask

from app import clock
from app.db import db, in_transaction, transaction
from app.errors import DomainError
from app.models import PlanMoveItem, PlanVersion, Subscription
from app.services import plan_moves, plans, segments, subscription_changes, subscriptions, verify
from tests import factories as make
from tests.services.tampering import red
from tests.support.own import OwnDatabase

pytestmark = pytest.mark.processes
CROWD = 6


@pytest.fixture
def shop(own_database: OwnDatabase) -> Iterator[Flask]:
    """The app on a database where commits are real."""
    own_database.settings = replace(own_database.settings, database_pool_size=CROWD)
    with own_database.app() as app:
        yield app


def together(app: Flask, work: Callable[[int], Any]) -> list[Any]:
    """Run `work` in a crowd of threads that begin at the same moment; return results and refusals."""
    start = Barrier(CROWD)

    def run(number: int) -> Any:
        with app.app_context():
            start.wait()
            try:
                return in_transaction(lambda: work(number))
            except DomainError as error:
                return type(error).__name__

    with ThreadPoolExecutor(CROWD) as pool:
        return list(pool.map(run, range(CROWD)))


def check_books() -> None:
    with transaction():
        assert red(verify.run(["segments"])) == {}


def test_a_crowd_that_changes_one_subscription_leaves_one_line(shop: Flask) -> None:
    with transaction():
        origin = make.make_subscription().id
        codes = [make.make_plan(components=[make.fee(str(n + 1))]).code for n in range(CROWD)]

    def change(number: int) -> UUID:
        found = subscription_changes.change(subscriptions.get(origin), codes[number], actor=make.ACTOR)
        return found.id

    changed = together(shop, change)
    with transaction():
        line = segments.of(subscriptions.get(origin))
        begun = [each for each in line if segments.begins(each)]
        assert (len(line), len(begun)) == (CROWD + 1, 2)
        assert [str(each.status) for each in begun] == ["ended", "active"]
        assert begun[0].end_at == begun[1].start_at
    assert len(set(changed)) == CROWD
    check_books()


def test_a_crowd_that_subscribes_to_one_plan_gets_one_subscription(shop: Flask) -> None:
    with transaction():
        account, plan = make.make_account(), make.make_plan(components=[make.fee("10")])
        account_id, code = account.id, plan.code

    def start(_: int) -> str:
        subscriptions.start(db.session.get_one(type(account), account_id), code, actor=make.ACTOR)
        return "made"

    assert sorted(together(shop, start)) == [*["Overlapping"] * (CROWD - 1), "made"]
    check_books()


def test_a_crowd_of_workers_moves_each_subscription_once(shop: Flask) -> None:
    with transaction():
        plan = make.make_plan(components=[make.fee("10")])
        for _ in range(CROWD):
            make.make_subscription(plan=plan)
        version = plans.publish(plans.add_version(plan, actor=make.ACTOR), at=clock.now(), actor=make.ACTOR)
        target = db.session.get_one(PlanVersion, version.id)
        move_id = plan_moves.start(target, when="period_end", at=clock.now(), actor=make.ACTOR).id

    start = Barrier(CROWD)

    def work(_: int) -> list[str]:
        with shop.app_context():
            start.wait()
            return [str(each) for each in plan_moves.work(move_id, at=clock.now(), actor=make.ACTOR)]

    with ThreadPoolExecutor(CROWD) as pool:
        done = [each for some in pool.map(work, range(CROWD)) for each in some]
    assert done == ["moved"] * CROWD
    with transaction():
        assert [str(each.status) for each in db.session.query(PlanMoveItem)] == ["moved"] * CROWD
        assert db.session.query(Subscription).count() == 2 * CROWD
        assert str(plan_moves.get(move_id).status) == "done"
    check_books()
