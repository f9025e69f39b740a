"""The event explorer: what its filters find, whose days they mean, and the drawer beside the list."""

import re
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from flask import Flask
from playwright.sync_api import Page, expect

from app.db import db, transaction
from app.models import Account, Metric, UsageEvent
from app.permissions import Role
from app.services import explorer
from tests import factories
from tests.admin.conftest import Person
from tests.admin.test_lists import names
from tests.admin.world import make_world
from tests.auth.people import make_user
from tests.support.application import QueryCounter
from tests.support.browser import LiveServer

EXPLORER = "/admin/usage-events/"
MIDNIGHT = datetime(2026, 10, 31, 18, 15, tzinfo=UTC)  # 1 November, 00:00 in Nepal, 23:45 in India


@pytest.fixture
def nepal(app: Flask) -> Account:
    """An account in Nepal with an event at its midnight, and one in India whose event comes later."""
    account, metric = factories.make_account(timezone="Asia/Kathmandu"), factories.make_metric()
    other = factories.make_account()
    add(account, metric, "otp-1", MIDNIGHT, {"channel": "sms", "retries": 2})
    add(other, metric, "otp-2", MIDNIGHT.replace(minute=20), {"channel": "email"})
    return account


def add(account: Account, metric: Metric, event_id: str, at: datetime, properties: dict[str, object]) -> None:
    """Store an event with its key."""
    db.session.flush()
    row = {"account_id": account.id, "event_id": event_id, "occurred_at": at}
    db.session.execute(db.text(KEY), row)
    db.session.add(UsageEvent(**row, metric_id=metric.id, quantity=Decimal(1), properties=properties))
    db.session.flush()


KEY = """
    INSERT INTO event_keys (account_id, event_id, body_sha256, occurred_at)
    VALUES (:account_id, :event_id, '', :occurred_at)
"""


@pytest.mark.parametrize(
    ("question", "found"),
    [
        ("", ["otp-2", "otp-1"]),
        ("event_id=otp-1", ["otp-1"]),
        ("event_id=otp-*", ["otp-2", "otp-1"]),
        ("property=channel%3Dsms", ["otp-1"]),
        ("property=retries%3D2", ["otp-1"]),
        ("property=channel", []),
        ("status=counted", ["otp-2", "otp-1"]),
        ("status=cancelled", []),
        ("status=lost", []),
        ("account=x", []),
        ("metric=x", []),
        ("occurred_at_from=nonsense", []),
        ("occurred_at_until=9999-12-31", []),
        ("occurred_at_from=2026-11-01", []),
        ("occurred_at_until=2026-10-31", ["otp-2", "otp-1"]),
    ],
)
def test_the_filters_find_events_and_nonsense_finds_none(
    desk: Person, nepal: Account, question: str, found: list[str]
) -> None:
    assert names(desk.text(f"{EXPLORER}?{question}")) == found


def test_days_are_those_of_the_account_that_is_asked_for(desk: Person, nepal: Account) -> None:
    page = desk.text(
        f"{EXPLORER}?account={nepal.id}&occurred_at_from=2026-11-01&occurred_at_until=2026-11-01"
    )
    assert names(page) == ["otp-1"]
    assert "Days begin and end at midnight of Asia/Kathmandu." in page
    assert "1 Nov 2026, 00:00 UTC+0545" in page
    assert names(desk.text(f"{EXPLORER}?account={nepal.id}&occurred_at_until=2026-10-31")) == []


def test_a_page_with_every_filter_costs_few_statements_and_counts_nothing(
    desk: Person, nepal: Account, query_counter: QueryCounter
) -> None:
    metric = db.session.scalars(db.select(Metric.id)).first()
    desk.text(EXPLORER)
    with query_counter() as queries:
        desk.text(f"{EXPLORER}?account={nepal.id}&metric={metric}&event_id=otp-1&status=counted")
    assert [sql for sql in queries if "count(" in sql.lower() and "usage_events" in sql] == []
    # Two of them tell the cheaper way, one bounds what is asked.
    assert len(queries) == 9, queries


def test_a_search_that_takes_too_long_says_how_to_narrow_it(
    desk: Person, nepal: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = f"{EXPLORER}?property=channel%3Dsms"
    monkeypatch.setattr(explorer, "LONGEST_MS", 1)
    monkeypatch.setattr(explorer, "conditions", lambda _: [db.func.pg_sleep(60).is_not(None)])
    page = desk.text(asked)
    assert "This would take too long" in page
    assert "Narrow the search by account or by time." in page
    assert 'value="channel=sms"' in page
    monkeypatch.undo()
    assert names(desk.text(asked)) == ["otp-1"]


def test_an_event_tells_its_properties_and_where_it_counts(desk: Person, nepal: Account) -> None:
    found = re.search(r'class="row-link[^"]*" href="([^"]+)"', desk.text(f"{EXPLORER}?event_id=otp-1"))
    assert found
    page = desk.text(found[1].replace("&amp;", "&"))
    for told in (
        "Asia/Kathmandu",
        "2026-10-31T18:15:00+00:00",
        "retries",
        "Not metered yet",
        "No invoice yet",
    ):
        assert told in page, told
    assert "No price of the account" in page


@pytest.mark.browser
@pytest.mark.processes
@pytest.mark.parametrize("width", [1440, 375])
def test_a_row_opens_beside_its_list_and_escape_closes_it(
    live_server: LiveServer, page: Page, width: int
) -> None:
    with live_server.database.app(), transaction():
        make_world()
        make_user(Role.super_admin, name="Ananya Rao")
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(f"{live_server.url}/sign-in")
    page.get_by_role("button", name="Ananya Rao").click()
    page.goto(f"{live_server.url}{EXPLORER}")
    link = page.locator("a.row-link").first
    name, address = link.inner_text(), link.get_attribute("href")
    link.click()
    drawer = page.locator("#drawer")
    expect(drawer.get_by_role("heading", name=name)).to_be_visible()
    expect(drawer.get_by_text("What became of it")).to_be_visible()
    expect(drawer.locator("[data-drawer-page]")).to_have_attribute("href", f"{live_server.url}{address}")
    page.keyboard.press("Escape")
    expect(drawer).to_be_hidden()
    assert page.url == f"{live_server.url}{EXPLORER}"
