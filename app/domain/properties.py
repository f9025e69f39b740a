"""The free properties of an event as canonical JSON text: the same content is the same text."""

from collections.abc import Mapping
from decimal import Decimal
from json.encoder import encode_basestring as quoted
from re import compile as pattern
from typing import Any

from app.domain.errors import RuleBroken
from app.domain.money import plain

MOST_PROPERTIES = 64
LONGEST_NAME = 255
DEEPEST = 3
LARGEST_TEXT = 16 * 1024
LARGEST_EXPONENT = 40

# PostgreSQL's jsonb holds neither NUL nor half of a surrogate pair.
_UNSTORABLE = pattern("[\x00\ud800-\udfff]")


def properties_text(properties: Any, *, pointer: str = "/properties") -> str:
    """Return properties as canonical JSON text, ready for a jsonb column.

    Keys are sorted and numbers have no trailing zeros. There may be 64 entries an object, 3 levels and
    16,384 characters.

    Raises:
        RuleBroken: not an object, over a limit, or a value that JSON or PostgreSQL cannot hold (NUL, lone
        surrogate, NaN).
    """
    if not isinstance(properties, dict):
        raise RuleBroken(pointer, "not_an_object", "Properties are an object.")
    text = _strings_only(properties) or _object(properties, pointer, 1)
    if len(text) > LARGEST_TEXT:
        raise RuleBroken(
            pointer, "too_large", f"Properties may have at most {LARGEST_TEXT} characters as JSON."
        )
    return text


def _strings_only(properties: Mapping[str, Any]) -> str:
    """Return the text of a small flat object of printable strings, the usual case, or "" for any other."""
    try:
        whole = "".join([*properties, *properties.values()])
    except TypeError:
        return ""
    small = len(whole) <= LONGEST_NAME and len(properties) <= MOST_PROPERTIES
    if not small or not whole.isprintable() or "" in properties:
        return ""
    parts = [f"{quoted(name)}:{quoted(properties[name])}" for name in sorted(properties)]
    return f"{{{','.join(parts)}}}"


def _object(value: Mapping[Any, Any], pointer: str, depth: int) -> str:
    if len(value) > MOST_PROPERTIES:
        raise RuleBroken(pointer, "too_many", f"At most {MOST_PROPERTIES} entries are possible.")
    _check_depth(pointer, depth)
    parts = []
    for name in sorted(value):
        if not 0 < len(name) <= LONGEST_NAME:
            raise RuleBroken(
                pointer, "bad_name", f"The name of a property has 1 to {LONGEST_NAME} characters."
            )
        parts.append(f"{_string(name, pointer)}:{_any(value[name], f'{pointer}/{name}', depth)}")
    return f"{{{','.join(parts)}}}"


def _list(value: list[Any], pointer: str, depth: int) -> str:
    _check_depth(pointer, depth)
    return f"[{','.join([_any(one, f'{pointer}/{n}', depth) for n, one in enumerate(value)])}]"


def _check_depth(pointer: str, depth: int) -> None:
    if depth > DEEPEST:
        raise RuleBroken(pointer, "too_deep", f"Properties may be nested {DEEPEST} deep.")


def _any(value: Any, pointer: str, depth: int) -> str:
    if isinstance(value, str):
        return _string(value, pointer)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float | Decimal):
        return _number(value, pointer)
    if isinstance(value, dict):
        return _object(value, pointer, depth + 1)
    if isinstance(value, list):
        return _list(value, pointer, depth + 1)
    raise RuleBroken(pointer, "bad_value", "This is no JSON value.")


def _string(value: str, pointer: str) -> str:
    if _UNSTORABLE.search(value):
        raise RuleBroken(
            pointer, "control_character", "Text may contain neither NUL nor half a surrogate pair."
        )
    return quoted(value)


def _number(value: int | float | Decimal, pointer: str) -> str:
    # The shortest text of a binary fraction is what its sender wrote: good enough to keep, not to add up.
    number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    if not number.is_finite() or (number and abs(number.adjusted()) > LARGEST_EXPONENT):
        raise RuleBroken(pointer, "not_a_number", "The number is not finite, or far too large or small.")
    return plain(number)
