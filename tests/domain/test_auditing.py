"""What the audit trail hashes: every field of a record, spelled in one way only."""

from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import pytest

from app.domain.auditing import DOCUMENTS, FIELDS, content_hash, jsonb_text, plain_json, seal_hash
from app.domain.ledger import GENESIS

RECORD = {
    **dict.fromkeys(FIELDS, "x"),
    "id": UUID(int=1),
    "at": datetime(2026, 10, 10, tzinfo=UTC),
    "ip": None,
    "before": {"price": "1"},
    "after": {"price": "2"},
}


@pytest.mark.parametrize("name", [*FIELDS, *DOCUMENTS])
def test_another_value_of_any_field_gives_another_hash(name: str) -> None:
    another = {"id": UUID(int=2), "at": datetime(2026, 10, 11, tzinfo=UTC), "before": {}, "after": None}
    assert content_hash({**RECORD, name: another.get(name, "y")}) != content_hash(RECORD)


def test_the_order_of_the_keys_of_a_document_changes_nothing() -> None:
    one, two = {"b": 1, "aa": {"z": 1, "y": 2}}, {"aa": {"y": 2, "z": 1}, "b": 1}
    assert content_hash({**RECORD, "after": one}) == content_hash({**RECORD, "after": two})


@pytest.mark.parametrize(
    ("document", "text"),
    [
        (None, None),
        ({}, "{}"),
        ({"bb": True, "a": [1, "ü\n", None]}, '{"a": [1, "ü\\n", null], "bb": true}'),
        ({"é": 1, "zz": 2, "y": 3}, '{"y": 3, "zz": 2, "é": 1}'),
    ],
)
def test_a_document_is_spelled_as_postgresql_does(
    document: dict[str, object] | None, text: str | None
) -> None:
    assert jsonb_text(document) == text


def test_a_number_with_a_point_is_refused_and_made_a_text_before() -> None:
    with pytest.raises(TypeError, match="cannot hold a float"):
        jsonb_text({"rate": 0.1})
    assert plain_json({"rate": Decimal("0.10"), 1: (0.5,)}) == {"rate": "0.10", "1": ["0.5"]}


def test_a_seal_binds_its_number_its_record_and_the_one_before() -> None:
    at = datetime(2026, 10, 10, tzinfo=UTC)
    told = {"seq": 1, "record_id": UUID(int=1), "content": b"c" * 32, "at": at}
    first = seal_hash(GENESIS, **told)
    others = [
        seal_hash(first, **told),
        *(seal_hash(GENESIS, **{**told, **change}) for change in ({"seq": 2}, {"content": b"d" * 32})),
        seal_hash(GENESIS, **{**told, "record_id": UUID(int=2)}),
    ]
    assert len({first, *others}) == 5
