"""Real processes that bill at the same time: numbers without gap or repeat, one invoice per account."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from app import clock
from app.db import transaction
from app.domain.numbering import financial_year, format_number, ist_date
from app.embedded.processes import Child
from app.permissions import Actor
from app.services import billing, billing_candidates, verify
from tests import factories as make
from tests.support.own import OwnDatabase

pytestmark = pytest.mark.processes

ACTOR = Actor.system("tests")
# 1 January 2025 in India; the month is long over.
START = datetime(2024, 12, 31, 18, 30, tzinfo=UTC)
INVOICES, WORKERS, EVERY = 200, 8, 10


def open_shop(accounts: int) -> None:
    """Make accounts that owe a fee of 100 for January."""
    with transaction():
        make.make_seller()
        make.make_tax_rate("18")
        plan = make.make_plan(components=[make.fee("100")])
        for _ in range(accounts):
            make.make_subscription(make.make_account(), plan, start_at=START)


def begin(only: set[UUID] | None = None) -> str:
    with transaction():
        return str(billing.prepare("2025-01", at=clock.now(), actor=ACTOR, accounts=only).id)


def bill(own: OwnDatabase, run_id: str, lane: int, lanes: int, failpoints: str = "", *more: str) -> Child:
    words = ("-m", "tests.scenarios.billing_process", run_id, str(lane), str(lanes), *more)
    return own.start(f"billing-{lane}", *words, extra={"FAILPOINTS": failpoints})


def told(own: OwnDatabase, children: list[Child]) -> list[dict[str, Any]]:
    """Wait for the processes and return what each printed last."""
    for child in children:
        own.poll(lambda child=child: child.reap() is not None, f"{child.log} to end", child)  # type: ignore[misc]
    return [json.loads(child.log.read_text().splitlines()[-1]) for child in children]


def test_two_hundred_invoices_by_eight_workers_with_rollbacks_have_consecutive_numbers(
    own_database: OwnDatabase,
) -> None:
    """CGST Rule 46(b): consecutive, unique within the financial year. Every tenth transaction of each worker
    is rolled back just before its COMMIT, its number taken.
    """
    with own_database.app():
        open_shop(INVOICES)
        run_id = begin()
    failpoints = f"billing.before_commit=fail/{EVERY}"
    children = [bill(own_database, run_id, lane, WORKERS, failpoints) for lane in range(WORKERS)]
    found = told(own_database, children)
    assert sum(each["billed"] for each in found) == INVOICES
    reached = [each["billed"] + each["thrown_back"] for each in found]
    assert [each["thrown_back"] for each in found] == [number // EVERY for number in reached]
    assert sum(each["thrown_back"] for each in found) >= WORKERS
    with own_database.connect() as connection:
        numbers = [row[0] for row in connection.execute("SELECT number FROM invoices ORDER BY number")]
        ((last, owed),) = connection.execute(
            "SELECT (SELECT last_number FROM invoice_series), (SELECT sum(total) FROM invoices)"
        ).fetchall()
    year = financial_year(ist_date(clock.now()))
    assert numbers == [format_number("OT29", year, n) for n in range(1, INVOICES + 1)]
    assert (last, owed) == (INVOICES, Decimal(118 * INVOICES))
    with own_database.app():
        report = verify.run(at=clock.now())
    assert report.ok, report.as_json()


def test_accounts_billed_together_by_several_workers_with_rollbacks_have_consecutive_numbers(
    own_database: OwnDatabase,
) -> None:
    """Five accounts share a transaction, and every seventh of a worker has it rolled back for all five, their
    numbers taken: none of them is lost.
    """
    invoices, workers = 60, 3
    with own_database.app():
        open_shop(invoices)
        run_id = begin()
    failpoints = "billing.before_commit=fail/7"
    children = [bill(own_database, run_id, lane, workers, failpoints, "5") for lane in range(workers)]
    found = told(own_database, children)
    assert sum(each["billed"] for each in found) == invoices
    # Who bills three shares of five reaches the seventh.
    assert any(each["thrown_back"] for each in found)
    with own_database.connect() as connection:
        numbers = [row[0] for row in connection.execute("SELECT number FROM invoices ORDER BY number")]
        series = connection.execute("SELECT last_number FROM invoice_series").fetchall()
    year = financial_year(ist_date(clock.now()))
    assert numbers == [format_number("OT29", year, n) for n in range(1, invoices + 1)]
    assert series == [(invoices,)]
    with own_database.app():
        report = verify.run(at=clock.now())
    assert report.ok, report.as_json()


def test_a_worker_killed_amid_accounts_billed_together_leaves_none_or_all_of_them(
    own_database: OwnDatabase,
) -> None:
    def issued() -> list[str]:
        with own_database.connect() as connection:
            return [row[0] for row in connection.execute("SELECT number FROM invoices ORDER BY number")]

    with own_database.app():
        open_shop(6)
        run_id = begin()
    year = financial_year(ist_date(clock.now()))
    first = [format_number("OT29", year, n) for n in range(1, 7)]
    for step, left in (("drafted", 0), ("number_taken", 0), ("before_commit", 0), ("after_commit", 3)):
        doomed = bill(own_database, run_id, 0, 1, f"billing.{step}=kill/2", "3")
        own_database.poll(lambda child=doomed: child.reap() is not None, f"a death at {step}", doomed)  # type: ignore[misc]
        assert issued() == first[:left]
    (found,) = told(own_database, [bill(own_database, run_id, 0, 1, "", "3")])
    assert (found["billed"], issued()) == (3, first)
    with own_database.app():
        report = verify.run(at=clock.now())
    assert report.ok, report.as_json()


def test_two_runs_of_other_choices_at_once_make_one_invoice_per_account(own_database: OwnDatabase) -> None:
    accounts = 30
    with own_database.app():
        open_shop(accounts)
        everybody = begin()
        with transaction():
            named = set(billing_candidates.accounts("2025-01", billing_candidates.Scope()))
        some = begin(named)
    assert everybody != some
    told(own_database, [bill(own_database, run_id, 0, 1) for run_id in (everybody, some)])
    with own_database.connect() as connection:
        invoices = connection.execute("SELECT count(*), count(DISTINCT account_id) FROM invoices").fetchall()
        runs = connection.execute("SELECT status, count(*) FROM billing_runs GROUP BY 1").fetchall()
        statuses = connection.execute("SELECT DISTINCT status FROM billing_run_items ORDER BY 1").fetchall()
    assert (invoices, runs) == ([(accounts, accounts)], [("done", 2)])
    assert ("failed",) not in statuses
