"""The accounts and metrics that events name, remembered by each process for a few seconds.

A name that is not known is looked up at once, so an account made a moment ago works; a change made elsewhere
is seen within five seconds. All that is remembered is looked up again by one query, behind the requests: with
thousands of accounts it takes longer than an event may.
"""

import threading
import time
from collections.abc import Iterable, Set
from contextlib import suppress
from typing import NamedTuple
from uuid import UUID

import psycopg
from flask import Flask, current_app

from app.db import is_isolated, raw_transaction

# After three seconds everything is looked up again; nobody need wait for it until five.
RENEWED_SECONDS = 3.0
REMEMBERED_SECONDS = 5.0
MOST_ACCOUNTS = 20_000
THREAD = "event names"

FIND_ACCOUNTS = "SELECT id, external_id FROM accounts WHERE external_id = ANY(%s) OR id = ANY(%s)"
LIST_METRICS = "SELECT id, code, aggregation, value_property, dimensions, active FROM metrics"


class KnownMetric(NamedTuple):
    """What storing an event needs of its metric."""

    id: UUID
    code: str
    aggregation: str
    value_property: str | None
    dimensions: tuple[str, ...]
    active: bool


class Names(NamedTuple):
    """The ids behind the account references and metric codes of one batch; a name that does not exist is
    absent.
    """

    accounts: dict[str, UUID]
    metrics: dict[str, KnownMetric]


class _Memory:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.names = Names({}, {})
        self.looked_at = float("-inf")

    def knows(self, accounts: Set[str], metrics: Set[str]) -> bool:
        return accounts <= self.names.accounts.keys() and metrics <= self.names.metrics.keys()


def look_up(accounts: Set[str], metrics: Set[str]) -> Names:
    """Return the accounts (by id or external id) and the metrics (by code) with these names.

    Raises:
        psycopg.OperationalError: the database is away.
    """
    if is_isolated():
        return _read(accounts)
    memory: _Memory = current_app.extensions.setdefault("event_names", _Memory())
    age = time.monotonic() - memory.looked_at
    if memory.knows(accounts, metrics) and age < REMEMBERED_SECONDS:
        if age >= RENEWED_SECONDS and not memory.lock.locked():
            application = current_app._get_current_object()  # type: ignore[attr-defined]
            threading.Thread(
                target=_renew_behind, args=(application, memory), name=THREAD, daemon=True
            ).start()
        return memory.names
    with memory.lock:
        return _renew(memory, accounts, metrics)


def _renew_behind(application: Flask, memory: _Memory) -> None:
    # Where the database is away, the request that comes when all is forgotten says so.
    with application.app_context(), suppress(psycopg.OperationalError), memory.lock:
        _renew(memory, frozenset(), frozenset())


def _renew(memory: _Memory, accounts: Set[str], metrics: Set[str]) -> Names:
    names, now = memory.names, time.monotonic()
    if now - memory.looked_at >= RENEWED_SECONDS:
        remembered = names.accounts.keys() if len(names.accounts) <= MOST_ACCOUNTS else set()
        memory.names, memory.looked_at = _read(accounts | remembered), now
    elif not memory.knows(accounts, metrics):
        found = _read(accounts - names.accounts.keys())
        memory.names = Names({**names.accounts, **found.accounts}, found.metrics)
    return memory.names


def read_names(connection: psycopg.Connection, accounts: Iterable[str]) -> Names:
    """Return these accounts and all metrics as the open transaction of `connection` sees them; nothing is
    remembered.
    """
    return Names(_read_accounts(connection, list(accounts)), _read_metrics(connection))


def _read(accounts: Iterable[str]) -> Names:
    with raw_transaction() as connection:
        return read_names(connection, accounts)


def _read_accounts(connection: psycopg.Connection, references: list[str]) -> dict[str, UUID]:
    if not references:
        return {}
    ids = {text: found for text in references if (found := _as_id(text)) is not None}
    rows = connection.execute(FIND_ACCOUNTS, (references, list(ids.values()))).fetchall()
    existing = {account_id for account_id, _ in rows}
    by_id = {text: account_id for text, account_id in ids.items() if account_id in existing}
    by_external_id = {external_id: account_id for account_id, external_id in rows if external_id is not None}
    return {**by_external_id, **by_id}


def _read_metrics(connection: psycopg.Connection) -> dict[str, KnownMetric]:
    rows = connection.execute(LIST_METRICS).fetchall()
    return {
        code: KnownMetric(metric_id, code, aggregation, value_property, tuple(dimensions), active)
        for metric_id, code, aggregation, value_property, dimensions, active in rows
    }


def _as_id(text: str) -> UUID | None:
    try:
        return UUID(text) if len(text) == 36 else None
    except ValueError:
        return None
