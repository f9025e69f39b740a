"""A customer is warned of a low balance, tops up on the gateway's page, and the warning is gone.

With `SHOTS=directory` in the environment the pages are photographed there, light and dark, wide and narrow.
"""

import os
import re
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select

from app import clock
from app.db import db, transaction
from app.models import Wallet
from app.permissions import Actor, Role
from app.services import users, wallets
from tests.factories import ACTOR, make_account, make_customer, make_wallet
from tests.support.machine import answers, free_port
from tests.support.own import OwnDatabase

pytestmark = [pytest.mark.browser, pytest.mark.processes]

SIZES = {"wide": (1440, 900), "narrow": (375, 812)}


@pytest.fixture
def shop(own_database: OwnDatabase) -> str:
    """The whole product on processes of its own, with one customer whose wallet holds 120; its address."""
    sandbox_url = f"http://127.0.0.1:{free_port()}"
    own_database.settings = replace(
        own_database.settings,
        development_sign_in=True,
        sandbox_url=sandbox_url,
        sandbox_public_url=sandbox_url,
    )
    with own_database.app(), transaction():
        customer = make_customer("Namma Kirana Private Limited")
        account = make_account(customer, prepaid=True, name="Shop in Jayanagar")
        make_wallet("120", account=account, low_balance_threshold="100")
        staff = Actor.system("tests")
        users.create(
            "asha@namma.example", name="Asha Rao", role=Role.customer, customer=customer, actor=staff
        )
        users.create("rohit@otpless.example", name="Rohit Das", role=Role.support, actor=staff)
    url = own_database.start_web()
    port = sandbox_url.rpartition(":")[2]
    data = str(own_database.settings.data_dir / "sandbox")
    command = ("-m", "app.gateways.sandbox_server", "--port", port, "--webhook-url", url, "--data", data)
    child = own_database.start("sandbox", *command)
    own_database.poll(lambda: answers(f"{sandbox_url}/healthz"), "the sandbox", child)
    own_database.start_worker()
    return url


def photograph(page: Page, name: str) -> None:
    """Keep the page as people see it, where somebody wants to look."""
    folder = os.environ.get("SHOTS")
    if not folder:
        return
    Path(folder).mkdir(parents=True, exist_ok=True)
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        for size, (width, height) in SIZES.items():
            page.set_viewport_size({"width": width, "height": height})
            page.screenshot(path=f"{folder}/{name}-{scheme}-{size}.png", full_page=True)
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": 1440, "height": 900})


def sign_in(page: Page, shop: str, name: str) -> None:
    page.context.clear_cookies()
    page.goto(f"{shop}/sign-in")
    page.get_by_role("button", name=re.compile(name)).click()


def spend(own_database: OwnDatabase, amount: str) -> None:
    with own_database.app(), transaction():
        wallet = db.session.scalars(select(Wallet)).one()
        wallets.debit(wallet, Decimal(amount), at=clock.now(), actor=ACTOR, reason="A campaign")


def test_a_low_balance_is_told_and_a_top_up_ends_it(shop: str, page: Page, own_database: OwnDatabase):
    sign_in(page, shop, "Asha Rao")
    expect(page.get_by_role("link", name="Notifications", exact=True)).to_be_visible()
    spend(own_database, "80")
    page.goto(f"{shop}/portal/")
    expect(page.get_by_text("Low balance")).to_be_visible()
    photograph(page, "1-dashboard")
    page.get_by_role("link", name="Notifications, 1 new").click()
    expect(page.get_by_role("link", name=re.compile("the balance is below ₹50.00"))).to_be_visible()
    photograph(page, "2-notifications")
    page.get_by_role("button", name="Mark as read").click()
    expect(page.get_by_role("link", name="Notifications", exact=True)).to_be_visible()
    page.get_by_role("link", name=re.compile("the balance is below ₹50.00")).click()
    expect(page.get_by_text("The balance is below ₹100.00.")).to_be_visible()
    photograph(page, "3-wallet")
    top_up(page, own_database)
    page.goto(f"{shop}/portal/wallets")
    expect(page.get_by_role("main")).to_contain_text("₹1,540.00")
    expect(page.get_by_text("The balance is below")).to_have_count(0)
    mails = [path.read_text() for path in own_database.settings.mail_dir.glob("*.eml")]
    assert len([mail for mail in mails if "Subject: Shop in Jayanagar" in mail]) == 1


def top_up(page: Page, own_database: OwnDatabase) -> None:
    page.get_by_role("link", name="Top up").click()
    page.get_by_label("Amount").fill("1,500")
    page.get_by_role("button", name="Continue to payment").click()
    page.get_by_role("button", name="Pay", exact=False).first.click()
    page.wait_for_url(re.compile("/portal/payments/"))

    def arrived() -> bool:
        page.reload()
        return "Succeeded" in page.inner_text("main")

    own_database.poll(arrived, "the payment to succeed")


def test_limits_are_set_in_the_portal_and_staff_see_the_alert(
    shop: str, page: Page, own_database: OwnDatabase
):
    sign_in(page, shop, "Asha Rao")
    page.goto(f"{shop}/portal/wallets")
    page.get_by_role("link", name="Limits").click()
    page.get_by_label("In a day").fill("0")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("The amount must be more than zero.")).to_be_visible()
    photograph(page, "4-limits-refused")
    page.get_by_label("In a day").fill("2,000")
    page.get_by_label("When less is left than").fill("60")
    page.get_by_role("textbox", name="Top up by").fill("500")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("The limits were saved.")).to_be_visible()
    spend(own_database, "80")

    def asked() -> bool:
        page.goto(f"{shop}/portal/notifications")
        return page.get_by_role("link", name="Pay on the gateway's page").count() == 1

    own_database.poll(asked, "the page of the automatic top-up")
    photograph(page, "5-automatic-top-up")
    page.get_by_role("link", name="Pay on the gateway's page").click()
    expect(page.get_by_role("button", name="Decline")).to_be_visible()
    sign_in(page, shop, "Rohit Das")
    page.goto(f"{shop}/admin/inbox/")
    expect(page.get_by_role("link", name=re.compile("please top up"))).to_be_visible()
    photograph(page, "6-inbox-of-staff")
