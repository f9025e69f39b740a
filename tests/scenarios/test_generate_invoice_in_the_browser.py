"""Finance makes an invoice by keyboard (specification 6.3.3): choose account and period, add a line, see what
it will be, generate it, open the PDF, and follow a line down to its events. Then the customer reads the same.
"""

import re
from datetime import datetime, timedelta

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select

from app import clock
from app.db import db, transaction
from app.domain.periods import Period, calendar_month, local_date
from app.models import Account, Invoice, Metric
from app.permissions import Role
from tests.auth.people import make_user
from tests.factories import (
    a_gstin,
    graduated,
    make_account,
    make_customer,
    make_metric,
    make_plan,
    make_seller,
    make_subscription,
    make_tax_rate,
)
from tests.services.invoicing import use
from tests.support.browser import LiveServer

pytestmark = [pytest.mark.browser, pytest.mark.processes]

ZONE = "Asia/Kolkata"
TOO_WIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


def last_month(now: datetime) -> Period:
    """Return the local month before an instant."""
    day = local_date(now, ZONE).replace(day=1) - timedelta(days=1)
    return calendar_month(f"{day:%Y-%m}", ZONE)


@pytest.fixture
def office(live_server: LiveServer, page: Page) -> LiveServer:
    """A back office with an account that used 300 messages last month; a finance admin is signed in."""
    month = last_month(clock.now())
    with live_server.database.app():
        with transaction():
            make_seller()
            make_tax_rate("18")
            metric = make_metric(
                "auth.otp", name="One-time passwords", unit="message", dimensions=["channel"]
            )
            plan = make_plan(
                "growth", components=[graduated(metric, ("100", "1"), (None, "0.5"), name="OTP")]
            )
            customer = make_customer("Kaveri Foods", gstin=a_gstin("29"))
            account = make_account(customer, name="Kaveri main", external_id="kaveri")
            make_subscription(account, plan, start_at=month.start)
            make_user(Role.finance_admin, name="Meera Iyer")
            make_user(Role.customer, name="Asha Rao", customer=customer)
        with transaction():
            account = db.session.scalars(select(Account)).one()
            metric = db.session.scalars(select(Metric)).one()
            use(account, metric, 300, at=month.start + timedelta(days=9, hours=7), channel="sms")
    sign_in(live_server, page, "Meera Iyer")
    return live_server


def sign_in(office: LiveServer, page: Page, name: str) -> None:
    page.goto(f"{office.url}/sign-in")
    page.get_by_role("button", name=name).click()
    page.wait_for_load_state("networkidle")


def test_an_invoice_is_generated_by_keyboard_and_explained_to_its_events(
    office: LiveServer, page: Page
) -> None:
    page.goto(f"{office.url}/admin/billing/")
    page.get_by_role("link", name="Generate invoice").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/generate/**")
    account = page.get_by_role("combobox", name="Account")
    account.focus()
    page.keyboard.type("Kav")
    expect(page.get_by_role("option").first).to_be_visible()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    total = page.locator("[data-preview-total]")
    expect(total).to_have_text("₹236.00")

    add_a_line(page)
    expect(total).to_have_text("₹1,416.00")
    with office.database.app():
        assert db.session.scalars(select(Invoice)).all() == []

    page.get_by_role("button", name="Generate", exact=True).focus()
    page.keyboard.press("Enter")
    page.get_by_role("dialog").get_by_role("button", name="Generate").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("was issued.")).to_be_visible()
    check_the_document(office, page)
    follow_a_line(page)
    look_as_the_customer(office, page)


def add_a_line(page: Page) -> None:
    """Add a line by keyboard; a quantity that is none says so at its field and loses nothing."""
    page.get_by_label("Purchase order").focus()
    page.keyboard.type("PO-7")
    page.get_by_role("button", name="Add line item").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Description")).to_be_focused()
    for text in ("Training", "many", "500"):
        page.keyboard.type(text)
        page.keyboard.press("Tab")
    expect(page.locator("#line-0-quantity-error")).to_be_visible()
    expect(page.get_by_label("Quantity")).to_have_attribute("aria-invalid", "true")
    page.get_by_label("Quantity").fill("2")
    page.keyboard.press("Tab")
    expect(page.locator("#line-0-quantity-error")).to_have_count(0)
    expect(page.get_by_label("Description")).to_have_value("Training")


def check_the_document(office: LiveServer, page: Page) -> None:
    """Compare what was stored, and open the PDF."""
    with office.database.app():
        invoice = db.session.scalars(select(Invoice)).one()
        assert (str(invoice.total), invoice.purchase_order) == ("1416.0000", "PO-7")
        assert [str(line.amount) for line in invoice.lines] == ["200.0000", "1000.0000"]
    address = page.get_by_role("link", name="PDF").get_attribute("href")
    answer = page.request.get(f"{office.url}{address}")
    assert answer.body().startswith(b"%PDF")
    assert answer.headers["content-type"] == "application/pdf"


def follow_a_line(page: Page) -> None:
    """Go from the invoice to the steps of a line, its day, its bucket and its events."""
    page.locator("summary", has_text="How this was worked out").first.click()
    page.get_by_role("link", name="Explain this line, down to its events").click()
    expect(page.get_by_text("300 messages in the period, priced as a whole: ₹200.00.")).to_be_visible()
    expect(page.get_by_text("Tier 2: 200 × ₹0.50 = ₹100.00")).to_be_visible()
    expect(page.get_by_text("are exactly those that this line was made of")).to_be_visible()
    recorded, recomputed = page.locator("code.code-whole").all_text_contents()
    assert recorded == recomputed
    page.get_by_role("region", name="Usage by day").get_by_role("link").first.click()
    page.get_by_role("group", name="Buckets of 15 minutes").get_by_role("link").first.click()
    expect(page.get_by_role("region", name="Events").get_by_role("row")).to_have_count(101)
    page.get_by_role("link", name=re.compile("Next")).click()
    page.get_by_role("link", name=re.compile("Next")).click()
    expect(page.get_by_role("region", name="Events").get_by_role("row")).to_have_count(101)
    expect(page.get_by_role("link", name=re.compile("Next"))).to_have_count(0)


def look_as_the_customer(office: LiveServer, page: Page) -> None:
    """The customer reads the same invoice and explanation, on a telephone."""
    page.context.clear_cookies()
    page.set_viewport_size({"width": 375, "height": 800})
    sign_in(office, page, "Asha Rao")
    page.goto(f"{office.url}/portal/invoices")
    page.get_by_role("link", name=re.compile("^OT29")).first.click()
    assert page.evaluate(TOO_WIDE) == 0
    expect(page.get_by_text("Issued", exact=True)).to_be_visible()
    page.get_by_role("link", name="Explain this line, down to its events").click()
    expect(page.get_by_text("300 messages in the period, priced as a whole: ₹200.00.")).to_be_visible()
    assert page.evaluate(TOO_WIDE) == 0
