"""From the sign-in page over the provider to the dashboard, and out of both, in a real browser."""

from dataclasses import replace

import pytest
from playwright.sync_api import Page, expect

from app.db import in_transaction
from app.models import User
from app.permissions import Role
from app.services import users
from tests.auth.people import make_user
from tests.auth.providing import ProviderProcess
from tests.support.own import OwnDatabase

ANANYA = "ananya@otpless.example"


@pytest.fixture
def url(own_database: OwnDatabase, provider_process: ProviderProcess) -> str:
    """The product's web server with the provider, in which one super admin is known."""
    own_database.settings = provider_process.settings(own_database.settings)
    own_database.settings = replace(own_database.settings, step_up_minutes=480)
    with own_database.app():
        in_transaction(lambda: make_user(Role.super_admin, email=ANANYA, name="Ananya Rao").id)
    address = own_database.start_web()
    provider_process.behave(f"{address}/sign-in/callback")
    provider_process.control(people={ANANYA: {"sub": "auth0|ananya", "amr": ["mfa"]}})
    return address


def test_in_by_the_provider_and_out_of_both(
    page: Page, url: str, own_database: OwnDatabase, provider_process: ProviderProcess
) -> None:
    before = provider_process.control()
    page.goto(f"{url}/admin/api-keys/")
    expect(page).to_have_title("Sign in · OTPless Billing")
    page.get_by_role("link", name="Sign in").click()
    page.get_by_label("E-mail").fill(ANANYA)
    page.get_by_role("button", name="Continue").click()
    page.wait_for_url(f"{url}/admin/api-keys/")
    expect(page.get_by_text("Ananya Rao").first).to_be_visible()
    assert provider_process.control() == before + 1

    # Out at both, from a form, which the policy of the page has to let lead to the provider.
    page.locator("form[action='/sign-out'] button").first.evaluate("button => button.click()")
    page.wait_for_url(f"{url}/sign-in")
    assert provider_process.control() == before
    page.goto(f"{url}/admin/")
    page.get_by_role("link", name="Sign in").click()
    expect(page.get_by_label("E-mail")).to_be_visible()
    with own_database.app():
        user: User | None = users.find_by_email(ANANYA)
        assert user is not None
        assert user.subject == "auth0|ananya"
