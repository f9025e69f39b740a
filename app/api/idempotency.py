"""`Idempotency-Key`: the same call with the same key has its effect once and gets the same answer again
(docs/api/README.md).

The answer is stored in the transaction of the effect, so neither exists without the other. A refusal is
rolled back and not stored: nothing happened, and a repeat tries again. A view that talks to the outside world
must not hold a transaction meanwhile: it commits its intent first, under a key of its own, and does not use
this decorator.
"""

from collections.abc import Callable
from functools import wraps
from hashlib import sha256
from typing import Any, TypeVar, cast

import msgspec
from flask import Response, request
from sqlalchemy import Table, text
from sqlalchemy.exc import IntegrityError

from app.api.body import read_raw
from app.api.envelope import answer
from app.api.guards import current_actor
from app.db import db, in_transaction
from app.errors import IdempotencyInProgress, IdempotencyMismatch, Invalid
from app.models import IdempotencyRecord

View = TypeVar("View", bound=Callable[..., Response])

LONGEST_KEY = 255
RECORDS = cast(Table, IdempotencyRecord.__table__)
KEEP = RECORDS.insert()
# The answer that is kept, and whether nobody else is at it: one way to the database.
LOOK = text(
    "SELECT pg_try_advisory_xact_lock(:number) AS free, kept.request_sha256, kept.status, kept.answer"
    " FROM (VALUES (1)) AS one LEFT JOIN idempotency_records AS kept ON caller = :caller AND key = :key"
)


def idempotent(view: View) -> View:
    """Let a repeat of the call, with the same `Idempotency-Key` by the same caller, get the first answer.

    A call without the header simply runs, in one transaction.

    Raises (when called):
        Invalid: the key is empty, longer than 255 characters or not printable ASCII.
        IdempotencyMismatch: the key was used for another request.
        IdempotencyInProgress: the first call with the key has not answered yet.
    """

    @wraps(view)
    def once(*args: Any, **kwargs: Any) -> Response:
        key = request.headers.get("Idempotency-Key")
        if key is None:
            return in_transaction(lambda: view(*args, **kwargs))
        if not (0 < len(key) <= LONGEST_KEY and key.isascii() and key.isprintable()):
            raise Invalid("Idempotency-Key must be 1 to 255 printable ASCII characters.")

        def call() -> Response:
            return in_transaction(lambda: _once(key, lambda: view(*args, **kwargs)))

        try:
            return call()
        except IntegrityError as error:
            if getattr(getattr(error.orig, "diag", None), "table_name", None) != RECORDS.name:
                raise
            # The first call committed after our look for its answer and before our lock: now it is there.
            return call()

    once.__idempotent__ = True  # type: ignore[attr-defined]
    return cast(View, once)


def _once(key: str, run: Callable[[], Response]) -> Response:
    actor = current_actor()
    caller = f"{actor.kind}:{actor.id}"
    number, digest = _lock_number(caller, key), _digest_request()
    found = db.session.execute(LOOK, {"number": number, "caller": caller, "key": key}).one()
    if not found.free:
        raise IdempotencyInProgress("The first call with this Idempotency-Key has not answered yet.")
    if found.request_sha256 is not None:
        if bytes(found.request_sha256) != digest:
            raise IdempotencyMismatch("This Idempotency-Key was used for another request.")
        stored = answer(found.answer or {}, found.status or 200)
        stored.headers["Idempotency-Replayed"] = "true"
        return stored
    response = run()
    kept = {"caller": caller, "key": key, "request_sha256": digest, "status": response.status_code}
    db.session.execute(KEEP, {**kept, "answer": msgspec.json.decode(response.get_data())})
    return response


def _digest_request() -> bytes:
    body = read_raw() if request.content_length or request.is_json else b""
    return sha256(b"\n".join((request.method.encode(), request.full_path.encode(), body))).digest()


def _lock_number(caller: str, key: str) -> int:
    return int.from_bytes(sha256(f"{caller}\n{key}".encode()).digest()[:8], signed=True)
