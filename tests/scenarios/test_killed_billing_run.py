"""A billing run whose process is killed in the middle: the next one finishes it, and nothing is billed
twice.
"""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from app import clock
from app.db import transaction
from app.permissions import Actor
from app.services import billing, verify
from tests import factories as make
from tests.services.invoicing import drain, use
from tests.support.own import OwnDatabase

pytestmark = pytest.mark.processes

ACCOUNTS = 60
# 1 and 15 January 2025 in India; the command bills as of today.
START = datetime(2024, 12, 31, 18, 30, tzinfo=UTC)
USED = datetime(2025, 1, 15, 6, 30, tzinfo=UTC)


def test_a_killed_run_is_finished_by_the_next_and_bills_nobody_twice(own_database: OwnDatabase) -> None:
    with own_database.app():
        with transaction():
            make.make_seller()
            make.make_tax_rate("18")
            metric = make.make_metric()
            plan = make.make_plan(components=[make.per_unit(metric, "1"), make.fee("90")])
            accounts = [make.make_account() for _ in range(ACCOUNTS)]
            for account in accounts:
                make.make_subscription(account, plan, start_at=START)
        for account in accounts:
            use(account, metric, 10, at=USED, meter=False)
        with transaction():
            drain()

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
        for _step in billing.run("2025-01", at=clock.now(), actor=Actor.system("tests")):
            pass
        report = verify.run(at=clock.now())
    assert report.ok, report.as_json()
    with own_database.connect() as connection:
        found = connection.execute(
            "SELECT count(*), count(DISTINCT account_id), sum(subtotal), max(number) FROM invoices"
        ).fetchone()
    assert found == (ACCOUNTS, ACCOUNTS, Decimal(100 * ACCOUNTS), f"OT29/{found[3][5:10]}/{ACCOUNTS:05d}")
