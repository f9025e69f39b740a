"""An office with one row of everything, and people to look at it."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from app.db import transaction
from app.permissions import Role
from tests.admin.movements import make_movements
from tests.admin.world import make_world
from tests.auth.people import make_user
from tests.support.browser import PATIENCE_MS, LiveServer

Enter = Callable[[str], Page]

SUPER_ADMIN, FINANCE, SUPPORT, CUSTOMER = "Ananya Rao", "Meera Iyer", "Rohit Verma", "Asha Rao"
STAFF = {SUPER_ADMIN: Role.super_admin, FINANCE: Role.finance_admin, SUPPORT: Role.support}


@pytest.fixture
def office(live_server: LiveServer) -> LiveServer:
    """A running product with at least one row of every model, three people of the staff and a customer."""
    with live_server.database.app():
        with transaction():
            world = make_world()
            make_movements(world.customer)
        with transaction():
            for name, role in STAFF.items():
                make_user(role, name=name)
            make_user(Role.customer, name=CUSTOMER, customer=world.customer)
    return live_server


@pytest.fixture
def enter(office: LiveServer, browser: Browser) -> Iterator[Enter]:
    """Sign somebody in, in a browser profile of their own: `enter("Rohit Verma")`."""
    contexts: list[BrowserContext] = []

    def sign_in(name: str) -> Page:
        context = browser.new_context(locale="en-IN", timezone_id="Asia/Kolkata")
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        page = context.new_page()
        page.goto(f"{office.url}/sign-in")
        page.get_by_role("button", name=name).click()
        expect(page.get_by_role("banner")).to_be_visible()
        return page

    yield sign_in
    for context in contexts:
        context.close()
