"""Promises kept after the commit: a PDF, a mail, an outgoing message.

`promise` writes a row in the caller's transaction; `jobs.outbox.deliver` hands due rows to the handler of
their kind. What the handler writes and the mark "done" commit together; what it does outside may happen
twice, so a handler must bear that.
"""

import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from app import clock
from app.db import db, in_transaction
from app.failpoints import reach
from app.models import OutboxMessage
from app.queue import enqueue
from app.registry import Registry

LONGEST_WAIT = timedelta(hours=1)

Handler = Callable[[OutboxMessage], object]
handlers: Registry[Handler] = Registry("outbox kind")

log = logging.getLogger(__name__)


def handler(kind: str) -> Callable[[Handler], Handler]:
    """Return a decorator that makes a function the handler of one kind of promise.

    Raises:
        ValueError: the kind has a handler already.
    """
    return handlers.register(kind)


def promise(kind: str, key: str, payload: dict[str, Any], *, available_at: datetime | None = None) -> None:
    """Promise something in the open transaction; the same `(kind, key)` is promised once for ever.

    `payload` holds plain JSON values. `available_at` puts it off.
    """
    promise_all(kind, {key: payload}, available_at=available_at)


def promise_all(
    kind: str, payloads: Mapping[str, dict[str, Any]], *, available_at: datetime | None = None
) -> None:
    """Promise several things of one kind, each under its key, as `promise` does."""
    if not payloads:
        return
    due = available_at or clock.now()
    rows = [
        {"kind": kind, "key": key, "payload": payload, "available_at": due}
        for key, payload in payloads.items()
    ]
    db.session.execute(insert(OutboxMessage).on_conflict_do_nothing(), rows)
    enqueue("jobs.outbox.deliver")


def has_due() -> bool:
    """True when a promise waits to be kept now."""
    waiting = select(OutboxMessage.id).where(
        OutboxMessage.done_at.is_(None), OutboxMessage.available_at <= clock.now()
    )
    return bool(db.session.scalar(select(waiting.exists())))


def deliver(limit: int) -> dict[str, int]:
    """Keep up to `limit` due promises, each in a transaction of its own; return how many were kept and
    failed.

    One that fails is tried again after 2, 4, 8 … seconds, at most an hour, for as long as it takes: `verify`
    shows old ones.
    """
    counts = {"kept": 0, "failed": 0}
    for _ in range(limit):
        kept = in_transaction(_deliver_one)
        if kept is None:
            break
        counts["kept" if kept else "failed"] += 1
    return counts


def _deliver_one() -> bool | None:
    query = (
        select(OutboxMessage)
        .where(OutboxMessage.done_at.is_(None), OutboxMessage.available_at <= clock.now())
        .order_by(OutboxMessage.available_at)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    message = db.session.scalar(query)
    if message is None:
        return None
    message.attempts += 1
    try:
        with db.session.begin_nested():
            reach(f"outbox.{message.kind}")
            handlers[message.kind](message)
    except Exception as error:
        message.error = f"{type(error).__name__}: {error}"[:1000]
        message.available_at = clock.now() + min(
            LONGEST_WAIT, timedelta(seconds=2 ** min(message.attempts, 12))
        )
        log.warning(
            "promise not kept, trying again later",
            exc_info=True,
            extra={"kind": message.kind, "key": message.key, "attempts": message.attempts},
        )
        return False
    reach(f"outbox.{message.kind}.kept")
    message.error = None
    message.done_at = clock.now()
    return True
