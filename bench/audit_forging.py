"""What somebody with all power over the database might do to the audit trail, each as one function.

A forgery gets the trail as it was, the connection and a source of chance, changes something, and returns the
places of which one at least has to be named by the checks.
"""

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Row, text

from app.domain.auditing import DOCUMENTS, FIELDS, content_hash, seal_hash
from app.ids import new_id

RECORD_COLUMNS = (*FIELDS, *DOCUMENTS, "hash")
SEAL_COLUMNS = ("seq", "record_id", "at", "prev_hash", "hash")
ANCHOR_COLUMNS = ("number", "at", "seq", "head", "prev_hash", "hash")
KEYS = {"audit_records": "id", "audit_seals": "seq", "audit_anchors": "number"}
RECORDS = text(
    "SELECT r.*, s.seq FROM audit_records r JOIN audit_seals s ON s.record_id = r.id ORDER BY s.seq"
)
ADD_RECORD = text(f"""
    INSERT INTO audit_records ({", ".join(RECORD_COLUMNS)})
    VALUES ({", ".join(f"CAST(:{name} AS jsonb)" if name in DOCUMENTS else f":{name}" for name in RECORD_COLUMNS)})
""")  # noqa: E501


@dataclass(frozen=True, slots=True)
class Trail:
    """The trail before anybody touched it: the records with the numbers of their seals, and the rest."""

    records: list[Row[Any]]
    seals: list[Row[Any]]
    anchors: list[Row[Any]]

    @classmethod
    def read(cls, connection: Connection) -> "Trail":
        """Read all of it."""
        return cls(
            list(connection.execute(RECORDS)),
            list(connection.execute(text("SELECT * FROM audit_seals ORDER BY seq"))),
            list(connection.execute(text("SELECT * FROM audit_anchors ORDER BY number"))),
        )


Forgery = Callable[[Trail, Connection, random.Random], set[str]]


def seal_place(*numbers: int) -> set[str]:
    """Return the names of seals, as the checks write them."""
    return {f"audit seal {number}" for number in numbers}


def edit_record(trail: Trail, connection: Connection, chance: random.Random) -> set[str]:
    """Change one column of one record; half the time its hash follows."""
    row, column = chance.choice(trail.records), chance.choice(RECORD_COLUMNS)
    value = _another(trail.records, row, column, chance)
    _set(connection, "audit_records", row.id, column, value)
    if column != "hash" and chance.random() < 0.5:
        changed = content_hash({**row._mapping, column: value})
        _set(connection, "audit_records", value if column == "id" else row.id, "hash", changed)
    return {f"audit record {row.id}"} | seal_place(row.seq)


def edit_seal(trail: Trail, connection: Connection, chance: random.Random) -> set[str]:
    """Change one column of one seal."""
    row, column = chance.choice(trail.seals), chance.choice(SEAL_COLUMNS)
    value = _another(trail.seals, row, column, chance)
    _set(connection, "audit_seals", row.seq, column, value)
    return seal_place(row.seq, *([value] if column == "seq" else []))


def edit_anchor(trail: Trail, connection: Connection, chance: random.Random) -> set[str]:
    """Change one column of one anchor."""
    row, column = chance.choice(trail.anchors), chance.choice(ANCHOR_COLUMNS)
    value = _another(trail.anchors, row, column, chance)
    _set(connection, "audit_anchors", row.number, column, value)
    return {f"audit anchor {each}" for each in (row.number, value)} | seal_place(row.seq)


def delete(trail: Trail, connection: Connection, chance: random.Random) -> set[str]:
    """Delete a record, its seal, or both."""
    row, which = chance.choice(trail.records), chance.choice(["record", "seal", "both"])
    if which != "seal":
        connection.execute(text("DELETE FROM audit_records WHERE id = :id"), {"id": row.id})
    if which != "record":
        connection.execute(text("DELETE FROM audit_seals WHERE seq = :seq"), {"seq": row.seq})
    return seal_place(row.seq)


def insert(trail: Trail, connection: Connection, chance: random.Random) -> set[str]:
    """Add a record with its right hash; sometimes with a seal that takes the place of another one's."""
    forged = _forged(trail, chance)
    connection.execute(ADD_RECORD, forged | {name: _document(forged[name]) for name in DOCUMENTS})
    if chance.random() < 0.5:
        return {f"audit record {forged['id']}"}
    place = chance.choice(trail.seals)
    _set(connection, "audit_seals", place.seq, "record_id", forged["id"])
    if chance.random() < 0.5:
        made = _sealed(place.prev_hash, place.seq, forged["id"], forged["hash"], place.at)
        _set(connection, "audit_seals", place.seq, "hash", made)
    return seal_place(place.seq, place.seq + 1)


