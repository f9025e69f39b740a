"""Whether tampering with the audit trail is found: `make bench BENCH=audit_tampering` prints a line of JSON.

Somebody with all power over the database changes a trail that was in order, with all triggers off, a thousand
times in a thousand ways (`bench/audit_forging.py`). Each is done alone and taken back. The checks of `flask
verify` must find every one and name the place.
"""

import argparse
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from sqlalchemy import Connection, select
from sqlalchemy.exc import DBAPIError

from app.db import db, transaction
from app.models import AuditRecord, Customer
from app.permissions import Actor
from app.services import audit, audit_chain, verify
from bench.audit_forging import FORGERIES, Trail
from bench.books import BEGUN, open_books, open_wallets
from bench.tampering import Outcome, almighty

CHECKS = ("audit", "audit_anchors")
BATCHES, RECORDS = 6, 20


def write_trail(seed: int) -> None:
    """Record changes in some batches, each sealed and anchored."""
    chance = random.Random(seed)
    open_wallets(1)
    for batch in range(BATCHES):
        at = BEGUN + timedelta(hours=batch)
        with transaction() as session:
            customer = session.scalars(select(Customer)).first()
            for n in range(RECORDS):
                actor = Actor.system(chance.choice(["Meera", "metering", "Zoë"]))
                values = {"name": f"Acme {n}", "tags": ["ü", None, n], "limits": {"b": 1, "aa": True}}
                audit.record(
                    actor.at(ip=chance.choice([None, "10.0.0.1"]), request_id=chance.choice([None, "r1"])),
                    "customer.updated",
                    customer,
                    summary=f"Change {n} of batch {batch}",
                    at=at + timedelta(seconds=n),
                    before=chance.choice([None, values]),
                    after=values,
                )
        with transaction():
            audit_chain.seal(at)
            audit_chain.anchor(at)


def tamper(connection: Connection, times: int, seed: int) -> Iterator[Outcome]:
    """Do so many tamperings, each alone, and yield what the checks said of it."""
    chance = random.Random(seed)
    trail, weights = Trail.read(connection), [weight for _, weight in FORGERIES.values()]
    done = 0
    while done < times:
        (kind,) = chance.choices(list(FORGERIES), weights)
        attempt = connection.begin_nested()
        try:
            expected = FORGERIES[kind][0](trail, connection, chance)
        except DBAPIError:
            attempt.rollback()  # no row may look like that: a constraint that holds for everybody refused it
            continue
        yield Outcome(kind, expected, look())
        attempt.rollback()
        done += 1


def look() -> set[str]:
    """Run the checks of the trail and return the places that they name."""
    with transaction():
        report = verify.run(CHECKS, at=BEGUN + timedelta(days=2))
    db.session.remove()
    return {problem.where for result in report.results for problem in result.problems}


def main() -> int:
    """Tamper; fail when something was not found or not located."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    tampered, missed, begun = Counter[str](), [], time.perf_counter()
    with (
        tempfile.TemporaryDirectory(prefix="otpless-bench-") as directory,
        open_books(Path(directory), durable=False) as (_, stores),
    ):
        write_trail(options.seed)
        records = db.session.query(AuditRecord).count()
        db.session.remove()
        assert stores.postgres is not None
        with almighty(stores.postgres.url(user="postgres")) as connection:
            assert look() == set()
            for outcome in tamper(connection, options.times, options.seed):
                tampered[outcome.kind] += 1
                if not outcome.located:
                    missed.append({"kind": outcome.kind, "named": sorted(outcome.named)[:3]})
    figures = {
        "bench": "audit_tampering",
        "seed": options.seed,
        "records": records,
        "tampered": dict(tampered),
        "located": sum(tampered.values()) - len(missed),
        "missed": missed[:10],
        "seconds": round(time.perf_counter() - begun, 1),
    }
    print(json.dumps(figures))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
