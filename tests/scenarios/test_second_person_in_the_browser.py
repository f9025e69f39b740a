"""Meera of finance credits more than one person alone may: a second person is asked, she cannot be that
person herself, Ananya approves, and the money is there.
"""

from decimal import Decimal
from uuid import UUID

import pytest
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import select

from app.db import db, transaction
from app.models import Approval, Wallet, WalletTransaction
from app.models.wallets import TransactionKind
from app.permissions import Role
from app.services import verify
from tests.auth.people import make_user
from tests.factories import make_account, make_customer, make_wallet
from tests.support.browser import LiveServer

pytestmark = [pytest.mark.browser, pytest.mark.processes]

TOO_WIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture
def wallet_id(live_server: LiveServer) -> UUID:
    """The wallet of a customer with ₹2,500, and two people of the back office."""
    with live_server.database.app(), transaction():
        account = make_account(make_customer("Kaveri Foods"), prepaid=True, name="Kaveri wallet")
        make_user(Role.finance_admin, name="Meera Iyer")
        make_user(Role.super_admin, name="Ananya Rao")
        return make_wallet("2500", account=account).id


@pytest.fixture
def ananya(browser: Browser, live_server: LiveServer, wallet_id: UUID) -> Page:
    """Ananya, signed in at a browser of her own."""
    page = browser.new_context(locale="en-IN", timezone_id="Asia/Kolkata").new_page()
    return signed_in(page, live_server, "Ananya Rao")


def signed_in(page: Page, office: LiveServer, name: str) -> Page:
    """Return the page with the dashboard of somebody."""
    page.goto(f"{office.url}/sign-in")
    page.get_by_role("button", name=name).click()
    expect(page.get_by_role("heading", name="Dashboard")).to_be_visible()
    return page


def balance(office: LiveServer, wallet_id: UUID) -> Decimal:
    """Return what the wallet holds."""
    with office.database.app():
        return db.session.get_one(Wallet, wallet_id).balance


def credit(page: Page, office: LiveServer, wallet_id: UUID, amount: str) -> None:
    """Credit the wallet on its page."""
    page.goto(f"{office.url}/admin/wallets/details/?id={wallet_id}")
    page.get_by_role("link", name="Credit").click()
    expect(page.get_by_text("Above ₹50,000.00 a second person has to approve it first.")).to_be_visible()
    page.get_by_label("Amount").fill(amount)
    page.get_by_label("Reason").fill("Goodwill for the outage of October")
    page.get_by_role("button", name="Credit").click()


def test_money_above_the_limit_moves_when_a_second_person_says_so(
    live_server: LiveServer, wallet_id: UUID, page: Page, ananya: Page
) -> None:
    signed_in(page, live_server, "Meera Iyer")
    credit(page, live_server, wallet_id, "75000")
    expect(page.get_by_text("Nothing has moved yet: a second person has to approve it.")).to_be_visible()
    assert balance(live_server, wallet_id) == 2500

    page.get_by_role("link", name="Approvals").click()
    expect(page.get_by_role("heading", name="Approvals")).to_be_visible()
    expect(page.get_by_role("region", name="Waiting for you")).to_have_count(0)
    page.get_by_role("cell", name="Goodwill for the outage of October").locator("..").get_by_role(
        "link"
    ).first.click()
    expect(page.get_by_role("button", name="Withdraw")).to_be_visible()
    expect(page.get_by_role("button", name="Approve")).to_have_count(0)

    ananya.goto(f"{live_server.url}/admin/")
    expect(ananya.get_by_role("link", name="Approvals 1")).to_be_visible()
    ananya.get_by_role("link", name="Approvals 1").click()
    ananya.get_by_role("button", name="Approve").click()
    dialog = ananya.get_by_role("dialog", name="Credit of ₹75,000.00: approve?")
    expect(dialog).to_contain_text("₹75,000.00 that nobody paid is put into the wallet of Kaveri wallet")
    expect(dialog).to_contain_text("under the names of Meera Iyer and yours")
    dialog.get_by_role("button", name="Approve").click()
    expect(ananya.get_by_text("Approve: done.")).to_be_visible()
    expect(ananya.get_by_role("main")).to_contain_text("Approved")
    assert balance(live_server, wallet_id) == 77500

    page.goto(f"{live_server.url}/admin/wallets/details/?id={wallet_id}")
    expect(page.get_by_role("main")).to_contain_text("₹77,500.00")
    expect(page.get_by_role("main")).to_contain_text("Goodwill for the outage of October")
    with live_server.database.app():
        moved = db.session.scalars(select(WalletTransaction).filter_by(kind=TransactionKind.credit)).one()
        approval = db.session.scalars(select(Approval)).one()
        assert (moved.actor, approval.transaction_id) == ("Meera Iyer, approved by Ananya Rao", moved.id)
        assert verify.run().ok


def test_the_inbox_fits_a_narrow_screen_and_a_refusal_tells_why(
    live_server: LiveServer, wallet_id: UUID, page: Page, ananya: Page
) -> None:
    signed_in(page, live_server, "Meera Iyer")
    credit(page, live_server, wallet_id, "75000")
    ananya.set_viewport_size({"width": 375, "height": 812})
    ananya.goto(f"{live_server.url}/admin/approvals/")
    assert ananya.evaluate(TOO_WIDE) == 0
    ananya.get_by_role("link", name="Refuse Credit of ₹75,000.00").click()
    ananya.get_by_label("Reason").fill("Ask the customer first")
    ananya.get_by_role("button", name="Refuse").click()
    expect(ananya.get_by_text("Refuse: done.")).to_be_visible()
    page.goto(f"{live_server.url}/admin/approvals/")
    page.get_by_role("cell", name="Goodwill for the outage of October").locator("..").get_by_role(
        "link"
    ).first.click()
    expect(page.get_by_role("main")).to_contain_text("Ask the customer first")
    assert balance(live_server, wallet_id) == 2500
