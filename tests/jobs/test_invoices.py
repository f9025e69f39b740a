"""The jobs that bill: the month that ended, the runs that were left, and what is overdue."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app import clock
from app.models import BillingRun, Invoice
from app.models.billing_runs import RunStatus
from app.models.invoices import InvoiceStatus
from app.services import billing_candidates, billing_runs
from jobs import invoices as jobs
from tests import factories as make
from tests.services.invoicing import IN_DECEMBER, issue_for, priced, use


@pytest.fixture(autouse=True)
def _used(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """An account that used 100 messages at 1.00 in October; it is the evening of 1 November."""
    make.make_seller()
    make.make_tax_rate("18")
    metric = make.make_metric()
    use(priced(make.per_unit(metric, "1")).account, metric, 100)
    monkeypatch.setattr(clock, "now", lambda: datetime(2026, 11, 1, 20, tzinfo=UTC))


def test_the_last_month_is_billed_by_its_lanes_once(session: Session) -> None:
    begun = jobs.bill_last_month()
    assert begun["period"] == "2026-10"
    counts = [jobs.bill_accounts(begun["run"], lane)["billed"] for lane in "01"]
    assert counts == [1, 0]
    assert jobs.bill_last_month() == begun
    assert jobs.bill_accounts(begun["run"], "0")["billed"] == 0
    assert [str(invoice.total) for invoice in session.scalars(select(Invoice))] == ["118.0000"]


def test_a_run_that_was_left_is_found_and_finished(session: Session) -> None:
    begun = jobs.bill_last_month()
    assert jobs.resume_runs() == {"runs": 1}
    jobs.bill_accounts(begun["run"], "1")
    assert session.scalars(select(BillingRun.status)).one() is RunStatus.done
    assert (billing_runs.has_unfinished(), jobs.resume_runs()) == (False, {"runs": 0})


def test_what_was_due_yesterday_is_marked(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    (account_id,) = billing_candidates.accounts("2026-10", billing_candidates.Scope())
    invoice = issue_for(make.accounts.get(account_id))
    assert jobs.mark_overdue() == {"overdue": 0}
    monkeypatch.setattr(clock, "now", lambda: IN_DECEMBER)
    assert jobs.mark_overdue() == {"overdue": 1}
    session.refresh(invoice)
    assert invoice.status is InvoiceStatus.overdue
