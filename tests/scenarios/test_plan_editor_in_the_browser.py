"""A person from finance builds a graduated plan without JSON, sees what it costs while typing, publishes it,
puts an account on it, and tries the next version on the usage of past months before anybody gets it.
"""

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from playwright.sync_api import Dialog, Locator, Page, expect
from sqlalchemy import select

from app.db import db, transaction
from app.models import PriceComponent, PricePlan, Subscription
from app.models.plans import Timing, VersionStatus
from app.permissions import Role
from app.services import components
from tests.auth.people import make_user
from tests.factories import make_account, make_metric, make_plan, per_unit
from tests.scenarios import trying_a_version as trying
from tests.support.browser import LiveServer
from tests.support.own import OwnDatabase

pytestmark = [pytest.mark.browser, pytest.mark.processes]

TOO_WIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture
def own_database(own_database: OwnDatabase) -> OwnDatabase:
    """A database whose API takes usage of the last hundred days."""
    own_database.settings = replace(own_database.settings, event_max_age_days=100)
    return own_database


@pytest.fixture
def office(live_server: LiveServer, page: Page) -> LiveServer:
    """A back office with a metric, a draft and an account; a finance admin is signed in."""
    with live_server.database.app(), transaction():
        metric = make_metric("auth.otp", name="One-time passwords", unit="message", aggregation="sum")
        make_plan("starter", name="Starter", components=[per_unit(metric, "0.25")], publish=False)
        make_account(external_id="kaveri", name="Kaveri Foods")
        make_user(Role.finance_admin, name="Meera Iyer")
    page.goto(f"{live_server.url}/sign-in")
    page.get_by_role("button", name="Meera Iyer").click()
    expect(page.get_by_role("heading", name="Dashboard")).to_be_visible()
    return live_server


def total(page: Page) -> Locator:
    """Return the total of the live quote."""
    return page.locator("output[data-quote-total]")


def open_editor(office: LiveServer, page: Page, plan: str) -> None:
    """Open the editor of a plan's draft by its links."""
    page.goto(f"{office.url}/admin/plans/")
    page.get_by_role("link", name=plan, exact=True).click()
    page.get_by_role("link", name="Edit prices of version 1").click()


def test_a_graduated_plan_is_built_published_sold_and_its_next_version_simulated(
    office: LiveServer, page: Page, tmp_path: Path
) -> None:
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.goto(f"{office.url}/admin/plans/new/")
    page.get_by_label("Code").fill("growth")
    page.get_by_label("Name").fill("Growth")
    page.get_by_role("button", name="Save").click()
    page.get_by_role("link", name="Edit prices of version 1").click()
    expect(page.get_by_text("No prices yet")).to_be_visible()

    page.get_by_role("button", name="Add usage price").click()
    card = page.get_by_role("region", name="1. One-time passwords")
    card.get_by_label("Price model").select_option(label="Graduated")
    card.get_by_role("button", name="Add tier").click()
    expect(card.get_by_label("Tier 1: Up to and including")).to_be_focused()
    page.keyboard.type("100")
    page.keyboard.press("Tab")
    page.keyboard.type("0.50")
    card.get_by_label("Tier 2: Price per unit").fill("0.30")
    expect(total(page)).to_have_text("₹320.00")
    page.get_by_label("One-time passwords: quantity").fill("2100")
    expect(total(page)).to_have_text("₹650.00")
    expect(page.locator(".plan-steps li")).to_have_text(
        ["Tier 1: 100 × ₹0.50 = ₹50.00", "Tier 2: 2,000 × ₹0.30 = ₹600.00"]
    )
    card.get_by_label("Tier 2: Price per unit").fill("0.25")
    expect(total(page)).to_have_text("₹550.00")

    page.get_by_role("button", name="Add fixed fee").click()
    fee = page.get_by_role("region", name="2. Fixed fee")
    fee.get_by_label("Name on invoices").fill("Platform fee")
    fee.get_by_label("Price per period").fill("999")
    expect(total(page)).to_have_text("₹1,549.00")
    expect(page.get_by_text("Not saved yet")).to_be_visible()
    page.get_by_role("button", name="Save draft").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    expect(page.get_by_text("Not saved yet")).to_be_hidden()

    page.get_by_role("link", name="Review and publish").click()
    expect(page.get_by_text("New subscriptions get growth v1 from")).to_be_visible()
    page.get_by_role("button", name="Publish version 1").click()
    expect(page.get_by_text("Publish: done.")).to_be_visible()
    first, last = trying.months()
    subscribe(office, page, first)
    check_what_is_sold(office)
    trying.send_usage(office, first, last)
    draft_the_next_version(office, page)
    trying.simulate(office, page, f"{first:%Y-%m}", f"{last:%Y-%m}")
    trying.check_the_result(page)
    trying.check_the_sheet(page, f"{first:%Y-%m}", f"{last:%Y-%m}", tmp_path / "sheet.csv")
    assert errors == []


