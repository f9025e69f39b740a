"""The page of GST returns, its files, and the forms of tax data."""

import json
from datetime import date

import pytest
from sqlalchemy import select

from app.db import db
from app.models import ExchangeRate, LetterOfUndertaking, SellerRegistration
from app.permissions import Role
from app.services import invoices
from tests import factories as make
from tests.admin.conftest import Desk, Person
from tests.services.invoicing import IN_NOVEMBER, OCTOBER


@pytest.fixture
def seller(desk: Person) -> SellerRegistration:
    """A seller with one issued invoice in November 2026, to a customer with a hostile name."""
    row = make.make_seller()
    make.make_tax_rate("18")
    line = {"description": "Setup", "quantity": "1", "unit_price": "123456.78"}
    account = make.make_account(make.make_customer("=<img src=x>", gstin=make.a_gstin("27")))
    draft = invoices.draft_by_hand(account, OCTOBER, lines=[line], at=IN_NOVEMBER, actor=make.ACTOR)
    invoices.issue(draft, at=IN_NOVEMBER, actor=make.ACTOR)
    return row


def test_the_page_shows_the_sections_of_a_month(desk: Person, seller: SellerRegistration) -> None:
    page = desk.text("/admin/gst-returns/?month=2026-11")
    assert "4, 6B, 6C: registered recipients" in page
    assert "₹1,23,456.78" in page
    assert "₹22,222.22" in page
    assert "=&lt;img src=x&gt;" in page
    assert "<img src=x>" not in page


def test_the_files_of_a_month(desk: Person, seller: SellerRegistration) -> None:
    sheet = desk.get("/admin/gst-returns/csv/?month=2026-11")
    assert "'=<img src=x>" in sheet.get_data(as_text=True)
    assert sheet.headers["Content-Disposition"].endswith(f'"gstr1-{seller.gstin}-2026-11.csv"')
    told = json.loads(desk.get("/admin/gst-returns/json/?month=2026-11").get_data(as_text=True))
    assert (told["fp"], told["supplies"]["igst"]) == ("112026", "22222.22")


def test_what_is_no_month_is_told_on_the_page(desk: Person, seller: SellerRegistration) -> None:
    answer = desk.get("/admin/gst-returns/?month=2026-13")
    assert answer.status_code == 422


def test_without_a_registration_the_page_says_what_to_do(desk: Person) -> None:
    assert "No registration is entered" in desk.text("/admin/gst-returns/")


def test_support_sees_no_returns_and_enters_no_rates(at_desk: Desk, seller: SellerRegistration) -> None:
    support = at_desk(Role.support)
    assert support.get("/admin/gst-returns/?month=2026-11").status_code == 403
    assert "/admin/gst-returns/" not in support.text("/admin/")
    assert support.get("/admin/exchange-rates/new/").status_code == 403


def test_finance_enters_a_rate_and_a_letter(at_desk: Desk) -> None:
    seller = make.make_seller(lut=False)
    finance = at_desk(Role.finance_admin)
    form = {"currency": "EUR", "rate": "97.5", "valid_from": "2026-11-01", "source": "RBI"}
    assert finance.post("/admin/exchange-rates/new/", form).status_code == 302
    row = db.session.scalars(select(ExchangeRate).where(ExchangeRate.currency == "EUR")).one()
    assert (str(row.rate), row.valid_from) == ("97.50000000", date(2026, 11, 1))
    letter = {"registration": str(seller.id), "financial_year": "2026-27", "number": "AD27"}
    assert finance.post("/admin/letters-of-undertaking/new/", letter).status_code == 302
    found = db.session.scalars(select(LetterOfUndertaking)).one()
    assert (found.valid_from, found.valid_until) == (date(2026, 4, 1), date(2027, 3, 31))


def test_a_prefix_that_overlaps_is_told_at_its_field(at_desk: Desk) -> None:
    make.make_seller()
    form = {
        "legal_name": "OTPless",
        "gstin": make.a_gstin("27"),
        "address_line1": "Baner Road",
        "city": "Pune",
        "postal_code": "411045",
        "series_prefix": "OT29",
        "valid_from": "2026-04-01",
    }
    answer = at_desk(Role.finance_admin).post("/admin/seller-registrations/new/", form)
    assert answer.status_code == 422
    assert "gives numbers that start with OT29" in answer.get_data(as_text=True)
