"""A customer tops up in the browser: portal, gateway, webhook and worker as processes, the balance as the
proof."""

import re
from dataclasses import replace
from decimal import Decimal

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select

from app.db import db, transaction
from app.models import WalletTransaction
from app.permissions import Actor, Role
from app.services import users
from tests.factories import make_account, make_customer, make_wallet
from tests.support.machine import answers, free_port
from tests.support.own import OwnDatabase

pytestmark = [pytest.mark.browser, pytest.mark.processes]


@pytest.fixture
def shop(own_database: OwnDatabase) -> str:
    """The whole product on processes of its own, with one customer; returns its address."""
    sandbox_url = f"http://127.0.0.1:{free_port()}"
    own_database.settings = replace(
        own_database.settings,
        development_sign_in=True,
        sandbox_url=sandbox_url,
        sandbox_public_url=sandbox_url,
    )
    with own_database.app(), transaction():
        customer = make_customer("Namma Kirana Private Limited")
        make_wallet("20", account=make_account(customer, prepaid=True))
        users.create(
            "asha@namma.example",
            name="Asha Rao",
            role=Role.customer,
            customer=customer,
            actor=Actor.system("tests"),
        )
    url = own_database.start_web()
    port = sandbox_url.rpartition(":")[2]
    data = str(own_database.settings.data_dir / "sandbox")
    command = ("-m", "app.gateways.sandbox_server", "--port", port, "--webhook-url", url, "--data", data)
    child = own_database.start("sandbox", *command, "--delay-seconds", "1")
    own_database.poll(lambda: answers(f"{sandbox_url}/healthz"), "the sandbox", child)
    own_database.start_worker()
    return url


def test_money_paid_at_the_gateway_is_in_the_wallet(shop: str, page: Page, own_database: OwnDatabase):
    page.goto(f"{shop}/sign-in")
    page.get_by_role("button", name=re.compile("Asha Rao")).click()
    page.goto(f"{shop}/portal/wallets")
    page.get_by_role("link", name="Top up").click()
    page.get_by_label("Amount").fill("1,500")
    page.get_by_role("button", name="Continue to payment").click()
    expect(page.get_by_role("heading", name="Wallet top-up")).to_be_visible()
    page.get_by_role("button", name="Decline").click()
    expect(page.get_by_role("alert")).to_have_text("Your card was declined. Try another one.")
    page.get_by_role("button", name="Delay").click()
    page.wait_for_url(re.compile("/portal/payments/"))

    def arrived() -> bool:
        page.reload()
        return "Succeeded" in page.inner_text("main")

    own_database.poll(arrived, "the payment to succeed")
    page.goto(f"{shop}/portal/wallets")
    expect(page.get_by_role("main")).to_contain_text("₹1,520.00")
    with own_database.app():
        amounts = db.session.scalars(select(WalletTransaction.amount)).all()
    assert sorted(amounts) == [Decimal(20), Decimal(1500)]
