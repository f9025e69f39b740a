"""A customer pays while the jobs cannot be done; ops see what failed, do it again, and read that the books
balance; the customer has the paid invoice as a PDF.
"""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select

from app import clock
from app.db import db, transaction
from app.models import Account, Invoice, Payment, Verification
from app.permissions import Role
from app.services import billing
from tests.auth.people import make_user
from tests.browser.conftest import CUSTOMER, SUPER_ADMIN, Enter
from tests.browser.selling import last_month, sell_last_month
from tests.factories import ACTOR
from tests.support.browser import LiveServer
from tests.support.machine import answers, free_port
from tests.support.own import OwnDatabase

pytestmark = [pytest.mark.browser, pytest.mark.processes]

JOB = "jobs.payments.process_messages()"
# A worker has to start first, on a machine where two browsers and all that they visit share two cores.
PATIENCE_SECONDS = 240


@pytest.fixture
def office(own_database: OwnDatabase) -> LiveServer:
    """The product with the sandbox gateway beside it and one invoice that is due; nobody does the jobs."""
    gateway = f"http://127.0.0.1:{free_port()}"
    own_database.settings = replace(own_database.settings, sandbox_url=gateway, sandbox_public_url=gateway)
    sell_last_month(own_database)
    with own_database.app():
        account = db.session.scalars(select(Account)).one()
        list(billing.run(last_month(), at=clock.now(), actor=ACTOR, accounts=[account.id]))
        with transaction():
            make_user(Role.super_admin, name=SUPER_ADMIN)
            make_user(Role.customer, name=CUSTOMER, customer=account.customer)
    url = own_database.start_web()
    port, data = gateway.rpartition(":")[2], str(own_database.settings.data_dir / "sandbox")
    command = ("-m", "app.gateways.sandbox_server", "--port", port, "--webhook-url", url, "--data", data)
    child = own_database.start("sandbox", *command)
    own_database.poll(lambda: answers(f"{gateway}/healthz"), "the sandbox", child)
    return LiveServer(url, own_database)


def pay(page: Page, office: LiveServer) -> None:
    """Pay the one invoice at the gateway, and come back."""
    page.goto(f"{office.url}/portal/invoices")
    page.locator("main a[href^='/portal/invoices/']").first.click()
    page.get_by_role("link", name="Pay").first.click()
    page.get_by_role("button", name="Continue to payment").click()
    page.get_by_role("button", name="Pay ₹354.00").click()
    page.wait_for_url(re.compile("/portal/payments/"))
    expect(page.get_by_text("Waiting for the payment")).to_be_visible()


def fail_the_jobs(database: OwnDatabase) -> None:
    """Let a worker do what is queued that does not reach the database."""
    away = {"DATABASE_URL": f"postgresql://nobody@127.0.0.1:{free_port()}/nothing"}
    command = ("-m", "jobs.worker", "--queues", "default", "--burst")
    child = database.start("worker-astray", *command, extra=away)
    through = "the worker without a database to be through"
    database.poll(lambda: child.reap() is not None, through, child, within_seconds=PATIENCE_SECONDS)


def retry(page: Page, office: LiveServer) -> None:
    """Look at the queues, and have the failed job done again."""
    page.goto(f"{office.url}/rq/")
    row = page.locator("tr[data-role=queue]", has_text="default")
    expect(row.locator("td.failed a").first).to_have_text(re.compile("[1-9]"))
    row.locator("td.failed a").first.click()
    failed = page.locator("tr[data-role=job]", has_text=JOB).first
    expect(failed.locator(".exc_info")).to_contain_text("OperationalError")
    with page.expect_response(re.compile("/requeue")) as answer:
        failed.get_by_text("Requeue").click()
    assert answer.value.status == 200


def wait_for(office: LiveServer, row: type[Payment | Verification], status: str) -> None:
    """Wait until the newest row of a model has a status."""

    def happened() -> bool:
        found = db.session.scalar(select(row.status).order_by(row.id.desc()).limit(1))
        db.session.rollback()
        return found == status

    with office.database.app():
        office.database.poll(happened, f"{row.__name__} {status}", within_seconds=PATIENCE_SECONDS)


def check_the_books(page: Page, office: LiveServer) -> None:
    """Run every check and read that all hold."""
    page.goto(f"{office.url}/admin/verify/")
    page.get_by_role("link", name="Run now").first.click()
    page.get_by_role("button", name="Run now").click()
    wait_for(office, Verification, "done")
    expect(page.get_by_text("The books balance.")).to_be_visible()
    table = page.get_by_role("region", name="Checks")
    expect(table.get_by_text("Holds", exact=True)).to_have_count(table.locator("tbody tr").count())


def test_a_payment_whose_job_failed_is_booked_by_ops_and_the_books_balance(
    office: LiveServer, enter: Enter, tmp_path: Path
) -> None:
    customer, ops = enter(CUSTOMER), enter(SUPER_ADMIN)
    pay(customer, office)
    fail_the_jobs(office.database)
    office.database.start_worker()
    retry(ops, office)
    wait_for(office, Payment, "succeeded")
    expect(customer.get_by_text("Thank you, the payment arrived")).to_be_visible()
    check_the_books(ops, office)
    customer.get_by_role("link", name="Back to the invoice").click()
    expect(customer.get_by_role("main").get_by_text("Paid", exact=True).first).to_be_visible()
    with customer.expect_download() as waiting:
        customer.get_by_role("link", name="PDF").click()
    waiting.value.save_as(tmp_path / "invoice.pdf")
    with office.database.app():
        invoice = db.session.scalars(select(Invoice)).one()
        assert (str(invoice.status), str(invoice.amount_due)) == ("paid", "0.0000")
        assert invoice.number is not None
        assert waiting.value.suggested_filename == f"{invoice.number.replace('/', '-')}.pdf"
    assert (tmp_path / "invoice.pdf").read_bytes().startswith(b"%PDF-")
