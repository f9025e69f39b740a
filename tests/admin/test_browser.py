"""The back office in a real browser: nothing the policy forbids, questions before what cannot be undone,
themes, keyboard, narrow screens.
"""

import re

import pytest
from playwright.sync_api import Page, expect

from app.db import db, transaction
from app.models import DeadLetter, Wallet
from app.permissions import Role
from tests.admin.world import make_world
from tests.auth.people import make_user
from tests.support.browser import LiveServer

TOO_WIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"

pytestmark = [pytest.mark.browser, pytest.mark.processes]


@pytest.fixture
def office(live_server: LiveServer, page: Page) -> LiveServer:
    """A back office with a small world in it, a super admin signed in."""
    with live_server.database.app(), transaction():
        for number in (1, 2, 3):
            make_world(number)
        make_user(Role.super_admin, name="Ananya Rao")
    page.goto(f"{live_server.url}/sign-in")
    page.get_by_role("button", name="Ananya Rao").click()
    expect(page.get_by_role("heading", name="Dashboard")).to_be_visible()
    return live_server


def test_every_page_of_the_sidebar_keeps_to_the_policy_and_fits_320_pixels(
    office: LiveServer, page: Page
) -> None:
    problems: list[str] = []
    page.on(
        "console",
        lambda message: problems.append(message.text) if message.type in {"error", "warning"} else None,
    )
    addresses = page.locator(".nav-item[href^='/admin']").evaluate_all(
        "links => links.map(link => link.href)"
    )
    assert len(addresses) > 20
    page.set_viewport_size({"width": 320, "height": 700})
    for address in addresses:
        page.goto(address)
        assert (address, page.evaluate(TOO_WIDE)) == (address, 0)
        assert page.locator("h1").count() == 1
        assert page.locator("main#content, nav, aside, header.topbar").count() >= 4
    assert problems == []


def test_a_bulk_operation_asks_first_and_cancel_changes_nothing(office: LiveServer, page: Page) -> None:
    page.goto(f"{office.url}/admin/dead-letters/")
    expect(page.locator("[data-bulk-bar]")).to_be_hidden()
    page.get_by_label("Select every row of this page").check()
    expect(page.locator("[data-bulk-bar]")).to_contain_text("3 selected")
    page.get_by_role("button", name="Discard").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("The event will never count.")
    dialog.get_by_role("button", name="Cancel").click()
    expect(dialog).to_be_hidden()
    assert statuses(office) == {"open"}
    page.get_by_role("button", name="Discard").click()
    page.get_by_role("dialog").get_by_role("button", name="Discard").click()
    expect(page.get_by_role("status").first).to_contain_text("Discard: 3 dead letters done.")
    assert statuses(office) == {"discarded"}


def test_a_list_in_which_nothing_matches_has_nothing_to_select(office: LiveServer, page: Page) -> None:
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(f"{office.url}/admin/dead-letters/?search=nobody-sent-this")
    expect(page.get_by_text("Nothing matches")).to_be_visible()
    expect(page.locator("[data-bulk-bar]")).to_be_hidden()
    assert problems == []


def statuses(office: LiveServer) -> set[str]:
    """Return the states of all dead letters."""
    with office.database.app():
        return {str(letter.status) for letter in db.session.query(DeadLetter)}


def test_deleting_asks_first_without_inline_handlers(office: LiveServer, page: Page) -> None:
    page.goto(f"{office.url}/admin/tax-rates/")
    before = page.locator("tbody tr").count()
    page.locator("tbody .row-link").first.click()
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_role("dialog")).to_contain_text("for good")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    page.goto(f"{office.url}/admin/tax-rates/")
    assert page.locator("tbody tr").count() == before


