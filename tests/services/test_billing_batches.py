"""Accounts that a billing run bills together: what comes out is what each would have got alone, and the
trouble of one stops no other."""

from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db import db
from app.models import Account, AuditRecord, Invoice, InvoiceSeries, Metric, OutboxMessage
from app.models.billing_runs import ItemStatus
from app.models.invoices import InvoiceKind, InvoiceStatus
from app.services import billing, discounts, numbers, taxes
from app.services.billing import Step
from tests import factories as make
from tests.services.invoicing import IN_DECEMBER, IN_NOVEMBER, NOVEMBER, OCTOBER, drain, use


@pytest.fixture
def metric(session: Session) -> Metric:
    make.make_seller()
    make.make_tax_rate("18")
    return make.make_metric()


def accounts_on_a_plan(metric: Metric, number: int, **values: Any) -> list[Account]:
    """Return accounts with a fee of 99 and a price of 1.00, of which the nth used n messages."""
    plan = make.make_plan(components=[make.fee("99"), make.per_unit(metric, "1")])
    made = [make.make_account(**values) for _ in range(number)]
    for n, account in enumerate(made, 1):
        make.make_subscription(account, plan, start_at=OCTOBER.start)
        use(account, metric, n, meter=False)
    drain()
    return made


def run(together: int, period: str = "2026-10", at: Any = IN_NOVEMBER) -> list[Step]:
    run_id = billing.prepare(period, at=at, actor=make.ACTOR).id
    return list(billing.work(run_id, at=at, actor=make.ACTOR, together=together))


def content(account_id: UUID) -> tuple[Any, ...]:
    """Return what an account's invoice says but for its number, with the positions and promises behind it."""
    invoice = db.session.scalars(select(Invoice).where(Invoice.account_id == account_id)).one()
    said = {name: value for name, value in (invoice.snapshot or {}).items() if name != "number"}
    told = select(AuditRecord.action, AuditRecord.after["total"].astext).where(
        AuditRecord.resource_id == str(invoice.id)
    )
    promised = select(OutboxMessage.kind).where(OutboxMessage.key == str(invoice.id))
    return (
        said,
        invoice.status,
        invoice.due_on,
        [tuple(row) for row in db.session.execute(told)],
        db.session.scalars(promised).all(),
    )


def test_accounts_billed_together_get_what_each_gets_alone(session: Session, metric: Metric) -> None:
    customer = make.make_customer()
    plan = make.make_plan(components=[make.fee("99"), make.per_unit(metric, "1")])
    fours = [[make.make_account(customer) for _ in range(4)] for _ in range(2)]
    for four in fours:
        for n, account in enumerate(four, 1):
            make.make_subscription(account, plan, start_at=OCTOBER.start)
            use(account, metric, n, meter=False)
    drain()
    contents = []
    for together, four in zip((1, 4), fours, strict=True):
        ids = {account.id for account in four}
        run_id = billing.prepare("2026-10", at=IN_NOVEMBER, actor=make.ACTOR, accounts=ids).id
        steps = list(billing.work(run_id, at=IN_NOVEMBER, actor=make.ACTOR, together=together))
        assert [(step.done, step.of) for step in steps] == [(1, 4), (2, 4), (3, 4), (4, 4)]
        contents.append([content(account.id) for account in four])
    assert contents[0] == contents[1]
    found = session.scalars(select(Invoice.number).order_by(Invoice.number)).all()
    assert found == [f"OT29/26-27/0000{n}" for n in range(1, 9)]


@pytest.mark.parametrize(
    ("pending", "lanes", "together"),
    [(0, 1, 1), (31, 1, 1), (32, 1, 2), (200, 8, 1), (10_000, 2, 40), (10_000, 32, 19)],
)
def test_each_lane_has_many_shares_of_a_run(pending: int, lanes: int, together: int) -> None:
    assert billing.in_one_transaction(pending, lanes) == together


def test_accounts_billed_together_share_their_statements(
    session: Session, metric: Metric, query_counter: Any
) -> None:
    counted = []
    for number in (3, 9):
        accounts_on_a_plan(metric, number)
        run_id = billing.prepare("2026-10", at=IN_NOVEMBER, actor=make.ACTOR).id
        with query_counter() as queries:
            steps = list(billing.work(run_id, at=IN_NOVEMBER, actor=make.ACTOR, together=9))
        assert {step.status for step in steps} == {ItemStatus.issued}
        counted.append(len(queries))
    assert counted[0] == counted[1]


