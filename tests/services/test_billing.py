"""Billing runs: one invoice per account, resumable, shared, and nothing twice."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.db import db, transaction
from app.errors import Conflict, Invalid
from app.models import Account, AuditRecord, BillingRun, BillingRunItem, Invoice, Metric
from app.models.billing_runs import ItemStatus, RunStatus
from app.models.invoices import InvoiceStatus
from app.services import billing, billing_runs, invoices
from app.services.billing_steps import month_of
from tests import factories as make
from tests.services.invoicing import IN_DECEMBER, IN_NOVEMBER, drain, priced, use
from tests.support.own import OwnDatabase


@pytest.fixture
def metric(session: Session) -> Metric:
    make.make_seller()
    make.make_tax_rate("18")
    return make.make_metric()


def three_accounts(metric: Metric) -> list[Account]:
    """Return three accounts on one plan that used 100, 200 and 300 messages at 1.00."""
    plan = make.make_plan(components=[make.per_unit(metric, "1")])
    accounts = [make.make_account() for _ in range(3)]
    for n, account in enumerate(accounts, 1):
        make.make_subscription(account, plan)
        use(account, metric, 100 * n, meter=False)
    drain()
    return accounts


def run(period: str = "2026-10", *, at=IN_NOVEMBER, **more: object) -> list[billing.Step]:
    return list(billing.run(period, at=at, actor=make.ACTOR, **more))


def count(model: type, *where: object) -> int:
    return db.session.scalar(select(func.count()).select_from(model).where(*where))


def test_a_run_issues_one_invoice_per_account_that_owes(session: Session, metric: Metric) -> None:
    accounts = three_accounts(metric)
    priced(make.per_unit(metric, "1"))
    steps = run()
    assert [(step.done, step.of, step.status) for step in steps] == [
        (1, 3, ItemStatus.issued),
        (2, 3, ItemStatus.issued),
        (3, 3, ItemStatus.issued),
    ]
    assert {step.account_id: step.total for step in steps} == {
        account.id: Decimal(118 * n) for n, account in enumerate(accounts, 1)
    }
    numbers = session.scalars(select(Invoice.number).order_by(Invoice.number)).all()
    assert numbers == ["OT29/26-27/00001", "OT29/26-27/00002", "OT29/26-27/00003"]
    billing_run = session.scalars(select(BillingRun)).one()
    assert (billing_run.status, billing_run.finished_at) == (RunStatus.done, IN_NOVEMBER)
    assert billing_runs.progress(billing_run.id)[ItemStatus.issued] == 3


def test_a_run_started_again_does_nothing_twice(session: Session, metric: Metric) -> None:
    three_accounts(metric)
    run()
    assert run() == []
    assert count(Invoice) == 3
    assert count(BillingRun) == 1
    told = select(AuditRecord.action).where(AuditRecord.action.like("billing_run.%")).order_by(AuditRecord.id)
    assert session.scalars(told).all() == ["billing_run.started", "billing_run.resumed"]


def test_a_run_that_was_stopped_is_resumed_where_it_stood(session: Session, metric: Metric) -> None:
    three_accounts(metric)
    stopped = billing.run("2026-10", at=IN_NOVEMBER, actor=make.ACTOR)
    first = next(stopped)
    stopped.close()
    billing_run = session.scalars(select(BillingRun)).one()
    assert billing_run.status is RunStatus.running
    assert billing_runs.unfinished() == [billing_run.id]
    assert {step.account_id for step in run()}.isdisjoint({first.account_id})
    assert (count(Invoice), billing_runs.unfinished()) == (3, [])


def test_usage_that_came_after_the_run_waits_for_the_next(session: Session, metric: Metric) -> None:
    (account, *_) = three_accounts(metric)
    run()
    use(account, metric, 5)
    assert run() == []
    (step,) = run("2026-11", at=IN_DECEMBER)
    assert (step.account_id, step.total) == (account.id, Decimal(6))


def test_usage_that_waits_to_be_metered_is_billed_too(session: Session, metric: Metric) -> None:
    account = priced(make.per_unit(metric, "1")).account
    use(account, metric, 1)
    use(account, metric, 99, meter=False)
    (step,) = run()
    assert step.total == Decimal(118)


def test_only_the_named_accounts_are_billed(session: Session, metric: Metric) -> None:
    (account, *_) = three_accounts(metric)
    assert [step.account_id for step in run(accounts=[account.id])] == [account.id]
    assert len(run()) == 2


def test_a_dry_run_tells_what_would_be_billed_and_writes_nothing(session: Session, metric: Metric) -> None:
    three_accounts(metric)
    records = count(AuditRecord)
    steps = run(dry_run=True)
    assert sorted(step.total for step in steps) == [Decimal(118), Decimal(236), Decimal(354)]
    assert {(step.status, step.number) for step in steps} == {(ItemStatus.due, None)}
    assert (count(Invoice), count(BillingRun), count(BillingRunItem)) == (0, 0, 0)
    assert count(AuditRecord) == records


@pytest.mark.parametrize(
    ("period", "code"), [("2026-11", "not_ended"), ("2026-13", "not_a_month"), ("x", "not_a_month")]
)
def test_a_month_that_has_not_ended_or_is_none_is_refused(session: Session, period: str, code: str) -> None:
    with pytest.raises(Invalid) as refused:
        run(period)
    assert [(field.pointer, field.code) for field in refused.value.fields] == [("/period", code)]
    assert count(BillingRun) == 0


def test_an_account_whose_month_has_not_ended_stays_pending(session: Session, metric: Metric) -> None:
    account = make.make_account(timezone="America/Los_Angeles")
    priced(make.per_unit(metric, "1"), account=account)
    use(account, metric, 10)
    assert run() == []
    assert session.scalars(select(BillingRunItem.status)).all() == [ItemStatus.pending]
    (step,) = run(at=IN_NOVEMBER + timedelta(hours=3))
    assert step.status is ItemStatus.issued


def test_one_accounts_trouble_stops_no_other(session: Session, metric: Metric) -> None:
    accounts = three_accounts(metric)
    accounts[1].customer.state_code = "99"
    session.flush()
    steps = {step.account_id: step for step in run()}
    assert steps[accounts[1].id].status is ItemStatus.failed
    assert steps[accounts[1].id].message == "A two-digit GST State code is needed, such as 29 for Karnataka."
    assert count(Invoice) == 2
    accounts[1].customer.state_code = "27"
    session.flush()
    (mended,) = run()
    assert (mended.account_id, mended.status) == (accounts[1].id, ItemStatus.issued)


def test_a_parked_invoice_is_told_with_its_reason(session: Session, metric: Metric) -> None:
    account = priced(make.per_unit(metric, "1")).account
    use(account, metric, 2)
    run()
    use(account, metric, 100, at=IN_NOVEMBER)
    (step,) = run("2026-11", at=IN_DECEMBER)
    assert (step.status, step.number) == (ItemStatus.parked, None)
    assert step.message == "The total 118 INR is over 10 times the usual 2.00."
    parked = session.scalars(select(Invoice).where(Invoice.status == InvoiceStatus.parked)).one()
    assert invoices.issue(parked, at=IN_DECEMBER, actor=make.ACTOR).number == "OT29/26-27/00002"


def test_a_second_invoice_of_a_run_for_one_month_is_refused(session: Session, metric: Metric) -> None:
    (account, *_) = three_accounts(metric)
    run(accounts=[account.id])
    use(account, metric, 1)
    month = month_of("2026-10", account.timezone)
    with pytest.raises(Conflict, match="A billing run has made an invoice"):
        invoices.draft_for(account, month, at=IN_NOVEMBER)
    assert count(Invoice) == 1


def test_an_account_costs_fourteen_statements(session: Session, metric: Metric, query_counter) -> None:
    three_accounts(metric)
    steps = billing.run("2026-10", at=IN_NOVEMBER, actor=make.ACTOR)
    next(steps)
    with query_counter() as queries:
        next(steps)
    assert len(queries) == 14, "\n".join(queries)


@pytest.fixture
def shop(own_database: OwnDatabase) -> Iterator[OwnDatabase]:
    """Twelve accounts with October's usage, committed."""
    with own_database.app() as app, app.app_context():
        with transaction():
            make.make_seller()
            make.make_tax_rate("18")
            metric = make.make_metric()
            plan = make.make_plan(components=[make.per_unit(metric, "1")])
            accounts = [make.make_account() for _ in range(12)]
            for account in accounts:
                make.make_subscription(account, plan)
        with transaction():
            for account in accounts:
                use(account, metric, 10, meter=False)
            drain()
    return own_database


def test_two_runs_at_once_make_one_invoice_per_account(shop: OwnDatabase) -> None:
    together = threading.Barrier(2)
    billed: list[list[billing.Step]] = []

    with shop.app() as app:

        def go() -> None:
            with app.app_context():
                steps = billing.run("2026-10", at=IN_NOVEMBER, actor=make.ACTOR)
                together.wait()
                billed.append(list(steps))
                db.session.remove()

        threads = [threading.Thread(target=go) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sum(len(steps) for steps in billed) == 12
    with shop.connect() as connection:
        found = connection.execute(
            "SELECT count(*), count(DISTINCT account_id), count(DISTINCT number), sum(total) FROM invoices"
        ).fetchone()
        assert found == (12, 12, 12, Decimal(12 * 12))
        assert connection.execute("SELECT last_number FROM invoice_series").fetchall() == [(12,)]
        assert connection.execute("SELECT status FROM billing_runs").fetchall() == [("done",)]
