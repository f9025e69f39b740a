"""Reading a request: strict JSON, and declared shapes that validate, refuse what they do not know, and
describe themselves.

A shape is a `Body` (a msgspec Struct); the OpenAPI document is generated from the same classes, so the two
cannot differ:

    class Credit(Body):
        amount: Positive
        reason: Annotated[str, Meta(max_length=300)] | None = None
        expires_at: Instant | None = None

A field without a default is required. In a PATCH give every field `X | UnsetType = UNSET` and read what was
sent with `given`.
"""

import re
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, TypeVar

import msgspec
from flask import request
from msgspec import UNSET, Meta, UnsetType, field
from werkzeug.exceptions import RequestEntityTooLarge

from app.api.strict_json import decode, parse
from app.domain.errors import RuleBroken
from app.domain.events import read_instant
from app.domain.money import parse_decimal
from app.errors import FieldError, Invalid, TooLarge, UnsupportedMediaType

LARGEST_BODY = 1024 * 1024
FIRST_YEAR, LAST_YEAR = 1970, 9000

Text = Annotated[str, Meta(min_length=1, max_length=300)]
Code = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
CurrencyCode = Annotated[str, Meta(pattern=r"^[A-Z]{3}$", description="ISO 4217")]
CountryCode = Annotated[str, Meta(pattern=r"^[A-Z]{2}$", description="ISO 3166-1 alpha-2")]

_WORDS = {
    r"^[A-Z]{3}$": "A currency is three capital letters (ISO 4217), such as INR",
    r"^[A-Z]{2}$": "A country is two capital letters (ISO 3166-1), such as IN",
    r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$": "A code is 1 to 100 letters, digits, dots, dashes and underscores, "
    "the first a letter or digit",
}
_PATTERN = re.compile(r"Expected `str` matching regex '(.*)'")
_PATH = re.compile(r" - at `(key in )?\$(.*)`$")


