"""The sandbox's memory: JSON documents, remembered answers and webhooks to deliver, in one SQLite file."""

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from threading import RLock
from typing import Any

SCHEMA = """
CREATE TABLE IF NOT EXISTS checkouts (
    id TEXT PRIMARY KEY, gateway TEXT NOT NULL, reference TEXT NOT NULL, order_id TEXT NOT NULL,
    body TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS ix_checkouts_reference ON checkouts (gateway, reference);
CREATE TABLE IF NOT EXISTS answers (
    key TEXT PRIMARY KEY, request TEXT NOT NULL, status INTEGER NOT NULL, body TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS deliveries (
    id INTEGER PRIMARY KEY, gateway TEXT NOT NULL, body TEXT NOT NULL, due_at REAL NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0, outcome TEXT
);
"""
CHECKOUTS = "SELECT body FROM checkouts"
OLDEST_FIRST = "ORDER BY rowid"

Document = dict[str, Any]


class Store:
    """One connection behind a lock: the sandbox serves a demonstration, not a load."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.lock = RLock()
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.executescript(SCHEMA)

    def save(self, checkout: Document) -> None:
        """Insert or replace a checkout."""
        row = {**checkout, "body": json.dumps(checkout)}
        with self.lock:
            self._db.execute(
                "INSERT OR REPLACE INTO checkouts VALUES (:id, :gateway, :reference, :order_id, :body)", row
            )

    def find(self, checkout_id: str) -> Document | None:
        """Return the checkout with that id."""
        return next(iter(self._select(f"{CHECKOUTS} WHERE id = ?", checkout_id)), None)

    def find_by_reference(self, gateway: str, reference: str) -> list[Document]:
        """Return the checkouts of a gateway that carry the merchant's reference."""
        return self._select(
            f"{CHECKOUTS} WHERE gateway = ? AND reference = ? {OLDEST_FIRST}", gateway, reference
        )

    def find_by_order(self, order_id: str) -> Document | None:
        """Return the checkout behind an order."""
        return next(iter(self._select(f"{CHECKOUTS} WHERE order_id = ?", order_id)), None)

    def find_by_payment(self, payment_id: str) -> Document | None:
        """Return the checkout on which a payment was tried."""
        for checkout in self._select(f"{CHECKOUTS} {OLDEST_FIRST}"):
            if any(attempt["id"] == payment_id for attempt in checkout["attempts"]):
                return checkout
        return None

    def all(self) -> list[Document]:
        """Return every checkout, the oldest first."""
        return self._select(f"{CHECKOUTS} {OLDEST_FIRST}")

    def processing(self) -> list[Document]:
        """Return the checkouts whose payment still takes its time."""
        return [
            found for found in self._select(f"{CHECKOUTS} {OLDEST_FIRST}") if found["settles_at"] is not None
        ]

    def once(
        self, key: str, request: str, work: Callable[[], tuple[int, Document]]
    ) -> tuple[int, Document] | None:
        """Answer `work` the first time and the same ever after; None if the key came with another request."""
        with self.lock:
            query = "SELECT request, status, body FROM answers WHERE key = ?"
            row = self._db.execute(query, (key,)).fetchone()
            if row:
                return (row[1], json.loads(row[2])) if row[0] == request else None
            status, body = work()
            self._db.execute(
                "INSERT INTO answers VALUES (?, ?, ?, ?)", (key, request, status, json.dumps(body))
            )
            return status, body

    def queue(self, gateway: str, body: Document, due_at: float) -> None:
        """Put a webhook in the line."""
        with self.lock:
            self._db.execute(
                "INSERT INTO deliveries (gateway, body, due_at) VALUES (?, ?, ?)",
                (gateway, json.dumps(body), due_at),
            )

    def due(self, at: float, *, newest_first: bool) -> list[tuple[int, str, str, int]]:
        """Return (id, gateway, body, attempts) of the webhooks to post now."""
        query = "SELECT id, gateway, body, attempts FROM deliveries WHERE outcome IS NULL AND due_at <= ?"
        with self.lock:
            rows: list[tuple[int, str, str, int]] = self._db.execute(query, (at,)).fetchall()
        return sorted(rows, reverse=newest_first)

    def postpone(self, delivery_id: int, due_at: float) -> None:
        """Count a failed attempt and set the time of the next."""
        with self.lock:
            self._db.execute(
                "UPDATE deliveries SET attempts = attempts + 1, due_at = ? WHERE id = ?",
                (due_at, delivery_id),
            )

    def close_delivery(self, delivery_id: int, outcome: str) -> None:
        """Record how the delivery of a webhook ended."""
        with self.lock:
            self._db.execute(
                "UPDATE deliveries SET attempts = attempts + 1, outcome = ? WHERE id = ?",
                (outcome, delivery_id),
            )

    def deliveries(self) -> list[Document]:
        """Return every webhook with its outcome, oldest first."""
        query = "SELECT gateway, body, attempts, outcome FROM deliveries ORDER BY id"
        with self.lock:
            rows = self._db.execute(query).fetchall()
        return [
            {"gateway": gateway, "body": json.loads(body), "attempts": attempts, "outcome": outcome}
            for gateway, body, attempts, outcome in rows
        ]

    def _select(self, query: str, *values: str) -> list[Document]:
        with self.lock:
            rows = self._db.execute(query, values).fetchall()
        return [json.loads(row[0]) for row in rows]