def test_each_country_is_priced_by_itself_while_somebody_types(office: LiveServer, page: Page) -> None:
    """150 of one country and 40 of another: 100 × 1 + 50 × 0.5, and 40 × 1."""
    open_editor(office, page, "Starter")
    card = page.get_by_role("region", name="1. One-time passwords")
    card.get_by_label("Price model").select_option(label="Graduated")
    card.get_by_role("button", name="Add tier").click()
    card.get_by_label("Tier 1: Up to and including").fill("100")
    card.get_by_label("Tier 1: Price per unit").fill("1")
    card.get_by_label("Tier 2: Price per unit").fill("0.5")
    card.get_by_label("Priced", exact=True).select_option(label="Each country by itself")
    page.get_by_label("One-time passwords: country 1", exact=True).fill("IN")
    page.get_by_label("One-time passwords: quantity of country 1").fill("150")
    page.get_by_role("button", name="Add value").click()
    expect(page.get_by_label("One-time passwords: country 2", exact=True)).to_be_focused()
    page.get_by_label("One-time passwords: quantity of country 2").fill("40")
    expect(total(page)).to_have_text("₹165.00")
    expect(page.locator(".plan-steps li")).to_have_text(
        [
            "none: Tier 1: 40 × ₹1.00 = ₹40.00",
            "IN: Tier 1: 100 × ₹1.00 = ₹100.00",
            "IN: Tier 2: 50 × ₹0.50 = ₹25.00",
        ]
    )
    page.get_by_label("One-time passwords: quantity of country 2").fill("many")
    expect(page.get_by_text("Write a number")).to_be_visible()
    page.get_by_role("button", name="Remove country 2").click()
    expect(total(page)).to_have_text("₹125.00")

    card.get_by_label("Only for country").fill("IN")
    expect(card.get_by_text("there is nothing to group")).to_be_visible()
    card.get_by_label("Only for country").fill("IN, US")
    page.get_by_role("button", name="Save draft").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    with office.database.app():
        (component,) = db.session.scalars(select(PriceComponent)).all()
        assert (component.group_by, component.filters) == ("country", {"country": ["IN", "US"]})


def subscribe(office: LiveServer, page: Page, first: date) -> None:
    """Put the account on the plan from its page, since a day that is past."""
    page.goto(f"{office.url}/admin/accounts/")
    page.locator("tbody .row-link").first.click()
    page.get_by_role("link", name="Put on a plan").click()
    page.wait_for_load_state()
    page.get_by_role("combobox", name="Plan").focus()
    page.keyboard.type("gro")
    page.get_by_role("option", name="Growth").click()
    page.get_by_label("First day").fill(first.isoformat())
    page.get_by_role("button", name="Put on a plan").click()
    expect(page.get_by_text("Put on a plan: done.")).to_be_visible()


def draft_the_next_version(office: LiveServer, page: Page) -> None:
    """Make the next version dearer, see what publishing it would do, and go on to its simulation."""
    page.goto(f"{office.url}/admin/plans/")
    page.get_by_role("link", name="Growth", exact=True).click()
    page.get_by_role("button", name="New version").click()
    page.get_by_role("dialog").get_by_role("button", name="New version").click()
    page.get_by_role("link", name="Edit prices of version 2").click()
    page.get_by_label("Tier 2: Price per unit").fill("0.28")
    expect(total(page)).to_have_text("₹1,301.00")
    page.get_by_label("Tier 1: Price per unit").fill("0.40")
    expect(total(page)).to_have_text("₹1,291.00")
    page.get_by_role("link", name="Review and publish").click()
    expect(page.get_by_text("3 subscriptions of this plan stay on the version of today")).to_be_visible()
    expect(page.get_by_role("row", name="Tier 1")).to_contain_text("Up to 100: 0.4 per unit")
    expect(page.get_by_role("row", name="Tier 2")).to_contain_text("Then: 0.25 per unit")
    expect(page.get_by_role("row", name="Tier 2")).to_contain_text("Then: 0.28 per unit")
    page.get_by_role("link", name="Simulate first").click()
    expect(page.get_by_role("combobox", name="Version")).to_have_value("growth v2 (draft)")


