"""What the audit trail hashes: the content of each record, and the seals that chain the records.

The content of a record is hashed when it is written, as the first and only link of a chain of its own
(`chain_hash`). A seal then binds that hash to the seal before it. PostgreSQL can put the same bytes together
(`app.services.verify.audited`), because JSON is spelled here as it spells its own `jsonb`.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from app.domain.ledger import GENESIS, chain_hash

FIELDS = (
    *("id", "at", "actor_kind", "actor_id", "actor", "role", "ip", "request_id", "action"),
    *("resource_type", "resource_id", "summary"),
)
DOCUMENTS = ("before", "after")


def content_hash(record: Mapping[str, Any]) -> bytes:
    """Return the hash of everything that an audit record says, given its columns.

    Raises:
        TypeError: a document holds something else than texts, whole numbers, truth values, lists and objects.
        ValueError: `at` has no time zone.
    """
    documents = {name: jsonb_text(record[name]) for name in DOCUMENTS}
    return chain_hash(GENESIS, {**{name: record[name] for name in FIELDS}, **documents})


def seal_hash(previous: bytes, *, seq: int, record_id: UUID, content: bytes, at: datetime) -> bytes:
    """Return the hash of the seal with the number `seq`: over the seal before it and the record's content."""
    return chain_hash(previous, {"seq": seq, "record_id": record_id, "content": content, "at": at})


def anchor_hash(previous: bytes, *, number: int, seq: int, head: bytes, at: datetime) -> bytes:
    """Return the hash of an anchor: over the anchor before it and the seal that it saw last."""
    return chain_hash(previous, {"number": number, "seq": seq, "head": head, "at": at})


def plain_json(value: Any) -> Any:
    """Return a value as JSON can hold it without doubt: what is no text, whole number, truth value, list or
    object becomes its text.

    >>> from decimal import Decimal
    >>> plain_json({"price": Decimal("0.10"), "tiers": (1, None)})
    {'price': '0.10', 'tiers': [1, None]}
    """
    if isinstance(value, Mapping):
        return {str(key): plain_json(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain_json(one) for one in value]
    return value if isinstance(value, (bool, int, str, type(None))) else str(value)


def jsonb_text(document: Mapping[str, Any] | None) -> str | None:
    """Return a document as PostgreSQL writes its `jsonb`: the shorter keys first, then by their bytes.

    Raises:
        TypeError: it holds a number with a point, or anything that JSON cannot hold.
    """
    return None if document is None else json.dumps(_in_order(document), ensure_ascii=False)


def _in_order(value: Any) -> Any:
    if isinstance(value, Mapping):
        keys = sorted(value, key=lambda key: (len(key.encode()), key.encode()))
        return {key: _in_order(value[key]) for key in keys}
    if isinstance(value, list):
        return [_in_order(one) for one in value]
    if isinstance(value, (bool, int, str, type(None))):
        return value
    raise TypeError(f"The audit trail cannot hold a {type(value).__name__}.")
