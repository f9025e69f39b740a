"""Nothing is counted as something else: through every door a quantity is stored exactly as it was written, or
refused, never taken for 0. The oracle is a regular expression and fractions.
"""

import json
import re
from collections.abc import Sequence
from fractions import Fraction
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.models import DeadLetter, UsageEvent
from tests import factories
from tests.api.conftest import Caller

NUMBER = re.compile(r"[+-]?(?=\.?[0-9])[0-9]*(?:\.([0-9]*))?(?:[eE]([+-]?[0-9]{1,2}))?")
LARGEST, MOST_PLACES = 10**15, 12
ODD = [
    '""', '" "', '"null"', '"NaN"', '"Infinity"', '"-Infinity"', '"1e400"', '"1e-400"', "1e400", "1e-400",
    "1e999999999", "1e-999999999",
    '"١٢"', '"१२"', '"²"', '"1,000"', '"1_000"', '"0x10"', '"1 "', '" 1"', '"1\\n"', '"+1"', '"--1"', '"."',
    '".5"', '"5."', "true", "false", "[]", "[1]", "{}", '{"quantity": 1}', "-1", '"-1"', "-0", '"-0.0"', "0",
    "0.0000000000001", '"0.0000000000001"', "1.0000000000000", "0.000000000001", "1000000000000000",
    "1000000000000001", '"1000000000000000.000000000001"', "1e15", "0.1", "1.10", '"007"',
    "123456789012345.123456789012",
]  # fmt: skip
numbers = st.integers(-10, LARGEST + 10).map(str) | st.decimals(
    -1, LARGEST, allow_nan=False, places=None
).map(lambda number: f"{number:f}"[:40])
written = st.sampled_from(ODD) | numbers | numbers.map(lambda text: f'"{text}"')
_ids = count(1)


@pytest.fixture(autouse=True)
def _world(app: Any) -> None:
    factories.make_account(external_id="acme")
    factories.make_metric("own", aggregation="sum")
    factories.make_metric("size", aggregation="sum", value_property="size")


def meant(text: str) -> Fraction | None:
    """Return the quantity that a JSON value stands for, None where it has to be refused."""
    value = json.loads(text, parse_int=str, parse_float=str)
    found = NUMBER.fullmatch(value) if isinstance(value, str) and len(value) <= 64 else None
    if found is None:
        return None
    number, places = Fraction(value), len(found[1] or "") - int(found[2] or 0)
    return number if places <= MOST_PLACES and 0 <= number <= LARGEST else None


def by_our_own(caller: Caller, ids: Sequence[str], texts: Sequence[str]) -> None:
    base = '"account_id": "acme", "metric": "own"'
    rows = [f'{{"event_id": "{i}", {base}, "quantity": {text}}}' for i, text in zip(ids, texts, strict=True)]
    caller.post("/events", f"[{','.join(rows)}]".encode())


def by_a_property(caller: Caller, ids: Sequence[str], texts: Sequence[str]) -> None:
    base = '"account_id": "acme", "metric": "size"'
    rows = [
        f'{{"event_id": "{i}", {base}, "properties": {{"size": {text}}}}}'
        for i, text in zip(ids, texts, strict=True)
    ]
    caller.post("/events", f'{{"events": [{",".join(rows)}]}}'.encode())


def by_cloudevents(caller: Caller, ids: Sequence[str], texts: Sequence[str]) -> None:
    base = '"specversion": "1.0", "source": "/s", "type": "own", "subject": "acme"'
    rows = [
        f'{{"id": "{i}", {base}, "data": {{"quantity": {text}}}}}' for i, text in zip(ids, texts, strict=True)
    ]
    caller.post("/events", f"[{','.join(rows)}]".encode(), Content_Type="application/cloudevents-batch+json")


def by_binary_cloudevents(caller: Caller, ids: Sequence[str], texts: Sequence[str]) -> None:
    base = {"ce_specversion": "1.0", "ce_source": "/s", "ce_type": "own", "ce_subject": "acme"}
    for i, text in zip(ids, texts, strict=True):
        caller.post("/events", f'{{"quantity": {text}}}'.encode(), ce_id=i, **base)


def by_lago(caller: Caller, ids: Sequence[str], texts: Sequence[str]) -> None:
    base = '"external_subscription_id": "acme", "code": "size"'
    for i, text in zip(ids, texts, strict=True):
        event = f'{{"transaction_id": "{i}", {base}, "properties": {{"size": {text}}}}}'
        caller.client.post(
            "/compat/lago/api/v1/events",
            data=f'{{"event": {event}}}',
            content_type="application/json",
            headers=caller.headers,
        )


DOORS = (by_our_own, by_a_property, by_cloudevents, by_binary_cloudevents, by_lago)


@pytest.mark.parametrize("door", DOORS)
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(written, min_size=1, max_size=8))
@example(texts=ODD)
def test_what_is_accepted_is_stored_exactly_and_the_rest_is_kept_as_refused(
    door: Any, texts: list[str], caller: Caller, session: Session
) -> None:
    ids = [f"e{next(_ids)}" for _ in texts]

    door(caller, ids, texts)

    found = session.execute(
        select(UsageEvent.event_id, UsageEvent.quantity).where(UsageEvent.event_id.in_(ids))
    )
    stored = {event_id: Fraction(quantity) for event_id, quantity in found}
    expected = {i: meant(text) for i, text in zip(ids, texts, strict=True)}
    assert stored == {i: quantity for i, quantity in expected.items() if quantity is not None}
    letters = set(session.scalars(select(DeadLetter.event_id).where(DeadLetter.event_id.in_(ids))))
    assert letters == {i for i, quantity in expected.items() if quantity is None}


@pytest.mark.parametrize("door", [by_our_own, by_cloudevents, by_binary_cloudevents])
def test_a_null_quantity_is_one_left_out_which_is_one(door: Any, caller: Caller, session: Session) -> None:
    door(caller, ["e"], ["null"])
    assert session.scalars(select(UsageEvent.quantity)).all() == [1]


@pytest.mark.parametrize("door", [by_a_property, by_lago])
def test_a_null_in_what_a_metric_adds_up_is_refused(door: Any, caller: Caller, session: Session) -> None:
    door(caller, ["e"], ["null"])
    assert session.scalars(select(UsageEvent.quantity)).all() == []
    assert session.scalars(select(DeadLetter.code)).all() == ["missing_value"]


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(
    "text",
    ["NaN", "Infinity", "-Infinity", "1.", ".5", "01", "+1", "0x10", "nan", "1" * 5000, f"1e-{10**20}"],
)
def test_what_is_no_json_stores_nothing(door: Any, text: str, caller: Caller, session: Session) -> None:
    door(caller, ["e"], [text])
    assert session.scalars(select(UsageEvent.quantity)).all() == []
