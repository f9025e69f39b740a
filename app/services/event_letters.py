"""Keeping refused events, so that nothing a sender posted is lost in silence (docs/api/corrections.md)."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any

import msgspec

from app.db import raw_transaction
from app.domain.events import LONGEST_NAME, Rejection
from app.domain.properties import LARGEST_EXPONENT
from app.ids import new_id

# The same refused event again raises `seen`. A replayed letter opens anew; a discarded one stays.
KEEP = """
INSERT INTO dead_letters (
    id, source, code, pointer, message, account_ref, metric_code, event_id,
    payload, payload_sha256, first_seen_at, last_seen_at
) VALUES (
    %(id)s, %(source)s, %(code)s, %(pointer)s, %(message)s, %(account_ref)s, %(metric_code)s, %(event_id)s,
    %(payload)s, %(payload_sha256)s, %(at)s, %(at)s
)
ON CONFLICT (payload_sha256, code) DO UPDATE SET
    seen = dead_letters.seen + 1, last_seen_at = excluded.last_seen_at,
    status = CASE dead_letters.status WHEN 'replayed' THEN 'open' ELSE dead_letters.status END
"""

# jsonb and text hold neither NUL nor half of a surrogate pair.
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")

_as_numbers = msgspec.json.Encoder(decimal_format="number", order="deterministic").encode


def keep(refused: Sequence[tuple[Any, Rejection]], *, source: str, at: datetime) -> None:
    """Keep each refused event that is an object, with its reason, in a transaction of its own.

    Raises:
        psycopg.OperationalError: the database is away; none was kept.
    """
    letters = [_letter(raw, rejection, source, at) for raw, rejection in refused if isinstance(raw, Mapping)]
    # One order for everybody, so that two batches with the same letters cannot deadlock.
    letters.sort(key=lambda letter: (letter["payload_sha256"], letter["code"]))
    if letters:
        with raw_transaction() as connection, connection.cursor() as cursor:
            cursor.executemany(KEEP, letters)


def encode(raw: Mapping[str, Any]) -> str:
    """Return the JSON text of a payload, ready for a jsonb column: numbers stay numbers, exactly as they
    were sent.
    """
    return _as_numbers(_storable(raw)).decode()


def _letter(raw: Mapping[str, Any], rejection: Rejection, source: str, at: datetime) -> dict[str, Any]:
    payload = encode(raw)
    return {
        "id": new_id(),
        "source": source,
        "code": rejection.code,
        # Without the place in the batch, which means nothing once the event stands alone.
        "pointer": UNSTORABLE.sub("\ufffd", re.sub(r"^/\d+", "", rejection.pointer)),
        "message": rejection.message,
        "account_ref": _reference(raw, "account_id"),
        "metric_code": _reference(raw, "metric"),
        "event_id": _reference(raw, "event_id"),
        "payload": payload,
        "payload_sha256": sha256(payload.encode()).digest(),
        "at": at,
    }


def _reference(raw: Mapping[str, Any], field: str) -> str | None:
    value = raw.get(field)
    return UNSTORABLE.sub("\ufffd", value[:LONGEST_NAME]) if isinstance(value, str) else None


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return UNSTORABLE.sub("\ufffd", value)
    if isinstance(value, Mapping):
        return {_storable(str(name)): _storable(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_storable(item) for item in value]
    if isinstance(value, Decimal) and not (value.is_finite() and abs(value.adjusted()) <= LARGEST_EXPONENT):
        return str(value)
    return value
