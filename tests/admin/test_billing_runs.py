"""The screens of billing runs and number series: started by a form, followed, tried again, stopped."""

import re

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app import clock
from app.models import Account, BillingRun, BillingRunItem, Invoice, InvoiceSeries, SellerRegistration
from app.permissions import Role
from app.services import billing, billing_runs
from tests import factories as make
from tests.admin.conftest import Desk, Person
from tests.services.invoicing import IN_NOVEMBER, priced, use

START = "/admin/billing-runs/operation/start/"


@pytest.fixture
def accounts(session: Session, monkeypatch: pytest.MonkeyPatch) -> list[Account]:
    """Two accounts that used 100 and 200 messages at 1.00 in October; it is 1 November."""
    monkeypatch.setattr(clock, "now", lambda: IN_NOVEMBER)
    make.make_seller()
    make.make_tax_rate("18")
    metric = make.make_metric()
    found = []
    for n in (1, 2):
        account = make.make_account(name=f"Account {n}", external_id=f"acct-{n}")
        priced(make.per_unit(metric, "1"), account=account)
        use(account, metric, 100 * n)
        found.append(account)
    return found


def begin(desk: Person, **more: str) -> BillingRun:
    assert desk.post(START, {"period": "2026-10", **more}).status_code == 302
    (run_id,) = billing_runs.unfinished()
    return billing_runs.get(run_id)


def work(run: BillingRun) -> None:
    for _step in billing.work(run.id, at=IN_NOVEMBER, actor=make.ACTOR):
        pass


def shown(desk: Person, run: BillingRun) -> str:
    return desk.text(f"/admin/billing-runs/details/?id={run.id}")


def words(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


def test_a_run_is_followed_while_it_goes_on_and_read_when_it_is_over(
    accounts: list[Account], desk: Person
) -> None:
    run = begin(desk)
    page = shown(desk, run)
    assert 'http-equiv="refresh"' in page
    assert "Billing: 0 of 2 accounts (every account that owes)" in words(page)
    work(run)
    page = shown(desk, run)
    assert 'http-equiv="refresh"' not in page
    assert "Done: 2 of 2 accounts" in words(page)
    for figure in ("₹354.00", "OT29/26-27/00001", "OT29/26-27/00002", "Issued: 2"):
        assert figure in words(page)


def test_a_dry_run_of_named_accounts_shows_and_issues_nothing(
    session: Session, accounts: list[Account], desk: Person
) -> None:
    run = begin(desk, accounts="acct-2", dry_run="y")
    work(run)
    page = words(shown(desk, run))
    assert "2026-10, dry run" in page
    assert "Would be issued: 1" in page
    assert "₹236.00" in page
    assert session.scalars(select(Invoice)).all() == []
    file = desk.get(f"/admin/billing-runs/download/csv/?id={run.id}")
    assert (file.status_code, file.mimetype) == (200, "text/csv")


def test_what_failed_is_tried_again_from_the_screen_one_or_all(
    session: Session, accounts: list[Account], desk: Person
) -> None:
    accounts[0].customer.state_code = "99"
    run = begin(desk)
    work(run)
    assert "A two-digit GST State code is needed" in shown(desk, run)
    accounts[0].customer.state_code = "27"
    item = session.scalars(select(BillingRunItem).where(BillingRunItem.status == "failed")).one()
    assert desk.post(f"/admin/billing-run-items/operation/retry/?id={item.id}").status_code == 302
    assert billing_runs.unfinished() == [run.id]
    work(run)
    assert len(session.scalars(select(Invoice)).all()) == 2


def test_a_run_is_stopped_and_goes_on_from_the_screen(accounts: list[Account], desk: Person) -> None:
    run = begin(desk)
    assert desk.post(f"/admin/billing-runs/operation/cancel/?id={run.id}").status_code == 302
    assert "Stopped: 0 of 2 accounts" in words(shown(desk, run))
    assert billing_runs.unfinished() == []
    assert desk.post(f"/admin/billing-runs/operation/resume/?id={run.id}").status_code == 302
    assert billing_runs.unfinished() == [run.id]


def test_support_sees_runs_and_starts_none(accounts: list[Account], at_desk: Desk) -> None:
    support = at_desk(Role.support)
    assert support.get("/admin/billing-runs/").status_code == 200
    assert support.post(START, {"period": "2026-10"}).status_code == 403
    assert billing_runs.unfinished() == []


def test_a_series_is_opened_and_keeps_its_prefix_after_its_first_number(
    session: Session, accounts: list[Account], desk: Person
) -> None:
    registration = str(session.scalars(select(SellerRegistration.id)).one())
    form = {"registration": registration, "kind": "tax_invoice", "financial_year": "2026-27", "prefix": "INV"}
    assert desk.post("/admin/invoice-series/new/", form).status_code == 302
    work(begin(desk))
    series = session.scalars(select(InvoiceSeries)).one()
    assert (series.prefix, series.last_number) == ("INV", 2)
    desk.post(f"/admin/invoice-series/edit/?id={series.id}", {"prefix": "NEW"})
    session.refresh(series)
    assert series.prefix == "INV"
    row = words(desk.text("/admin/invoice-series/").partition("<tbody")[2].partition("</tbody>")[0])
    assert [word for word in row.split() if word.isdigit()] == ["2", "2", "0"]
