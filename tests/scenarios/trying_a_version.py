"""A version is tried in the browser on the usage of past months: what was used, and what comes out of it, by
hand."""

from datetime import date
from pathlib import Path

import httpx
from playwright.sync_api import Page, expect
from sqlalchemy import func, select

from app import clock
from app.db import db, transaction
from app.domain.periods import add_months
from app.models import UsageRollup
from app.services import keys, simulation_choices
from tests.factories import ACTOR, make_account
from tests.support.browser import LiveServer

# What each account used in the first and in the last of the two months that are simulated.
USED = {"kaveri": (2_100, 600), "nila": (80, 40)}


def months() -> tuple[date, date]:
    """Return the first days of the last two months that have ended everywhere."""
    last = date.fromisoformat(f"{simulation_choices.check_months(None, None, clock.now())[1]}-01")
    return add_months(last, -1), last


def send_usage(office: LiveServer, first: date, last: date) -> None:
    """Let a service put two more accounts on the plan and tell what was used in two past months."""
    with office.database.app(), transaction():
        make_account(external_id="nila", name="Nila Pharmacy")
        make_account(external_id="tulsi", name="Tulsi Books")
        _, secret = keys.create("crm", scopes=["all"], actor=ACTOR, at=clock.now())

    def post(path: str, body: object, status: int) -> None:
        headers = {"Authorization": f"Bearer {secret}"}
        answer = httpx.post(f"{office.url}/api/v1{path}", json=body, headers=headers, timeout=30)
        assert answer.status_code == status, answer.text

    for account in ("nila", "tulsi"):
        start = {"plan_code": "growth", "start_at": f"{first}T00:00:00+05:30"}
        post("/subscriptions", {"account_id": account, **start}, 201)
    events = [
        {
            "event_id": f"{account}-{day}",
            "account_id": account,
            "metric": "auth.otp",
            "timestamp": f"{day:%Y-%m}-21T12:00:00+05:30",
            "quantity": quantity,
        }
        for account, quantities in USED.items()
        for day, quantity in zip((first, last), quantities, strict=True)
    ]
    post("/events", events, 202)
    worker = office.database.start_worker()
    office.database.poll(lambda: metered(office) == 2_820, "the metering of all usage", worker)
    worker.ask_to_stop()
    worker.wait_stopped()


def metered(office: LiveServer) -> int:
    """Return how much usage is folded in."""
    with office.database.app():
        return int(db.session.scalar(select(func.sum(UsageRollup.quantity))) or 0)


def simulate(office: LiveServer, page: Page, first: str, last: str) -> None:
    """Begin the simulation, see it wait, and have it done by real workers while one watches."""
    page.get_by_label("First month").fill(first)
    page.get_by_label("Last month").fill(last)
    page.get_by_role("button", name="New simulation").click()
    expect(page.get_by_text("Comparing: 0 of 3 accounts")).to_be_visible()
    for _ in range(2):
        office.database.start_worker()
    expect(page.get_by_text("Would have paid").first).to_be_visible(timeout=60_000)
    expect(page.get_by_text("Comparing")).to_be_hidden(timeout=60_000)


def check_the_result(page: Page) -> None:
    """Compare sums, bars and table with the amounts worked out by hand.

    Kaveri: 999 + 50 + 2,000 × 0.25 and 999 + 50 + 500 × 0.25 as it was; 999 + 40 + 2,000 × 0.28 and
    999 + 40 + 500 × 0.28. Nila: 80 and 40 × 0.50, then 0.40. Tulsi used nothing and pays the fee.
    """
    assert page.locator(".stat-value").all_inner_texts() == ["₹6,779.00", "₹6,822.00", "1 / 1"]
    bars = page.locator(".difference-chart rect")
    assert [bar.get_attribute("class") for bar in bars.all()] == ["chart-more", "chart-less"]
    assert [(bar.get_attribute("x"), bar.get_attribute("width")) for bar in bars.all()] == [
        ("50%", "50.0%"),
        ("39.1%", "10.9%"),
    ]
    rows = page.get_by_role("region", name="The greatest differences in INR").locator("tbody tr")
    assert [row.inner_text().split("\t") for row in rows.all()] == [
        ["Kaveri Foods", "+₹55.00", "₹2,723.00", "₹2,778.00", "2%"],
        ["Nila Pharmacy", "-₹12.00", "₹2,058.00", "₹2,046.00", "-0.6%"],
    ]


def check_the_sheet(page: Page, first: str, last: str, path: Path) -> None:
    """Download the result and compare each account and month."""
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    assert download.value.suggested_filename == "simulation-growth-v2.csv"
    download.value.save_as(path)
    rows = [line.split(",") for line in path.read_text("utf-8-sig").splitlines()]
    assert [(row[1], *row[3:]) for row in rows[1:]] == [
        ("kaveri", "compared", "INR", first, "1549", "1599", "50"),
        ("kaveri", "compared", "INR", last, "1174", "1179", "5"),
        ("tulsi", "compared", "INR", first, "999", "999", "0"),
        ("tulsi", "compared", "INR", last, "999", "999", "0"),
        ("nila", "compared", "INR", first, "1039", "1031", "-8"),
        ("nila", "compared", "INR", last, "1019", "1015", "-4"),
    ]