def check_what_is_sold(office: LiveServer) -> None:
    """Compare the version that the account is on with what was typed."""
    with office.database.app():
        subscription = db.session.scalars(select(Subscription)).one()
        version = subscription.version
        assert (version.plan.code, version.number, version.status) == ("growth", 1, VersionStatus.published)
        usage, fee = version.components
        assert (usage.model, components.as_price(usage)["tiers"]) == (
            "graduated",
            [{"up_to": "100", "unit": "0.5", "flat": "0"}, {"up_to": None, "unit": "0.25", "flat": "0"}],
        )
        assert (fee.name, fee.terms["price"], fee.timing) == ("Platform fee", "999", Timing.advance)


def test_what_cannot_be_used_is_told_at_the_field_and_nothing_is_saved(
    office: LiveServer, page: Page
) -> None:
    open_editor(office, page, "Starter")
    expect(total(page)).to_have_text("₹250.00")
    price = page.get_by_label("Price per unit")
    price.fill("a lot")
    expect(price).to_have_attribute("aria-invalid", "true")
    expect(page.locator(".plan-component .field-error")).to_have_text("Write a number, such as 118.00.")
    page.get_by_label("Price model").select_option(label="Volume")
    page.get_by_role("button", name="Save draft").click()
    expect(page.locator(".plan-component .field-error")).to_have_text("A tier needs a price.")
    expect(page.get_by_label("Tier 1: Price per unit")).to_be_focused()
    expect(page.locator("[data-status]")).to_have_text("A tier needs a price.")
    page.get_by_label("Least amount per period").fill("little")
    page.get_by_role("button", name="Add fixed fee").click()
    page.get_by_role("button", name="Save draft").click()
    expect(page.locator("[data-status]")).to_have_text("Some fields cannot be used.")
    expect(page.locator(".plan-component .field-error")).to_have_text(
        ["A tier needs a price.", "Write a number, such as 118.00.", "Price per period is needed."]
    )
    with office.database.app():
        plan = db.session.scalars(select(PricePlan)).one()
        assert [(one.model, one.terms["unit"]) for one in plan.versions[0].components] == [
            ("per_unit", "0.25")
        ]


def test_leaving_with_changes_asks_first(office: LiveServer, page: Page) -> None:
    asked: list[str] = []
    open_editor(office, page, "Starter")
    page.get_by_label("Price per unit").fill("0.30")

    def answer(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.accept()

    page.on("dialog", answer)
    page.get_by_role("link", name="Dashboard").click()
    expect(page.get_by_role("heading", name="Dashboard")).to_be_visible()
    assert asked == ["beforeunload"]


def test_components_are_ordered_copied_and_removed_by_keyboard(office: LiveServer, page: Page) -> None:
    open_editor(office, page, "Starter")
    page.get_by_role("button", name="Add fixed fee").click()
    page.get_by_role("region", name="2. Fixed fee").get_by_label("Price per period").fill("10")
    page.get_by_role("button", name="Move up Fixed fee").focus()
    page.keyboard.press("Enter")
    expect(page.locator("[data-title]").first).to_have_text("1. Fixed fee")
    expect(page.locator("[data-status]")).to_have_text("Fixed fee is now number 1.")
    page.locator("[data-copy-currency]").select_option("USD")
    page.get_by_role("button", name="Copy list to this currency").press("Enter")
    expect(page.locator("[data-title]")).to_have_count(4)
    expect(total(page)).to_have_text("₹260.00")
    page.get_by_label("Currency", exact=True).last.select_option("USD")
    expect(total(page)).to_have_text("$260.00")
    page.get_by_role("button", name="Remove Fixed fee").last.press("Enter")
    expect(total(page)).to_have_text("$250.00")
    page.get_by_role("button", name="Save draft").press("Enter")
    expect(page.get_by_text("Saved.")).to_be_visible()
    page.get_by_role("link", name="Review and publish").click()
    expect(page.get_by_text("fee has a price in INR and none in USD")).to_be_visible()
    expect(page.get_by_role("button", name="Publish version 1")).to_have_count(0)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_editor_fits_a_telephone(office: LiveServer, page: Page, theme: str) -> None:
    page.set_viewport_size({"width": 375, "height": 800})
    page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
    open_editor(office, page, "Starter")
    page.get_by_label("Price model").select_option(label="Graduated")
    expect(page.get_by_label("Tier 1: Price per unit")).to_be_visible()
    page.get_by_label("Tier 1: Price per unit").fill("2")
    expect(page.get_by_role("link", name="Quote ₹2,000.00")).to_be_visible()
    assert page.evaluate(TOO_WIDE) == 0
