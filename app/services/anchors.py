"""Anchors of the ledger: from time to time the end of every wallet's chain is noted, in a chain of its own.

Whoever has all power over the database can cut off the end of a wallet's chain and set its figures to match,
or write the chain anew from somewhere on. What is left is a chain without a fault, but not the one that an
earlier anchor saw. The anchors lie in the same database, so the last one's hash goes into the log as well:
whoever keeps the logs elsewhere can tell that the anchors were cut off too (docs/ops/ledger.md).
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import select, text

from app.db import db
from app.domain.ledger import GENESIS, chain_hash
from app.models import LedgerAnchor
from app.services.bulk import insert_rows

# One writer at a time, so that the numbers have no gap.
LOCK = text("SELECT pg_advisory_xact_lock(7310043)")
MOVED = text("""
    SELECT w.id AS wallet_id, w.seq, w.chain_head AS head FROM wallets w
    WHERE w.seq > coalesce((SELECT max(a.seq) FROM ledger_anchors a WHERE a.wallet_id = w.id), 0)
    ORDER BY w.id
""")


def drop(at: datetime) -> LedgerAnchor | None:
    """Note the end of the chain of every wallet that moved since it was last noted, and return the last
    anchor there is, None before the first.
    """
    db.session.execute(LOCK)
    last = newest()
    before, previous = (last.number, last.hash) if last else (0, GENESIS)
    rows: list[dict[str, Any]] = []
    for number, moved in enumerate(db.session.execute(MOVED).mappings(), start=before + 1):
        row = {"number": number, "at": at, **moved, "prev_hash": previous}
        row["hash"] = previous = link(row)
        rows.append(row)
    insert_rows(LedgerAnchor, rows)
    return newest()


def newest() -> LedgerAnchor | None:
    """Return the last anchor, None where there is none."""
    return db.session.scalar(select(LedgerAnchor).order_by(LedgerAnchor.number.desc()).limit(1))


def link(row: dict[str, Any]) -> bytes:
    """Return the hash of an anchor, given its columns with the hash of the one before it."""
    told = {name: row[name] for name in ("number", "at", "wallet_id", "seq", "head")}
    return chain_hash(row["prev_hash"], told)


def broken(rows: Iterable[dict[str, Any]]) -> Iterable[dict[str, Any]]:
    """Yield the anchors, of all in the order of their numbers, that do not follow the one before them."""
    previous, number = GENESIS, 0
    for row in rows:
        number += 1
        if row["number"] != number or row["prev_hash"] != previous or row["hash"] != link(row):
            yield row
        previous, number = row["hash"], row["number"]
