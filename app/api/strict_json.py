"""JSON as this system takes it: UTF-8, exact decimals, no NaN, no key twice, no deep nesting."""

import codecs
import json
import re
from decimal import Decimal, InvalidOperation
from typing import Any

from app.errors import Invalid

DEEPEST = 5

# What PostgreSQL's text cannot hold: NUL, and half of a surrogate pair.
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def decode(raw: bytes) -> Any:
    """Return the strictly decoded JSON value of `raw`.

    Raises:
        Invalid: as `read_json` tells.
    """
    value = parse(raw)
    _check(value, "", 1)
    return value


def parse(raw: bytes) -> Any:
    """Return the JSON value of `raw`, depth and texts not yet checked: for readers that do so themselves.

    Raises:
        Invalid: malformed JSON, NaN, duplicate keys.
    """
    try:
        return _decoder.decode(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise Invalid.at("", f"The body is not UTF-8 (byte {error.start}).", code="bad_encoding") from None
    except json.JSONDecodeError as error:
        message = f"The body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}."
        if raw.startswith(codecs.BOM_UTF8):
            message = "The body begins with a byte order mark (EF BB BF): leave it out."
        raise Invalid.at("", message, code="bad_json") from None
    except RecursionError:
        raise Invalid.at("", f"Values are nested deeper than {DEEPEST} levels.", code="too_deep") from None
    except (ValueError, InvalidOperation) as error:
        raise Invalid.at("", "The body has a number that is too long.", code="bad_json") from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise Invalid.at(f"/{twice}", f"The key {twice!r} stands twice in one object.", code="duplicate_key")
    return found


def _refuse_constant(name: str) -> Any:
    raise Invalid.at("", f"{name} is not a number in JSON.", code="bad_json")


_decoder = json.JSONDecoder(parse_float=Decimal, parse_constant=_refuse_constant, object_pairs_hook=_object)


def _check(value: Any, pointer: str, depth: int) -> None:
    if isinstance(value, str):
        if UNSTORABLE.search(value):
            raise Invalid.at(
                pointer, "The text contains a character that cannot be stored.", code="bad_character"
            )
    elif isinstance(value, (dict, list)):
        if depth > DEEPEST:
            raise Invalid.at(pointer, f"Values are nested deeper than {DEEPEST} levels.", code="too_deep")
        for name, item in value.items() if isinstance(value, dict) else enumerate(value):
            if isinstance(name, str):
                _check(name, pointer, depth)
            _check(item, f"{pointer}/{name}", depth + 1)
