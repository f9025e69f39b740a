"""How fast a month is billed: `make bench BENCH=billing` prints one line of JSON.

A PostgreSQL of its own (fsync on) gets ten thousand accounts on a plan of five components, with usage of
October in rollups and charge positions. Real processes, one for each lane, bill and issue them all without
documents. Then one process renders some of the documents, and a bare xhtml2pdf the same HTML.
`floor_seconds` is what bare psycopg takes to insert the very same rows of invoices, lines, audit and outbox
again, one transaction for each invoice, from as many processes: how much of the time is the database's.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest.mock import patch
from uuid import UUID

import psutil
import psycopg
from sqlalchemy import event, select

from app import clock
from app.db import db, in_transaction, transaction
from app.domain.gstin import check_character
from app.factory import create_app
from app.gateways import pdf
from app.models import Account, BillingRunItem, Customer, Invoice, Metric, SellerRegistration, TaxRate
from app.services import billing, documents, plans, subscriptions
from bench.stack import ACTOR, ROOT, Stack, open_stack
from tests.support.own import as_environment

PERIOD = "2025-01"
START = datetime(2024, 12, 31, 18, 30, tzinfo=UTC)
END = datetime(2025, 1, 31, 18, 30, tzinfo=UTC)
CHANNELS = ("sms", "whatsapp", "email", "voice")
GOAL_SECONDS = 120
COMMIT_EVERY = 500
COPIED = ("invoices", "invoice_lines", "audit_records", "outbox_messages")

ROLLUPS = """
    INSERT INTO usage_rollups (account_id, metric_id, bucket_at, dimensions, quantity, events)
    SELECT a.id, m.id, %(start)s + make_interval(days => day), jsonb_build_object('channel', channel), 10, 10
    FROM accounts a CROSS JOIN metrics m CROSS JOIN generate_series(0, 30, 10) AS day
    CROSS JOIN unnest(%(channels)s::text[]) AS channel
"""
POSITIONS = """
    INSERT INTO charge_positions (id, account_id, subscription_id, component_id, period_start, period_end,
                                  currency, quantity)
    SELECT gen_random_uuid(), s.account_id, s.id, c.id, %(start)s, %(end)s, 'INR', 40
    FROM subscriptions s JOIN price_components c ON c.plan_version_id = s.plan_version_id
    WHERE c.kind = 'usage'
"""


def prepare(stack: Stack, accounts: int) -> UUID:
    """Make the accounts, their usage and the run; return the run."""
    with transaction() as session:
        session.add(Metric(code="auth.otp", name="OTP", unit="message", dimensions=["channel"]))
        session.add(SellerRegistration(**_seller()))
        session.add(TaxRate(service_code="*", rate=Decimal(18), valid_from=START.date()))
        session.flush()
        plan = plans.create({"code": "bench"}, version=None, prices=_prices(), actor=ACTOR)
        plans.publish(plan.versions[0], at=START - timedelta(days=60), actor=ACTOR)
    for first in range(0, accounts, COMMIT_EVERY):
        with transaction() as session:
            for n in range(first, min(accounts, first + COMMIT_EVERY)):
                customer = Customer(name=f"Customer {n}", email="bench@example.com", state_code="29")
                account = Account(customer=customer, external_id=f"account-{n}", name=f"Account {n}")
                session.add(account)
                session.flush()
                subscriptions.start(account, "bench", start_at=START, actor=ACTOR)
        db.session.remove()
    with psycopg.connect(stack.stores.owner_url, autocommit=True) as connection:
        connection.execute(ROLLUPS, {"start": START, "channels": list(CHANNELS)})
        connection.execute(POSITIONS, {"start": START, "end": END})
        connection.execute("VACUUM ANALYZE")
    return in_transaction(lambda: billing.prepare(PERIOD, at=clock.now(), actor=ACTOR).id)


def _seller() -> dict[str, Any]:
    first = "29AAACO1234A1Z"
    return {
        "legal_name": "OTPless Communications Private Limited",
        "gstin": first + check_character(first),
        "state_code": "29",
        "address_line1": "80 Feet Road",
        "city": "Bengaluru",
        "postal_code": "560034",
        "series_prefix": "BEN",
        "is_default": True,
        "valid_from": START.date(),
    }


def _prices() -> list[dict[str, Any]]:
    """Return a fee and a price for each channel: five components."""
    usage = [
        {
            "code": each,
            "metric": "auth.otp",
            "model": "per_unit",
            "unit": "0.25",
            "filters": {"channel": each},
        }
        for each in CHANNELS
    ]
    return [{"code": "fee", "model": "flat", "price": "999"}, *usage]


def lane(run_id: UUID, number: int, lanes: int) -> None:
    """Bill one lane's share in this process and print what it took."""
    statements = _count_statements()
    begun, processor, grown = time.perf_counter(), time.process_time(), []
    mine = psutil.Process()
    billed = 0
    for _step in billing.work(run_id, at=clock.now(), actor=ACTOR, lane=number, lanes=lanes):
        billed += 1
        if billed % 100 == 0:
            grown.append(mine.memory_info().rss >> 20)
    told = {
        "billed": billed,
        "seconds": round(time.perf_counter() - begun, 2),
        "processor_seconds": round(time.process_time() - processor, 2),
        "statements": statements[0],
        # After the first hundred accounts, when all code is loaded and all prices are read, and at the end.
        "mebibytes": [grown[0], grown[-1]] if grown else [],
    }
    print(json.dumps(told))


def _count_statements() -> list[int]:
    counted = [0]

    def count(*_: object) -> None:
        counted[0] += 1

    event.listen(db.engine, "before_cursor_execute", count)
    return counted


