"""A file of usage is imported in the browser by a real worker; what was refused can be followed to its dead
letter.
"""

import gzip
import re
from decimal import Decimal

import pytest
from playwright.sync_api import FilePayload, Page, expect
from sqlalchemy import func, select

from app.db import db, transaction
from app.models import Account, JobRun, StoredFile, UsageEvent, UsageRollup
from app.permissions import Role
from tests.auth.people import make_user
from tests.factories import make_account, make_metric, make_plan, per_unit
from tests.support.browser import LiveServer
from tests.support.own import OwnDatabase

pytestmark = [pytest.mark.browser, pytest.mark.processes]

ROWS = 2_500
HEADER = "request_id,client,requested_at,section\n"
GOOD = "".join(f"r-{n},client-{n % 7},2026-05-17T10:05:{n % 60:02d}Z,blog\n" for n in range(ROWS))
BAD = "r-bad,client-1,yesterday,blog\n"
FILE = FilePayload(
    name="usage.csv.gz", mimeType="application/gzip", buffer=gzip.compress((HEADER + GOOD + BAD).encode())
)


@pytest.fixture
def office(live_server: LiveServer, page: Page) -> LiveServer:
    """A back office with a metric, a plan and one of the accounts; a finance admin is signed in."""
    with live_server.database.app(), transaction():
        metric = make_metric("requests", name="Requests", dimensions=["section"])
        make_plan("web-traffic", name="Web traffic", components=[per_unit(metric)])
        make_account(external_id="client-0")
        make_user(Role.finance_admin, name="Meera Iyer")
    page.goto(f"{live_server.url}/sign-in")
    page.get_by_role("button", name="Meera Iyer").click()
    expect(page.get_by_role("heading", name="Dashboard")).to_be_visible()
    return live_server


def test_a_file_is_chosen_checked_and_imported_while_one_watches(
    office: LiveServer, page: Page, own_database: OwnDatabase
) -> None:
    page.get_by_role("main").get_by_role("link", name="Import data").click()
    large = FilePayload(name="large.csv", mimeType="text/csv", buffer=b"x" * 16_000_001)
    page.get_by_label("File").set_input_files(large)
    page.get_by_role("button", name="Upload").click()
    expect(page.get_by_role("alert")).to_have_text(re.compile("larger than 16 MB"))
    page.get_by_label("File").set_input_files(FILE)
    page.get_by_role("button", name="Upload").click()
    expect(page.get_by_text("2,501 rows, 4 columns")).to_be_visible()
    expect(page.get_by_label("Account", exact=False).first).to_have_value("client")
    page.get_by_role("button", name="Check").click()
    expect(page.locator("#backfill-error")).to_contain_text("2,500 of 2,501 rows are more than 35 days old")
    page.get_by_label("Take usage of any age").check()
    page.get_by_label("Unknown accounts").select_option("web-traffic")
    page.get_by_role("button", name="Check").click()
    expect(page.get_by_text("6 of 7 accounts are not known. They will be made.")).to_be_visible()
    assert page.locator(".stat-value").all_inner_texts() == ["2,500", "0", "1"]
    assert counts(office) == (0, 1, 0)
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.get_by_text("Waiting for a worker: 0 of 2,501 rows")).to_be_visible()
    own_database.start_worker()
    expect(page.get_by_text("Done: 2,501 of 2,501 rows")).to_be_visible(timeout=60_000)
    assert page.locator(".stat-value").all_inner_texts() == ["2,500", "0", "1"]
    assert counts(office) == (2_500, 7, 1)
    page.get_by_role("link", name="Bad timestamp").click()
    expect(page.get_by_role("table").get_by_text("r-bad")).to_be_visible()
    own_database.poll(lambda: metered(office) == 2_500, "the metering of all rows")


def counts(office: LiveServer) -> tuple[int, ...]:
    """Return how many events, accounts and finished imports there are."""
    with office.database.app():
        finished = select(func.count()).select_from(JobRun).where(JobRun.succeeded)
        events, accounts = (
            db.session.scalar(select(func.count()).select_from(model)) or 0 for model in (UsageEvent, Account)
        )
        assert db.session.scalar(select(func.count()).select_from(StoredFile)) == 1
        return events, accounts, db.session.scalar(finished) or 0


def metered(office: LiveServer) -> Decimal | None:
    """Return how much usage has been folded in."""
    with office.database.app():
        return db.session.scalar(select(func.sum(UsageRollup.quantity)))
