"""Dry runs beside the month before, and runs of other choices that meet at one account."""

from decimal import Decimal

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.db import db
from app.models import Account, AuditRecord, BillingRun, BillingRunItem, ChargePosition, Invoice, Metric
from app.models.billing_runs import ItemStatus
from app.services import billing, billing_runs
from app.services.billing_runs import Total
from tests import factories as make
from tests.services.invoicing import IN_DECEMBER, IN_NOVEMBER, priced, use


@pytest.fixture
def metric(session: Session) -> Metric:
    make.make_seller()
    make.make_tax_rate("18")
    return make.make_metric()


def used(metric: Metric, october: int, november: int) -> Account:
    """Return an account that used so much in the two months at 1.00, October billed."""
    account = priced(make.per_unit(metric, "1")).account
    use(account, metric, october)
    for _step in billing.run("2026-10", at=IN_NOVEMBER, actor=make.ACTOR, accounts=[account.id]):
        pass
    if november:
        use(account, metric, november, at=IN_NOVEMBER)
    return account


def try_november() -> BillingRun:
    run = billing.prepare("2026-11", at=IN_DECEMBER, actor=make.ACTOR, dry_run=True)
    for _step in billing.work(run.id, at=IN_DECEMBER, actor=make.ACTOR):
        pass
    return run


def item_of(run: BillingRun, account: Account) -> BillingRunItem:
    return db.session.scalars(billing_runs.items(run.id).where(BillingRunItem.account_id == account.id)).one()


def test_each_account_is_shown_beside_the_month_before(session: Session, metric: Metric) -> None:
    more, less, gone = used(metric, 100, 150), used(metric, 200, 100), used(metric, 50, 0)
    run = try_november()
    found = {
        account.id: (item.status, item.total, item.previous, item.difference, item.percent)
        for account in (more, less, gone)
        for item in (item_of(run, account),)
    }
    assert found == {
        more.id: (ItemStatus.due, Decimal(177), Decimal(118), Decimal(59), Decimal("50.0")),
        less.id: (ItemStatus.due, Decimal(118), Decimal(236), Decimal(-118), Decimal("-50.0")),
        gone.id: (ItemStatus.nothing_owed, Decimal(0), Decimal(59), Decimal(-59), Decimal("-100.0")),
    }
    assert item_of(run, gone).message == "Nothing is owed; the month before came to 59 INR."
    assert billing_runs.totals(run.id) == [
        Total("INR", ItemStatus.due, 2, Decimal(295), Decimal(354)),
        Total("INR", ItemStatus.nothing_owed, 1, Decimal(0), Decimal(59)),
    ]


def test_a_total_far_above_the_usual_is_told_as_a_doubt(session: Session, metric: Metric) -> None:
    account = used(metric, 2, 100)
    item = item_of(try_november(), account)
    assert (item.status, item.total) == (ItemStatus.parked, Decimal(118))
    assert item.message == "The total 118 INR is over 10 times the usual 2.00."


def test_a_dry_run_changes_nothing_but_its_own_rows(session: Session, metric: Metric) -> None:
    used(metric, 100, 150)

    def world() -> tuple[object, ...]:
        counts = [
            db.session.scalar(select(func.count()).select_from(each)) for each in (Invoice, AuditRecord)
        ]
        asked = select(ChargePosition.quantity, ChargePosition.invoiced_quantity).order_by(ChargePosition.id)
        return (*counts, *db.session.execute(asked).all())

    run = billing.prepare("2026-11", at=IN_DECEMBER, actor=make.ACTOR, dry_run=True)
    session.flush()
    before = world()
    for _step in billing.work(run.id, at=IN_DECEMBER, actor=make.ACTOR):
        pass
    assert world() == before
    assert billing_runs.progress(run.id)[ItemStatus.due] == 1


def test_an_account_that_another_run_has_billed_keeps_its_one_invoice(
    session: Session, metric: Metric
) -> None:
    """Usage that came after the first run waits for the next month, whichever run finds it."""
    account = used(metric, 100, 0)
    use(account, metric, 5)
    (step,) = billing.run("2026-10", at=IN_NOVEMBER, actor=make.ACTOR)
    assert (step.status, step.message) == (ItemStatus.issued, "Another run has billed the month already.")
    assert session.scalars(select(Invoice.total)).all() == [Decimal(118)]
    (later,) = billing.run("2026-11", at=IN_DECEMBER, actor=make.ACTOR)
    assert (later.total, later.previous) == (Decimal(6), Decimal(118))
