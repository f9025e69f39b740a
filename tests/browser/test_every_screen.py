"""Every list, record, form and operation of the back office, every page of the portal, and the sign-in: no
violation of WCAG 2.1 A or AA in light or dark, nothing in the console, nothing that the policy refuses,
nothing wider than a telephone; nor with any dialog, menu or popup that they open.

The addresses come from the table of screens and from the links of the pages themselves, so a new screen is
looked at without being named here.
"""

import pytest
from playwright.sync_api import Browser

from tests.browser import openings
from tests.browser.addresses import staff_addresses
from tests.browser.conftest import CUSTOMER, SUPER_ADMIN, Enter
from tests.browser.survey import Survey
from tests.support.browser import LiveServer

pytestmark = [pytest.mark.browser, pytest.mark.processes]


def test_nothing_is_wrong_with_any_screen_in_light_dark_or_on_a_telephone(
    office: LiveServer, enter: Enter, browser: Browser
) -> None:
    pages = [f"{office.url}/admin/", *staff_addresses(office, SUPER_ADMIN)]
    outside = Survey(browser.new_page(), office.url)
    outside.look(f"{office.url}/sign-in")
    outside.page.close()
    desk = Survey(enter(SUPER_ADMIN), f"{office.url}/admin")
    desk.walk(pages)
    for one in openings.STAFF:
        desk.open(one, pages)
    portal = Survey(enter(CUSTOMER), f"{office.url}/portal")
    portal.walk([f"{office.url}/portal/"])
    for one in openings.CUSTOMER:
        portal.open(one, [])
    assert "\n".join([*outside.problems, *desk.problems, *portal.problems]) == ""
    assert len(desk.seen) >= len(pages)