def bill(stack: Stack, run_id: UUID, lanes: int) -> tuple[float, list[dict[str, Any]]]:
    """Return how long the lanes took together, and what each told."""
    begun = time.perf_counter()
    children = [
        subprocess.Popen(
            [
                sys.executable,
                "-m",
                "bench.billing",
                "--lane",
                str(n),
                "--lanes",
                str(lanes),
                "--run",
                str(run_id),
            ],
            cwd=ROOT,
            env={**os.environ, **as_environment(stack.settings)},
            stdout=subprocess.PIPE,
            text=True,
        )
        for n in range(lanes)
    ]
    told = [json.loads(child.communicate()[0].splitlines()[-1]) for child in children]
    return time.perf_counter() - begun, told


def floor(stack: Stack, lanes: int) -> float:
    """Return how long bare psycopg takes to insert the same rows again, a transaction for each invoice."""
    with psycopg.connect(stack.stores.owner_url, autocommit=True) as connection:
        for table in COPIED:
            connection.execute(f"CREATE TABLE floor_{table} (LIKE {table} INCLUDING ALL)")
        ids = [row[0] for row in connection.execute("SELECT id FROM invoices ORDER BY id")]
    statements = [_copy("invoices", "id"), _copy("invoice_lines", "invoice_id")]
    statements += [_copy("audit_records", "resource_id::uuid", "resource_type = 'Invoice'")]
    statements += [_copy("outbox_messages", "key::uuid", "kind = 'invoice.document'")]
    with psycopg.connect(stack.stores.owner_url, autocommit=True) as connection:
        connection.execute(
            "CREATE INDEX ON audit_records ((resource_id::uuid)) WHERE resource_type = 'Invoice'"
        )
        connection.execute("CREATE INDEX ON outbox_messages ((key::uuid)) WHERE kind = 'invoice.document'")
        connection.execute("VACUUM ANALYZE")

    def insert(share: list[UUID]) -> None:
        with psycopg.connect(stack.stores.owner_url) as connection:
            for invoice_id in share:
                for statement in statements:
                    connection.execute(statement, (invoice_id,))
                connection.commit()

    begun = time.perf_counter()
    with ThreadPoolExecutor(lanes) as pool:
        list(pool.map(insert, [ids[n::lanes] for n in range(lanes)]))
    return time.perf_counter() - begun


def _copy(table: str, key: str, only: str = "true") -> str:
    return f"INSERT INTO floor_{table} SELECT * FROM {table} WHERE {only} AND {key} = %s"


def render(number: int) -> dict[str, float]:
    """Return documents per second of one process, as it makes them, beside bare layout of the same HTML."""
    pdf.load_engine()
    ids = list(db.session.scalars(select(Invoice.id).order_by(Invoice.number).limit(number + 1)))

    def make(invoice_id: UUID) -> None:
        in_transaction(lambda: documents.render(db.session.get_one(Invoice, invoice_id)))

    with patch.object(pdf, "html_to_pdf", wraps=pdf.html_to_pdf) as laid_out:
        make(ids[0])
        begun = time.perf_counter()
        for each in ids[1:]:
            make(each)
        made = time.perf_counter() - begun
    begun = time.perf_counter()
    for call in laid_out.call_args_list[1:]:
        pdf.html_to_pdf(*call.args, **call.kwargs)
    bare = time.perf_counter() - begun
    return {"pdfs_per_second": round(number / made, 2), "bare_pdfs_per_second": round(number / bare, 2)}


def measure(accounts: int, lanes: int, pdfs: int, data: Path) -> dict[str, Any]:
    """Return all figures of one run."""
    with open_stack(data, prepared=True) as stack, create_app(stack.settings).app_context():
        run_id = prepare(stack, accounts)
        db.session.remove()
        seconds, told = bill(stack, run_id, lanes)
        issued = db.session.query(BillingRunItem).filter_by(status="issued").count()
        rendered = render(pdfs) if pdfs else {}
        db.session.remove()
        db.engine.dispose()
        least = floor(stack, lanes)
    billed = sum(each["billed"] for each in told)
    processor = sum(each["processor_seconds"] for each in told)
    return {
        "bench": "billing",
        "cores": os.cpu_count(),
        "fsync": True,
        "accounts": accounts,
        "components": len(CHANNELS) + 1,
        "lanes": lanes,
        "issued": issued,
        "seconds": round(seconds, 1),
        "accounts_per_second": round(billed / seconds, 1),
        "lane_seconds": [each["seconds"] for each in told],
        "processor_milliseconds_per_account": round(1000 * processor / max(billed, 1), 1),
        "statements_per_account": round(sum(each["statements"] for each in told) / max(billed, 1), 1),
        "floor_seconds": round(least, 1),
        "times_the_floor": round(seconds / least, 1),
        "mebibytes": [each["mebibytes"] for each in told],
        **rendered,
        "goal_seconds": GOAL_SECONDS,
    }


def main() -> int:
    """Run the measurement; fail when an account was left out or it took longer than the goal."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accounts", type=int, default=10_000)
    parser.add_argument("--lanes", type=int, default=2)
    parser.add_argument("--pdfs", type=int, default=20)
    parser.add_argument("--lane", type=int)
    parser.add_argument("--run", type=UUID)
    options = parser.parse_args()
    if options.lane is not None:
        with create_app().app_context():
            lane(options.run, options.lane, options.lanes)
        return 0
    with tempfile.TemporaryDirectory(prefix="otpless-bench-") as directory:
        figures = measure(options.accounts, options.lanes, options.pdfs, Path(directory))
    print(json.dumps(figures))
    return 0 if figures["issued"] == options.accounts and figures["seconds"] <= GOAL_SECONDS else 1


if __name__ == "__main__":
    sys.exit(main())
