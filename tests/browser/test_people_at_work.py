"""What people do, as the role that does it: an invoice by keyboard alone, support that looks and cannot
change, an event that is mended and sent again, a customer who reads what there is to pay.
"""

import json

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select

from app.db import db
from app.models import Account, DeadLetter, Invoice, Metric
from tests.browser.conftest import CUSTOMER, FINANCE, SUPER_ADMIN, SUPPORT, Enter
from tests.browser.keyboard import tab_to
from tests.browser.selling import sell_last_month
from tests.browser.survey import TOO_WIDE
from tests.support.browser import LiveServer

pytestmark = [pytest.mark.browser, pytest.mark.processes]

WIDTHS = (375, 768, 1440)
CHANGES = (
    "main form[method=post], main a[href*='/operation/'], main a[href*='/edit/'], main a[href*='/new/'],"
    " main [data-inline], main [data-bulk-bar] button"
)


def looks(page: Page) -> list[tuple[int, str]]:
    """Return the widths and themes at which a page is looked at."""
    return [(width, theme) for width in WIDTHS for theme in ("light", "dark")]


def dress(page: Page, width: int, theme: str) -> None:
    """Give the window a width and the page a theme."""
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]


def test_an_invoice_is_generated_by_keyboard_alone(office: LiveServer, enter: Enter) -> None:
    sell_last_month(office.database)
    page = enter(FINANCE)
    page.goto(f"{office.url}/admin/billing/")
    tab_to(page, "Generate invoice")
    page.keyboard.press("Enter")
    page.wait_for_url("**/generate/**")
    tab_to(page, "Account")
    page.keyboard.type("godavari")
    expect(page.get_by_role("option")).to_have_count(1)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    total = page.locator("[data-preview-total]")
    expect(total).to_have_text("₹354.00")
    tab_to(page, "Add line item")
    page.keyboard.press("Space")
    expect(page.get_by_label("Description")).to_be_focused()
    for text in ("Training", "2", "500"):
        page.keyboard.type(text)
        page.keyboard.press("Tab")
    expect(total).to_have_text("₹1,534.00")
    tab_to(page, "Generate")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    tab_to(page, "Generate")
    page.keyboard.press("Enter")
    expect(page.get_by_text("was issued.")).to_be_visible()
    tab_to(page, "PDF")
    with office.database.app():
        issued = select(Invoice).join(Account).where(Account.external_id == "godavari")
        assert str(db.session.scalars(issued).one().total) == "1534.0000"


def test_support_looks_everywhere_and_is_offered_no_change(office: LiveServer, enter: Enter) -> None:
    page = enter(SUPPORT)
    lists = page.locator(".nav-item[href^='/admin']").evaluate_all("links => links.map(link => link.href)")
    assert f"{office.url}/admin/users/" not in lists
    offers: list[tuple[str, list[str]]] = []
    for number, address in enumerate(lists):
        dress(page, *looks(page)[number % len(looks(page))])
        page.goto(address)
        row = page.locator("main tbody .row-link")
        if row.count() and "/admin/" in (href := row.first.get_attribute("href") or ""):
            page.goto(f"{office.url}{href}")
        assert (page.url, page.evaluate(TOO_WIDE)) == (page.url, 0)
        if found := page.locator(CHANGES).evaluate_all("all => all.map(one => one.outerHTML.slice(0, 160))"):
            offers.append((page.url, found))
    assert offers == []


def test_a_refused_event_is_mended_and_sent_again(office: LiveServer, enter: Enter) -> None:
    page = enter(SUPER_ADMIN)
    dress(page, 375, "dark")
    with office.database.app():
        letter = db.session.scalars(select(DeadLetter)).one()
        metric, account = (
            db.session.scalars(select(Metric)).first(),
            db.session.scalars(select(Account)).first(),
        )
        assert metric is not None
        assert account is not None
        event = {
            "event_id": "d1",
            "account_id": account.external_id,
            "metric": metric.code,
            "properties": {"channel": "sms", "country": "IN"},
        }
        address = f"{office.url}/admin/dead-letters/details/?id={letter.id}"
    page.goto(address)
    expect(page.get_by_text("There is no metric 'x'.").first).to_be_visible()
    page.get_by_role("link", name="Edit event").click()
    page.get_by_label("Event").fill(json.dumps(event))
    page.get_by_role("button", name="Edit event").click()
    expect(page.get_by_role("status").first).to_contain_text("The event was edited.")
    page.get_by_role("button", name="Replay").first.click()
    page.get_by_role("dialog").get_by_role("button", name="Replay").click()
    expect(page.get_by_role("main").get_by_text("Replayed", exact=True).first).to_be_visible()
    with office.database.app():
        assert str(db.session.scalars(select(DeadLetter)).one().status) == "replayed"


def test_a_customer_reads_the_balance_the_usage_and_the_invoice_on_any_screen(
    office: LiveServer, enter: Enter
) -> None:
    page = enter(CUSTOMER)
    for width, theme in looks(page):
        dress(page, width, theme)
        for path in ("/portal/", "/portal/usage", "/portal/wallets", "/portal/invoices"):
            page.goto(f"{office.url}{path}")
            assert (path, width, page.evaluate(TOO_WIDE)) == (path, width, 0)
        background = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert background == ("rgb(255, 255, 255)" if theme == "light" else "rgb(18, 18, 18)")
        page.locator("main a[href^='/portal/invoices/']").first.click()
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        assert (page.url, width, page.evaluate(TOO_WIDE)) == (page.url, width, 0)
