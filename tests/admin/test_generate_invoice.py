"""The screen that makes an invoice (specification 6.3.3), by forms alone."""

from typing import Any

import pytest
from sqlalchemy import func, select

from app import clock
from app.db import db
from app.models import Account, AuditRecord, Invoice, Metric
from app.models.invoices import InvoiceStatus
from app.permissions import Role
from tests import factories as make
from tests.admin.conftest import Desk, Person
from tests.services.invoicing import IN_NOVEMBER, priced, use

GENERATE = "/admin/invoices/generate/"


@pytest.fixture(autouse=True)
def _in_november(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: IN_NOVEMBER)


@pytest.fixture
def account(desk: Person) -> Account:
    """A customer in Karnataka that used 400 messages at 2.50 in October."""
    make.make_seller()
    make.make_tax_rate("18")
    metric: Metric = make.make_metric("auth.otp", name="One-time passwords")
    account = make.make_account(make.make_customer(gstin=make.a_gstin("29")), name="Kaveri main")
    priced(make.per_unit(metric, "2.50", name="One-time passwords"), account=account)
    use(account, metric, 400)
    return account


def form(account: Account, **more: str) -> dict[str, Any]:
    """Return the form for October with a line of two hours at 500."""
    return {
        "account": str(account.id),
        "first": "2026-10-01",
        "last": "2026-10-31",
        "purchase_order": "PO-7",
        "terms_days": "30",
        "line-0-description": "Training",
        "line-0-quantity": "2",
        "line-0-unit_price": "500",
        "line-0-sac": "",
        "line-1-description": "",
        **more,
    }


def stored() -> tuple[int, int]:
    """Return how many invoices and audit records there are."""
    count = [db.session.scalar(select(func.count()).select_from(model)) for model in (Invoice, AuditRecord)]
    return count[0] or 0, count[1] or 0


def test_the_month_before_is_proposed(account: Account, desk: Person) -> None:
    page = desk.text(f"{GENERATE}?account={account.id}")
    assert 'name="first" value="2026-10-01"' in page
    assert 'name="last" value="2026-10-31"' in page
    assert "Generate invoice – Kaveri main" in page


def test_a_preview_shows_everything_and_stores_nothing(account: Account, desk: Person) -> None:
    before = stored()
    answer = desk.post(f"{GENERATE}preview/", form(account))
    assert answer.json["fields"] == {}
    for text in ("₹1,000.00", "₹2,000.00", "₹180.00", "₹2,360.00", "PO-7", "1 Dec 2026", "29-Karnataka"):
        assert text in answer.json["html"], text
    whole = desk.post(GENERATE, form(account, do="preview"))
    assert whole.status_code == 200
    assert "₹2,360.00" in whole.get_data(as_text=True)
    assert stored() == before


def test_it_is_issued_with_its_purchase_order_and_terms(account: Account, desk: Person) -> None:
    answer = desk.post(GENERATE, form(account, do="issue"))
    assert answer.status_code == 303
    invoice = db.session.scalars(select(Invoice)).one()
    assert (invoice.status, str(invoice.total), invoice.purchase_order) == (
        InvoiceStatus.issued,
        "2360.0000",
        "PO-7",
    )
    assert [str(day) for day in (invoice.issued_on, invoice.due_on)] == ["2026-11-01", "2026-12-01"]
    assert invoice.snapshot is not None
    assert "Please pay within 30 days" in invoice.snapshot["notes"]
    assert "Invoice OT29/26-27/00001 was issued." in desk.text(answer.location)


def test_it_is_kept_as_a_draft(account: Account, desk: Person) -> None:
    assert desk.post(GENERATE, form(account, do="draft", terms_days="")).status_code == 303
    invoice = db.session.scalars(select(Invoice)).one()
    assert (invoice.status, invoice.number, invoice.due_on) == (InvoiceStatus.draft, None, None)


@pytest.mark.parametrize(
    ("changed", "field", "message"),
    [
        ({"account": ""}, "account", "Choose an account"),
        ({"first": "soon"}, "first", "Choose a day."),
        ({"last": "2026-09-30"}, "last", "The period ends before it begins."),
        ({"last": "2028-10-31"}, "last", "A period has at most 400 days."),
        ({"terms_days": "-1"}, "terms_days", "Write a number of days from 0 to 365."),
        ({"line-0-quantity": "many"}, "line-0-quantity", "Write a number, such as 118.00."),
        ({"line-0-quantity": "0"}, "line-0-quantity", "The quantity must be more than zero."),
        ({"line-0-unit_price": "-5"}, "line-0-unit_price", ""),
        ({"line-0-description": ""}, "line-0-description", ""),
        ({"line-0-sac": "99"}, "line-0-sac", "A services accounting code has 4, 6 or 8 digits."),
    ],
)
def test_a_field_that_cannot_be_used_says_so_and_nothing_is_lost(
    account: Account, desk: Person, changed: dict[str, str], field: str, message: str
) -> None:
    before = stored()
    answer = desk.post(GENERATE, {**form(account, do="issue"), **changed})
    assert answer.status_code == 422
    page = answer.get_data(as_text=True)
    assert f'id="{field}-error"' in page
    assert message in page
    kept = {**form(account), **changed}
    for name in ("purchase_order", "line-0-description", "line-0-unit_price"):
        assert f'name="{name}" value="{kept[name]}"' in page
    assert list(desk.post(f"{GENERATE}preview/", {**form(account), **changed}).json["fields"]) == [field]
    assert stored() == before


def test_lines_are_added_and_removed_without_scripts(account: Account, desk: Person) -> None:
    more = desk.post(GENERATE, form(account, do="add")).get_data(as_text=True)
    assert 'name="line-2-description"' in more
    less = desk.post(GENERATE, form(account, do="remove-0")).get_data(as_text=True)
    assert 'name="line-0-description"' not in less


def test_where_nothing_is_owed_a_line_is_asked_for(account: Account, desk: Person) -> None:
    empty = {
        "account": str(make.make_account(account.customer).id),
        "first": "2026-10-01",
        "last": "2026-10-31",
    }
    assert "add a line" in desk.post(f"{GENERATE}preview/", empty).json["html"]
    answer = desk.post(GENERATE, {**empty, "do": "issue"})
    assert answer.status_code == 422
    assert "add a line" in answer.get_data(as_text=True)


def test_support_may_not_make_invoices(account: Account, at_desk: Desk) -> None:
    support = at_desk(Role.support)
    assert support.get(GENERATE).status_code == 403
    assert support.post(f"{GENERATE}preview/", form(account)).status_code == 403
    assert support.post(GENERATE, form(account, do="issue")).status_code == 403
    assert stored()[0] == 0
