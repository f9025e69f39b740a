"""A billing run whose process is killed, anywhere: the next one finishes it, nothing is billed twice, and
what comes out is the same to the byte.
"""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from app import clock
from app.db import transaction
from app.embedded.processes import last_lines, wait_until
from app.permissions import Actor
from app.queue import enqueue
from app.services import billing, billing_runs, document_mails, outbox, verify
from tests import factories as make
from tests.services.invoicing import drain, use
from tests.support.own import OwnDatabase

pytestmark = pytest.mark.processes

ACTOR = Actor.system("tests")
ACCOUNTS = 60
FEW = 3
PATIENCE = 120.0
# 1 and 15 January 2025 in India; the command bills as of today.
START = datetime(2024, 12, 31, 18, 30, tzinfo=UTC)
USED = datetime(2025, 1, 15, 6, 30, tzinfo=UTC)
# Where the worker dies: before anything, between the steps of its second account, document and mail.
STEPS = (
    "billing.prepared=kill",
    "billing.metered=kill",
    "billing.drafted=kill/2",
    "billing.number_taken=kill/2",
    "billing.before_commit=kill/2",
    "billing.after_commit=kill/2",
    "outbox.invoice.document=kill/2",
    "outbox.invoice.document.kept=kill/2",
    "outbox.document.mail=kill/2",
    "outbox.document.mail.kept=kill/2",
)
BEGIN_AGAIN = (
    "SET session_replication_role = replica",
    "TRUNCATE invoices, billing_run_items, billing_runs, invoice_series CASCADE",
    "TRUNCATE outbox_messages, stored_files, document_mails",
    "UPDATE charge_positions SET invoiced_quantity = 0, invoiced_amount = 0",
)


def open_shop(number: int) -> None:
    """Make accounts on a plan with a price and a fee that used 10 in January, metered."""
    with transaction():
        make.make_seller()
        make.make_tax_rate("18")
        metric = make.make_metric()
        plan = make.make_plan(components=[make.per_unit(metric, "1"), make.fee("90")])
        accounts = [make.make_account() for _ in range(number)]
        for account in accounts:
            make.make_subscription(account, plan, start_at=START)
    for account in accounts:
        use(account, metric, 10, at=USED, meter=False)
    with transaction():
        drain()


def test_a_killed_run_is_finished_by_the_next_and_bills_nobody_twice(own_database: OwnDatabase) -> None:
    with own_database.app():
        open_shop(ACCOUNTS)

    def issued() -> int:
        with own_database.connect() as connection:
            row = connection.execute("SELECT count(*) FROM invoices WHERE number IS NOT NULL").fetchone()
        return row[0] if row else 0

    child = own_database.start(
        "billing", "-m", "flask", "--app", "wsgi", "billing", "run", "--period", "2025-01"
    )
    own_database.poll(lambda: issued() >= 3, "the first invoices", child)
    own_database.kill(child)
    with own_database.app():
        for _step in billing.run("2025-01", at=clock.now(), actor=ACTOR):
            pass
        report = verify.run(at=clock.now())
    assert report.ok, report.as_json()
    with own_database.connect() as connection:
        found = connection.execute(
            "SELECT count(*), count(DISTINCT account_id), sum(subtotal), max(number) FROM invoices"
        ).fetchone()
    assert found
    assert found == (ACCOUNTS, ACCOUNTS, Decimal(100 * ACCOUNTS), f"OT29/{found[3][5:10]}/{ACCOUNTS:05d}")


def outcome(own: OwnDatabase) -> dict[str, Any]:
    """Return all that a run leaves: each account's number and content, the documents, the series, the run.

    Its dates are left out of the content, as midnight in India may pass between two runs.
    """
    content = "(snapshot - ARRAY['issued_on', 'due_on'])::text"
    invoices = f"SELECT account_id, number, {content} FROM invoices ORDER BY account_id"
    with own.connect() as connection:
        return {
            "invoices": connection.execute(invoices).fetchall(),
            "documents": connection.execute("SELECT count(*) FROM stored_files").fetchall(),
            "mails": connection.execute("SELECT status, count(*) FROM document_mails GROUP BY 1").fetchall(),
            "series": connection.execute("SELECT last_number FROM invoice_series").fetchall(),
            "runs": connection.execute("SELECT status FROM billing_runs").fetchall(),
            "items": connection.execute(
                "SELECT status, count(*) FROM billing_run_items GROUP BY 1"
            ).fetchall(),
            "promises": connection.execute(
                "SELECT kind, count(*), bool_and(done_at IS NOT NULL) FROM outbox_messages"
                " GROUP BY 1 ORDER BY 1"
            ).fetchall(),
        }


def undisturbed(own: OwnDatabase) -> dict[str, Any]:
    """Return what a run leaves that nobody kills, and put everything back to before it."""
    with own.app():
        for _step in billing.run("2025-01", at=clock.now(), actor=ACTOR):
            pass
        while outbox.deliver(10)["kept"]:
            pass
    found = outcome(own)
    with psycopg.connect(own.superuser_url, autocommit=True) as connection:
        for statement in BEGIN_AGAIN:
            connection.execute(statement)
    return found


@pytest.mark.parametrize("step", STEPS)
def test_a_worker_killed_at_any_step_leaves_the_same_to_the_next(
    own_database: OwnDatabase, step: str
) -> None:
    own = own_database
    own.settings = replace(own.settings, billing_lanes=1)
    with own.app():
        open_shop(FEW)
    expected = undisturbed(own)
    assert (len(expected["invoices"]), expected["documents"]) == (FEW, [(FEW,)])
    assert expected["promises"] == [
        (document_mails.MAIL, FEW, True),
        (document_mails.INVOICE_DOCUMENT, FEW, True),
    ]
    with own.app():
        with transaction():
            run_id = billing.prepare("2025-01", at=clock.now(), actor=ACTOR).id
            billing_runs.share_out(run_id)
        doomed = own.start("doomed", "-m", "jobs.worker", extra={"FAILPOINTS": step})
        died = "terminated unexpectedly"
        own.poll(
            lambda: died in doomed.log.read_text(errors="replace"),
            f"a death at {step}",
            doomed,
            within_seconds=PATIENCE,
        )
        own.kill(doomed)
        assert outcome(own) != expected
        worker = own.start_worker()

        def finished() -> bool:
            found = outcome(own)
            with transaction():
                if found["runs"] != expected["runs"]:
                    billing_runs.share_out(run_id)
                elif found != expected:
                    enqueue("jobs.outbox.deliver")
            return found == expected

        done = wait_until(finished, patience_seconds=PATIENCE)
        assert done, f"{outcome(own)} instead of {expected}\n{last_lines(worker.log, 20)}"
        report = verify.run(at=clock.now())
    assert report.ok, report.as_json()