def test_an_account_in_trouble_is_left_to_itself(session: Session, metric: Metric) -> None:
    accounts = accounts_on_a_plan(metric, 4)
    accounts[1].customer.state_code = "99"
    session.flush()
    steps = {step.account_id: step for step in run(4)}
    assert [steps[account.id].status for account in accounts] == [
        ItemStatus.issued,
        ItemStatus.failed,
        ItemStatus.issued,
        ItemStatus.issued,
    ]
    assert steps[accounts[1].id].message == (
        "A two-digit GST State code is needed, such as 29 for Karnataka."
    )
    found = session.scalars(select(Invoice.number).order_by(Invoice.number)).all()
    assert found == ["OT29/26-27/00001", "OT29/26-27/00002", "OT29/26-27/00003"]


def test_where_no_number_is_left_for_all_the_last_one_is_given(session: Session, metric: Metric) -> None:
    """A series of five digits has one number left."""
    accounts_on_a_plan(metric, 3)
    seller = taxes.get_seller(IN_NOVEMBER.date())
    numbers.take(seller, InvoiceKind.tax_invoice, on=IN_NOVEMBER.date())
    session.scalars(select(InvoiceSeries)).one().last_number = 99_998
    session.flush()
    steps = run(3)
    assert sorted(step.status for step in steps) == [ItemStatus.failed, ItemStatus.failed, ItemStatus.issued]
    assert session.scalars(select(Invoice.number)).all() == ["OT29/26-27/99999"]


def test_who_has_a_contract_or_a_wallet_is_billed_alone_and_right(session: Session, metric: Metric) -> None:
    (plain, credited) = accounts_on_a_plan(metric, 2)
    (prepaid,) = accounts_on_a_plan(metric, 1, prepaid=True)
    discounts.give_credit(credited, "50", reason="Sorry", at=IN_NOVEMBER, actor=make.ACTOR)
    steps = {step.account_id: step for step in run(3)}
    assert {step.status for step in steps.values()} == {ItemStatus.issued}
    # 99 + 1 and 18 %; 99 + 2 less the credit of 50 and 18 %, to the rupee; as the first.
    assert [steps[each.id].total for each in (plain, credited, prepaid)] == [
        Decimal(118),
        Decimal(60),
        Decimal(118),
    ]


def test_a_doubtful_total_is_parked_beside_others_that_are_issued(session: Session, metric: Metric) -> None:
    accounts = accounts_on_a_plan(metric, 3)
    run(3)
    use(accounts[0], metric, 1200, at=IN_NOVEMBER)
    steps = {step.account_id: step for step in run(3, "2026-11", IN_DECEMBER)}
    assert [steps[account.id].status for account in accounts] == [
        ItemStatus.parked,
        ItemStatus.issued,
        ItemStatus.issued,
    ]
    assert [steps[account.id].number for account in accounts] == [
        None,
        "OT29/26-27/00004",
        "OT29/26-27/00005",
    ]
    parked = session.scalars(select(Invoice).where(Invoice.status == InvoiceStatus.parked)).one()
    assert (parked.account_id, parked.period_end) == (accounts[0].id, NOVEMBER.end)


def test_accounts_of_other_zones_are_billed_for_their_own_month(session: Session, metric: Metric) -> None:
    accounts_on_a_plan(metric, 2)
    (behind,) = accounts_on_a_plan(metric, 1, timezone="America/Los_Angeles")
    assert behind.id not in {step.account_id for step in run(3)}
    (step,) = run(3, at=IN_NOVEMBER + timedelta(hours=3))
    assert (step.account_id, step.status) == (behind.id, ItemStatus.issued)


def test_series_by_series_numbers_are_taken_without_a_gap(session: Session, metric: Metric) -> None:
    at_home = accounts_on_a_plan(metric, 2)
    abroad = accounts_on_a_plan(metric, 2, customer=make.make_customer(country="US", state_code=None))
    steps = {step.account_id: step.number for step in run(4)}
    assert [steps[account.id] for account in at_home] == ["OT29/26-27/00001", "OT29/26-27/00002"]
    assert [steps[account.id] for account in abroad] == ["OT29E/26-27/0001", "OT29E/26-27/0002"]
