"""Reading the values that a person or a service gives for a record: one reader per kind, every problem told
at once.

A table of readers is the declaration of what may be set; a name that it lacks cannot be set through any edge.
Pointers are the names of the attributes (`/email`); an edge whose wire shape differs renames them.
"""

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from enum import StrEnum
from typing import Any, TypeVar
from uuid import UUID

import msgspec
import phonenumbers
from email_validator import EmailNotValidError, validate_email

from app.domain.countries import check_country
from app.domain.errors import IllegalMove, MixedCurrencies, RuleBroken
from app.domain.money import exponent
from app.domain.periods import zone
from app.errors import CurrencyMismatch, FieldError, IllegalTransition, Invalid

LONGEST_EMAIL = 254

_as_numbers = msgspec.json.Encoder(decimal_format="number").encode

# A reader gets the given value and its pointer; it returns what is stored or raises RuleBroken.
Reader = Callable[[Any, str], Any]
E = TypeVar("E", bound=StrEnum)


@contextmanager
def refusals(prefix: str = "") -> Iterator[None]:
    """Turn what the pure domain refuses into the errors that the edges know, the pointer under `prefix`.

    Raises:
        Invalid, CurrencyMismatch: for a broken rule.
        IllegalTransition: for a move that a state table does not list.
    """
    try:
        yield
    except RuleBroken as broken:
        if broken.others:
            raise_all(told(broken, prefix))
        refusal = CurrencyMismatch if isinstance(broken, MixedCurrencies) else Invalid
        raise refusal.at(f"{prefix}{broken.pointer}", broken.message, code=broken.code) from None
    except IllegalMove as move:
        raise IllegalTransition(str(move)) from None


def read(
    values: Mapping[str, Any], readers: Mapping[str, Reader], *, required: Collection[str] = ()
) -> dict[str, Any]:
    """Return the given values as they are stored.

    Raises:
        Invalid: with one entry per name that is unknown, missing or cannot be used.
    """
    problems = [
        FieldError(f"/{name}", "required", "A value is needed.")
        for name in required
        if not _stated(values, name)
    ]
    found = {}
    for name, value in values.items():
        pointer = f"/{name}"
        if name not in readers:
            problems.append(
                FieldError(pointer, "unknown_field", f"There is no field {name!r} to be set here.")
            )
            continue
        try:
            found[name] = readers[name](value, pointer)
        except RuleBroken as broken:
            if name not in required or _stated(values, name):
                problems += told(broken)
    raise_all(problems)
    return found


def told(broken: RuleBroken, prefix: str = "") -> list[FieldError]:
    """Return what a broken rule and the others found with it say, the pointers under `prefix`."""
    return [FieldError(f"{prefix}{one.pointer}", one.code, one.message) for one in broken.all]


def together(*readings: Callable[[], Any]) -> list[Any]:
    """Return what each reading returns.

    Raises:
        Invalid: with the fields that all of them refuse.
    """
    found: list[Any] = []
    problems: list[FieldError] = []
    for reading in readings:
        try:
            found.append(reading())
        except Invalid as refused:
            problems += refused.fields or (FieldError("", refused.code, refused.message),)
    raise_all(problems)
    return found


def raise_all(problems: Collection[FieldError]) -> None:
    """Return if there are no problems.

    Raises:
        Invalid: with all of them.
    """
    if problems:
        fields = tuple(problems)
        raise Invalid(fields[0].message if len(fields) == 1 else "Some fields cannot be used.", fields=fields)


def _stated(values: Mapping[str, Any], name: str) -> bool:
    return values.get(name) not in (None, "")


def optional(reader: Reader) -> Reader:
    """Return a reader that also takes nothing: None and blanks are stored as NULL."""

    def read_optional(value: Any, pointer: str) -> Any:
        if value is None or (isinstance(value, str) and not value.strip()):
            return None
        return reader(value, pointer)

    return read_optional


def text(longest: int = 300) -> Reader:
    """Return a reader of text of 1 to `longest` characters without surrounding blanks."""

    def read_text(value: Any, pointer: str) -> str:
        if not isinstance(value, str) or not value.strip():
            raise RuleBroken(pointer, "required", "A text is needed.")
        stripped = value.strip()
        if len(stripped) > longest:
            raise RuleBroken(pointer, "too_long", f"At most {longest} characters are possible.")
        if "\x00" in stripped:
            raise RuleBroken(pointer, "bad_character", "The text contains a character that cannot be stored.")
        return stripped

    return read_text


def choice(enum: type[E]) -> Reader:
    """Return a reader of one member of an enum."""

    def read_choice(value: Any, pointer: str) -> E:
        try:
            return enum(value)
        except ValueError:
            raise RuleBroken(pointer, "unknown_choice", f"Choose one of: {', '.join(enum)}.") from None

    return read_choice


def whole(least: int, most: int) -> Reader:
    """Return a reader of a whole number from `least` to `most`."""

    def read_whole(value: Any, pointer: str) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise RuleBroken(pointer, "out_of_range", f"A whole number from {least} to {most} is needed.")
        return value

    return read_whole


def yes_or_no(value: Any, pointer: str) -> bool:
    """Return a boolean."""
    if not isinstance(value, bool):
        raise RuleBroken(pointer, "not_a_boolean", "Say true or false.")
    return value


def an_object(value: Any, pointer: str) -> dict[str, Any]:
    """Return a free JSON object; a decimal in it is a JSON number as any other."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise RuleBroken(pointer, "not_an_object", "An object is needed here.")
    found: dict[str, Any] = json.loads(_as_numbers(dict(value)))
    return found


def email(value: Any, pointer: str) -> str:
    """Return an address of RFC 5322 as it is normally written; whether its host exists is not asked."""
    if not isinstance(value, str) or len(value.strip()) > LONGEST_EMAIL:
        raise RuleBroken(
            pointer, "bad_email", f"An e-mail address of at most {LONGEST_EMAIL} characters is needed."
        )
    try:
        return validate_email(value.strip(), check_deliverability=False).normalized
    except EmailNotValidError as problem:
        raise RuleBroken(pointer, "bad_email", f"This is not an e-mail address: {problem}") from None


def phone(value: Any, pointer: str) -> str:
    """Return a telephone number as E.164 writes it: `+919876543210`."""
    try:
        number = phonenumbers.parse(value if isinstance(value, str) else "", None)
    except phonenumbers.NumberParseException:
        number = None
    if number is None or not phonenumbers.is_possible_number(number):
        raise RuleBroken(pointer, "bad_phone", "Write the number with its country code: +919876543210.")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def a_day(value: Any, pointer: str) -> date:
    """Return a day, also from its ISO text."""
    try:
        return value if isinstance(value, date) else date.fromisoformat(value)
    except (TypeError, ValueError):
        raise RuleBroken(pointer, "not_a_date", "Write a day as 2026-10-31.") from None


def country(value: Any, pointer: str) -> str:
    """Return an ISO 3166 country code."""
    return check_country(value, pointer=pointer)


def currency(value: Any, pointer: str) -> str:
    """Return a currency code that this system knows the decimals of."""
    exponent(value, pointer=pointer)
    return str(value)


def timezone(value: Any, pointer: str) -> str:
    """Return the name of an IANA time zone."""
    return zone(value if isinstance(value, str) else "", pointer=pointer).key


def identifier(value: Any, pointer: str) -> UUID:
    """Return an id."""
    if isinstance(value, UUID):
        return value
    try:
        return UUID(value)
    except (TypeError, ValueError, AttributeError):
        raise RuleBroken(pointer, "not_an_id", "This is not an id.") from None