class Body(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The declared shape of a request body; unknown fields are refused."""


class Page(Body, kw_only=True):
    """The query of a list: subclass it to add filters."""

    cursor: Annotated[str, Meta(max_length=500, description="`next_cursor` of the page before")] | None = None
    limit: Annotated[int, Meta(ge=1, le=200)] = 50


class Number(Decimal):
    """An exact decimal, sent as a string or a JSON number: at most 12 decimals, up to 10^15."""

    least: Decimal | None = None
    strictly = False


class NonNegative(Number):
    """A number from 0 on."""

    least = Decimal(0)


class Positive(Number):
    """A number above 0."""

    least = Decimal(0)
    strictly = True


class Instant(datetime):
    """An instant: RFC 3339 with any offset, or unix seconds. Arrives in UTC."""


class Money(Body):
    """A sum of money."""

    amount: Number
    currency: CurrencyCode


B = TypeVar("B", bound=Body)


def read_raw(*media_types: str) -> bytes:
    """Return the bytes of the body, whose content type must be JSON or one of `media_types`.

    Raises:
        UnsupportedMediaType, TooLarge: before anything else is looked at.
    """
    if request.mimetype not in ("application/json", *media_types):
        raise UnsupportedMediaType("Send JSON with Content-Type: application/json.")
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise UnsupportedMediaType("Send the body as it is, without Content-Encoding.")
    return read_bytes()


def read_bytes(most: int = LARGEST_BODY) -> bytes:
    """Return the bytes of the body, whatever they are, also where no Content-Length announces them.

    Raises:
        TooLarge: there are more than `most`.
    """
    # A stream that has given all it may simply ends: one byte more tells a whole body from one cut short.
    request.max_content_length = most + 1
    try:
        raw = request.get_data(cache=True)
    except RequestEntityTooLarge:
        raw = None
    if raw is None or len(raw) > most:
        size = f"{most // 1024} KiB" if most < LARGEST_BODY else "1 MiB"
        raise TooLarge(f"A body may have at most {size}.")
    return raw


def read_json() -> Any:
    """Return the decoded body: numbers with a point as Decimal, exactly as written.

    Raises:
        UnsupportedMediaType, TooLarge: wrong content type; over 1 MiB. Invalid: malformed JSON, NaN,
            duplicate keys, nesting over 5, text that cannot be stored; with a pointer where there is one.
    """
    return decode(read_raw())


def read(shape: type[B]) -> B:
    """Return the body as `shape`.

    Raises:
        Invalid: with one entry per field that cannot be used. And as `read_json`.
    """
    return shaped(read_json(), shape)


def read_query(shape: type[B]) -> B:
    """Return the query string as `shape`; numbers and instants are read from their text.

    Raises:
        Invalid: with one entry per parameter that cannot be used; a parameter may stand once.
    """
    if not request.query_string:
        return shaped({}, shape)
    arguments = request.args.to_dict(flat=False)
    repeated = [
        FieldError(f"/{name}", "repeated", "Give it once.")
        for name, values in arguments.items()
        if len(values) > 1
    ]
    if repeated:
        raise Invalid("A parameter stands twice in the query.", fields=repeated)
    return shaped({name: values[0] for name, values in arguments.items()}, shape, strict=False)


def shaped(value: Any, shape: type[B], *, strict: bool = True) -> B:
    """Return `value` as `shape`.

    Raises:
        Invalid: with one entry per field that cannot be used.
    """
    try:
        return msgspec.convert(value, shape, strict=strict, dec_hook=_read_own)
    except msgspec.ValidationError as error:
        fields = _every_problem(value, shape, strict) or [_field_error(str(error), "")]
        raise Invalid(
            fields[0].message if len(fields) == 1 else "Some fields cannot be used.", fields=fields
        ) from None


def given(body: Body) -> dict[str, Any]:
    """Return the fields of a PATCH that were sent."""
    return {name: value for name in body.__struct_fields__ if (value := getattr(body, name)) is not UNSET}


def _every_problem(value: Any, shape: type[Body], strict: bool) -> list[FieldError]:
    if not isinstance(value, Mapping):
        return []
    known = {entry.encode_name: entry for entry in msgspec.structs.fields(shape)}
    problems = [
        FieldError(
            f"/{name}", "unknown_field", f"There is no field {name!r}. Known: {', '.join(sorted(known))}."
        )
        for name in value
        if name not in known
    ]
    for name, entry in known.items():
        if name not in value:
            if entry.required:
                problems.append(FieldError(f"/{name}", "required", f"{name} is needed."))
            continue
        try:
            msgspec.convert(value[name], entry.type, strict=strict, dec_hook=_read_own)
        except msgspec.ValidationError as error:
            problems.append(_field_error(str(error), f"/{name}"))
    return problems


def _field_error(text: str, prefix: str) -> FieldError:
    found = _PATH.search(text)
    path = found.group(2) if found else ""
    message = _PATTERN.sub(lambda match: _WORDS.get(match[1], match[0]), _PATH.sub("", text))
    pointer = prefix + re.sub(r"\.|\[", "/", path.replace("[...]", "/*")).replace("]", "")
    named = re.search(r"(?:missing required|contains unknown) field `(.+)`", message)
    if named:
        pointer += f"/{named.group(1)}"
        code = "required" if "missing" in message else "unknown_field"
    else:
        code = "wrong_type" if re.search(r"got `\w+`", message) else "invalid"
    return FieldError(pointer, code, message[:1].upper() + message[1:].rstrip(".") + ".")


def _read_own(kind: type, value: Any) -> Any:
    try:
        if issubclass(kind, Number):
            return _read_number(kind, value)
        if issubclass(kind, Instant):
            at = read_instant(value, pointer="")
            check_year(at.year, pointer="")
            return Instant.combine(at.date(), at.timetz())
    except RuleBroken as broken:
        raise ValueError(broken.message) from None
    raise TypeError(f"No reader for {kind!r}.")


def check_year(year: int, *, pointer: str) -> None:
    """Return if periods around this year can be computed, in every time zone.

    Raises:
        RuleBroken: it is before 1970 or after 9000.
    """
    if not FIRST_YEAR <= year <= LAST_YEAR:
        message = f"The year must be from {FIRST_YEAR} to {LAST_YEAR}."
        raise RuleBroken(pointer, "out_of_range", message)


def _read_number(kind: type[Number], value: Any) -> Number:
    number = kind(parse_decimal(value, pointer="", minimum=kind.least))
    if kind.strictly and number == kind.least:
        raise ValueError(f"The number must be more than {kind.least}")
    return number


__all__ = [
    "UNSET",
    "Body",
    "Code",
    "CountryCode",
    "CurrencyCode",
    "Instant",
    "Meta",
    "Money",
    "NonNegative",
    "Number",
    "Page",
    "Positive",
    "Text",
    "UnsetType",
    "check_year",
    "date",
    "decode",
    "field",
    "given",
    "parse",
    "read",
    "read_bytes",
    "read_json",
    "read_query",
    "read_raw",
    "shaped",
]