def test_a_record_is_looked_up_and_chosen_by_keyboard_alone(office: LiveServer, page: Page) -> None:
    page.goto(f"{office.url}/admin/accounts/new/")
    page.get_by_role("combobox", name="Customer").focus()
    page.keyboard.type("kav")
    expect(page.get_by_role("listbox", name="Customer").get_by_role("option")).to_have_count(3)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.get_by_role("combobox", name="Customer")).to_have_value(re.compile("Kaveri Foods [123]"))
    page.get_by_label("Name").fill("Kaveri South")
    page.get_by_label("Name").press("Enter")
    expect(page.get_by_role("heading", name="Kaveri South")).to_be_visible()


def test_a_cell_is_edited_in_place(office: LiveServer, page: Page) -> None:
    page.goto(f"{office.url}/admin/metrics/")
    cell = page.locator("tbody tr").first.locator("[data-inline=name]")
    cell.hover()
    cell.get_by_role("button", name="Edit this cell").click()
    cell.get_by_role("textbox").fill("Calls answered")
    cell.get_by_role("textbox").press("Enter")
    expect(cell.get_by_text("Calls answered")).to_be_visible()
    page.reload()
    expect(page.get_by_text("Calls answered")).to_be_visible()


def test_a_theme_is_kept_and_painted_by_the_server(office: LiveServer, page: Page) -> None:
    page.get_by_role("button", name="Dark", exact=True).click()
    assert background(page) == "rgb(18, 18, 18)"
    page.reload(wait_until="commit")
    assert page.locator("html").get_attribute("data-bs-theme") == "dark"
    page.wait_for_load_state("load")
    assert background(page) == "rgb(18, 18, 18)"
    page.get_by_role("button", name="Light", exact=True).click()
    assert background(page) == "rgb(255, 255, 255)"


def test_without_a_choice_the_system_decides(office: LiveServer, page: Page) -> None:
    page.emulate_media(color_scheme="dark")
    page.goto(f"{office.url}/admin/customers/")
    assert background(page) == "rgb(18, 18, 18)"
    page.emulate_media(color_scheme="light")
    page.reload()
    assert background(page) == "rgb(255, 255, 255)"


def background(page: Page) -> str:
    """Return the colour behind the page."""
    return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))


def test_the_keyboard_reaches_the_content_at_once_and_the_menu_opens_on_a_narrow_screen(
    office: LiveServer, page: Page
) -> None:
    page.goto(f"{office.url}/admin/customers/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"
    page.set_viewport_size({"width": 375, "height": 800})
    expect(page.get_by_role("link", name="Wallets", exact=True)).to_be_hidden()
    page.get_by_role("button", name="Open the menu").click()
    page.get_by_role("link", name="Wallets", exact=True).click()
    expect(page.get_by_role("heading", name="Wallets", level=1)).to_be_visible()


def test_a_wallet_is_credited_in_the_browser(office: LiveServer, page: Page) -> None:
    page.goto(f"{office.url}/admin/wallets/")
    page.locator("tbody .row-link").first.click()
    page.get_by_role("link", name="Credit").click()
    page.get_by_label("Amount").fill("99.50")
    page.get_by_label("Reason").fill("Goodwill")
    page.get_by_role("button", name="Credit").click()
    expect(page.get_by_text("Credit: done.")).to_be_visible()
    expect(page.get_by_role("region", name="Transactions").get_by_text("₹349.50")).to_be_visible()
    with office.database.app():
        assert sorted(wallet.balance for wallet in db.session.query(Wallet)) == [250, 250, 349.5]


def test_the_charts_are_drawn_and_told_as_tables(office: LiveServer, page: Page) -> None:
    page.goto(f"{office.url}/admin/")
    chart = page.locator("#revenue-chart")
    page.wait_for_function("window.Chart && Object.keys(window.Chart.instances).length >= 1")
    assert chart.bounding_box()["height"] == 240  # type: ignore[index]
    page.get_by_text("Revenue by month in INR as a table").click()
    expect(page.get_by_role("rowheader", name="Nov 2026")).to_be_visible()
