"""Properties as canonical text that PostgreSQL's jsonb will take, within bounds."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.errors import RuleBroken
from app.domain.properties import properties_text


@pytest.mark.parametrize(
    ("properties", "text"),
    [
        ({}, "{}"),
        ({"b": "x", "a": "y"}, '{"a":"y","b":"x"}'),
        ({"quote": 'a"b\\c', "line": "a\nb"}, '{"line":"a\\nb","quote":"a\\"b\\\\c"}'),
        (
            {"n": 1, "d": Decimal("1.50"), "f": 0.1, "t": True, "z": None},
            '{"d":1.5,"f":0.1,"n":1,"t":true,"z":null}',
        ),
        ({"a": {"b": ["x", 2, {}]}}, None),
        ({"a": {"b": ["x", 2]}}, '{"a":{"b":["x",2]}}'),
        ({"city": "मुंबई 😀"}, '{"city":"मुंबई 😀"}'),
        ({"e": ""}, '{"e":""}'),
        ({"big": 10**40}, '{"big":1' + "0" * 40 + "}"),
    ],
)
def test_the_text_is_canonical(properties: dict[str, Any], text: str | None) -> None:
    if text is None:
        with pytest.raises(RuleBroken, match="3 deep"):
            properties_text(properties)
    else:
        assert properties_text(properties) == text


@pytest.mark.parametrize(
    ("properties", "pointer", "code"),
    [
        ([], "/properties", "not_an_object"),
        ("x", "/properties", "not_an_object"),
        ({str(n): "x" for n in range(65)}, "/properties", "too_many"),
        ({str(n): n for n in range(65)}, "/properties", "too_many"),
        ({"a": "x" * 16_385}, "/properties", "too_large"),
        ({"x" * 256: "a"}, "/properties", "bad_name"),
        ({"": "a"}, "/properties", "bad_name"),
        ({"a": "\x00"}, "/properties/a", "control_character"),
        ({"a": ["\ud800"]}, "/properties/a/0", "control_character"),
        ({"a\x00": "x"}, "/properties", "control_character"),
        ({"a": float("nan")}, "/properties/a", "not_a_number"),
        ({"a": float("inf")}, "/properties/a", "not_a_number"),
        ({"a": Decimal("1e999999")}, "/properties/a", "not_a_number"),
        ({"a": Decimal("1e-999999")}, "/properties/a", "not_a_number"),
        ({"a": 10**41}, "/properties/a", "not_a_number"),
        ({"a": {"b": {"c": {}}}}, "/properties/a/b/c", "too_deep"),
        ({"a": {"b": [[]]}}, "/properties/a/b/0", "too_deep"),
        ({"a": b"x"}, "/properties/a", "bad_value"),
    ],
)
def test_properties_over_a_bound_are_refused_where_they_break_it(
    properties: Any, pointer: str, code: str
) -> None:
    with pytest.raises(RuleBroken) as refused:
        properties_text(properties)
    assert (refused.value.pointer, refused.value.code) == (pointer, code)


texts = st.text(st.characters(exclude_characters="\x00", exclude_categories=("Cs",)), max_size=20)
leaves = st.none() | st.booleans() | st.integers(-(10**30), 10**30) | texts
properties = st.dictionaries(texts.filter(bool), leaves | st.lists(leaves, max_size=3), max_size=6)


@given(properties)
def test_the_text_says_what_was_sent_whatever_the_order_of_keys(sent: dict[str, Any]) -> None:
    text = properties_text(sent)
    assert json.loads(text) == sent
    assert text == properties_text(dict(reversed(sent.items())))
    assert text == json.dumps(sent, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