def swap(trail: Trail, connection: Connection, chance: random.Random) -> set[str]:
    """Let two records change their places in the chain, or what they say."""
    one, two = chance.sample(trail.records, 2)
    if chance.random() < 0.5:
        for column in ("summary", "after", "hash"):
            _set(connection, "audit_records", one.id, column, getattr(two, column))
            _set(connection, "audit_records", two.id, column, getattr(one, column))
        return {f"audit record {each.id}" for each in (one, two)}
    for seq, record in ((one.seq, new_id()), (two.seq, one.id), (one.seq, two.id)):
        _set(connection, "audit_seals", seq, "record_id", record)
    return seal_place(one.seq, two.seq)


def cut_off(trail: Trail, connection: Connection, chance: random.Random) -> set[str]:
    """Delete the end of the chain, with its records and sometimes the last anchors."""
    last = chance.randrange(0, trail.anchors[-1].seq)
    gone = [row.id for row in trail.records if row.seq > last]
    connection.execute(text("DELETE FROM audit_seals WHERE seq > :last"), {"last": last})
    connection.execute(text("DELETE FROM audit_records WHERE id = ANY(:ids)"), {"ids": gone})
    return seal_place(*(row.seq for row in trail.anchors if row.seq > last))


def rewrite(trail: Trail, connection: Connection, chance: random.Random) -> set[str]:
    """Change what a record says, its hash, and write all seals after it anew."""
    begin = chance.randrange(0, trail.anchors[-1].seq)
    row = trail.records[begin]
    changed = content_hash({**row._mapping, "summary": "Nothing happened"})
    _set(connection, "audit_records", row.id, "summary", "Nothing happened")
    _set(connection, "audit_records", row.id, "hash", changed)
    previous = trail.seals[begin].prev_hash
    for seal, record in zip(trail.seals[begin:], trail.records[begin:], strict=True):
        content = changed if record is row else record.hash
        made = _sealed(previous, seal.seq, seal.record_id, content, seal.at)
        _set(connection, "audit_seals", seal.seq, "prev_hash", previous)
        _set(connection, "audit_seals", seal.seq, "hash", made)
        previous = made
    return seal_place(*(one.seq for one in trail.anchors if one.seq > begin))


# Each with its weight among all.
FORGERIES: dict[str, tuple[Forgery, int]] = {
    "edit a record": (edit_record, 8),
    "edit a seal": (edit_seal, 5),
    "edit an anchor": (edit_anchor, 2),
    "delete": (delete, 4),
    "insert": (insert, 4),
    "swap": (swap, 3),
    "cut off the end": (cut_off, 2),
    "write the chain anew": (rewrite, 2),
}


def _sealed(previous: bytes, seq: int, record_id: Any, content: bytes, at: Any) -> bytes:
    return seal_hash(previous, seq=seq, record_id=record_id, content=content, at=at)


def _forged(trail: Trail, chance: random.Random) -> dict[str, Any]:
    like = chance.choice(trail.records)._mapping
    made = {name: like[name] for name in RECORD_COLUMNS} | {"id": new_id(), "summary": "Forged"}
    return {**made, "hash": content_hash(made)}


def _document(value: Any) -> Any:
    return None if value is None else json.dumps(value)


def _another(rows: list[Row[Any]], row: Row[Any], column: str, chance: random.Random) -> Any:
    """Return a value of a column that is another one than the row has."""
    now = getattr(row, column)
    choices: dict[str, Callable[[], Any]] = {
        "id": new_id,
        "record_id": lambda: chance.choice([new_id(), chance.choice(rows).record_id]),
        "at": lambda: now + timedelta(microseconds=chance.choice([1, -1, 10**6, 10**12])),
        "seq": lambda: chance.choice([0, -1, now + 1, now + 10**6]),
        "number": lambda: chance.choice([0, -1, now + 10**6]),
        "before": lambda: chance.choice([None, {}, {"price": chance.randrange(10**6)}]),
        "after": lambda: chance.choice([None, {}, {"price": chance.randrange(10**6)}]),
    }
    if column in {"prev_hash", "hash", "head"}:
        return chance.choice([chance.randbytes(32), b"\0" * 32, b""])
    while (value := choices.get(column, lambda: f"{now or ''}{chance.choice('aZ0 é')}")()) == now:
        continue
    return value


def _set(connection: Connection, table: str, key: object, column: str, value: object) -> None:
    cast = "CAST(:value AS jsonb)" if column in DOCUMENTS else ":value"
    changed = text(f"UPDATE {table} SET {column} = {cast} WHERE {KEYS[table]} = :key")
    given = _document(value) if column in DOCUMENTS else value
    connection.execute(changed, {"value": given, "key": key})
