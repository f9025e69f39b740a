"""How long the books take to prove themselves: `make bench BENCH=verify` prints one line of JSON.

A PostgreSQL of its own gets a million postings in a thousand wallets, written by the product's ledger. Then
the checks of the ledger run as `flask verify` runs them: sums, figures, and every link of every chain. The
floor is what PostgreSQL needs to read the same rows in the order of the chains and to hash as many bytes.
"""

import argparse
import json
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

from app.db import transaction
from app.embedded.stores import Stores
from app.services import verify
from bench.books import fill, open_books, open_wallets

LEDGER = ("journals", "wallets", "chains", "anchors")
MOST_SECONDS = 10
FLOOR = """
    SELECT count(DISTINCT sha256(convert_to(repeat('x', 450), 'UTF8') || p.prev_hash)) FROM (
        SELECT p.prev_hash FROM postings p JOIN journals j ON j.id = p.journal_id
        WHERE p.seq IS NOT NULL ORDER BY p.wallet_id, p.seq
    ) p
"""


def check() -> verify.Report:
    """Run the checks of the ledger."""
    with transaction():
        return verify.run(LEDGER, at=datetime(2027, 1, 1, tzinfo=UTC))


def floor(stores: Stores) -> float:
    """Return the seconds of the bare statement."""
    with psycopg.connect(stores.database_url) as connection:
        begun = time.perf_counter()
        connection.execute(FLOOR)
        return time.perf_counter() - begun


def measure(options: argparse.Namespace, data: Path) -> dict[str, Any]:
    """Return all figures of one run; the fastest of the rounds counts."""
    with open_books(data, durable=False) as (_, stores):
        open_wallets(options.wallets)
        begun = time.perf_counter()
        fill(stores, options.postings)
        filled = time.perf_counter() - begun
        rounds = []
        for _ in range(options.rounds):
            begun = time.perf_counter()
            report = check()
            rounds.append((time.perf_counter() - begun, report))
        seconds, report = min(rounds, key=lambda each: each[0])
        bare = min(floor(stores) for _ in range(options.rounds))
    return {
        "bench": "verify",
        "postings": report.results[0].counted["postings"],
        "links": report.results[2].counted["links"],
        "failures": sum(each.failures for each in report.results),
        "filled_seconds": round(filled, 1),
        "seconds": round(seconds, 2),
        "seconds_of": {each.name: each.milliseconds / 1000 for each in report.results},
        "floor_seconds": round(bare, 2),
        "ratio_to_floor": round(seconds / bare, 2),
    }


def main() -> int:
    """Measure; fail when a check is red, a posting was not counted, or a million took too long."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--postings", type=int, default=1_000_000)
    parser.add_argument("--wallets", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="otpless-bench-") as directory:
        figures = measure(options, Path(directory))
    print(json.dumps(figures))
    whole = figures["failures"] == 0 and figures["postings"] == options.postings
    return 0 if whole and figures["seconds"] <= MOST_SECONDS * options.postings / 1_000_000 else 1


if __name__ == "__main__":
    sys.exit(main())
