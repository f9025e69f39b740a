"""One usage event as it arrives: checked completely, in microseconds, before it is stored.

The content hash answers "same id, same event?". It covers what the event means, whichever door it came
through: metric, instant, quantity and properties by value. Key order, `1` or `"1.0"`, and the offset a time
is written in make no difference. The account is no part of it: its id is in the event's key, and an account
has several names. A time left out stays out, so that a sender who relies on the default may send again.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from typing import Any, NamedTuple

from app.domain.errors import RuleBroken
from app.domain.money import parse_decimal, plain
from app.domain.properties import properties_text

LONGEST_NAME = 255
WHOLE_DIGITS = 15
LARGEST_QUANTITY = Decimal(10) ** WHOLE_DIGITS

_FIELDS = frozenset({"event_id", "account_id", "metric", "timestamp", "quantity", "properties"})
_INSTANT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?"
    r"(?:[Zz]|[+-][0-9]{2}:[0-9]{2})",
    re.ASCII,
)
_UNIX = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,9})?", re.ASCII)
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ONE = Decimal(1)


class ParsedEvent(NamedTuple):
    """An event that can be stored, if its account and metric exist. A tuple: thousands a second are made.

    `position` is its place in the batch, from 0; `timestamp` is in UTC. `properties_json` is the canonical
    text of `properties`, ready for a jsonb column.
    """

    position: int
    event_id: str
    account_id: str
    metric: str
    timestamp: datetime
    quantity: Decimal
    properties: Mapping[str, Any]
    properties_json: str
    body_sha256: bytes


class Rejection(NamedTuple):
    """Why an event is not stored: `pointer` such as `/3/metric` names the field within the batch."""

    position: int
    event_id: str | None
    code: str
    pointer: str
    message: str


def parse_event(
    raw: Any, *, index: int, now: datetime, max_age: timedelta | None, max_ahead: timedelta
) -> ParsedEvent | Rejection:
    """Return the event that `raw`, a decoded JSON value, stands for, or why it is refused.

    `now` is the default instant; older than `max_age` (None: no limit, for backfills) or further ahead than
    `max_ahead` is refused. Numbers in JSON must be decoded to int or Decimal: a float is refused where a
    number counts.
    """
    try:
        return _parse(raw, index, now, max_age, max_ahead)
    except RuleBroken as broken:
        event_id = raw.get("event_id") if isinstance(raw, Mapping) else None
        known = event_id if isinstance(event_id, str) and len(event_id) <= LONGEST_NAME else None
        return Rejection(index, known, broken.code, f"/{index}{broken.pointer}", broken.message)


def _parse(
    raw: Any, index: int, now: datetime, max_age: timedelta | None, max_ahead: timedelta
) -> ParsedEvent:
    if not isinstance(raw, dict):
        raise RuleBroken("", "not_an_object", "An event is an object.")
    if not _FIELDS.issuperset(raw):
        name = min(raw.keys() - _FIELDS)
        raise RuleBroken(
            f"/{name}", "unknown_field", f"There is no such field. Known: {', '.join(sorted(_FIELDS))}."
        )
    event_id = _name(raw, "event_id")
    account_id = _name(raw, "account_id")
    metric = _name(raw, "metric")
    written = raw.get("timestamp")
    if written is None:
        at, sent = now, ""
    else:
        at = read_instant(written, pointer="/timestamp")
        _check_age(at, now, max_age, max_ahead)
        since = at - _EPOCH
        sent = f"{since.days}.{since.seconds}.{since.microseconds}"
    quantity = raw.get("quantity")
    quantity = _ONE if quantity is None else read_quantity(quantity, pointer="/quantity")
    properties = raw.get("properties")
    if properties is None:
        properties = {}
    text = properties_text(properties)
    meant = _without_repeated_quantity(properties, text, quantity) if "quantity" in properties else text
    # The length in front keeps the parts apart, so that no two contents share an encoding.
    digest = sha256(f"{len(metric)},{metric}{sent},{plain(quantity)},{meant}".encode()).digest()
    return ParsedEvent(index, event_id, account_id, metric, at, quantity, properties, text, digest)


def _without_repeated_quantity(properties: Mapping[str, Any], text: str, quantity: Decimal) -> str:
    """Return the text of properties without a `quantity` that only repeats the event's own, as a CloudEvent
    has it among its data.
    """
    try:
        repeated = read_quantity(properties["quantity"], pointer="") == quantity
    except RuleBroken:
        return text
    if not repeated:
        return text
    return properties_text({name: value for name, value in properties.items() if name != "quantity"})


def _name(raw: Mapping[str, Any], field: str) -> str:
    value = raw.get(field)
    if type(value) is str and 0 < len(value) <= LONGEST_NAME and value.isprintable() and not value.isspace():
        return value
    return _explain_name(value, field)


def _explain_name(value: Any, field: str) -> str:
    pointer = f"/{field}"
    if value is None:
        raise RuleBroken(pointer, "required", f"{field} is needed.")
    if not isinstance(value, str):
        raise RuleBroken(pointer, "not_a_string", f"{field} must be a string.")
    if not value.strip():
        raise RuleBroken(pointer, "empty", f"{field} may not be empty.")
    if len(value) > LONGEST_NAME:
        raise RuleBroken(pointer, "too_long", f"{field} may have at most {LONGEST_NAME} characters.")
    if _CONTROL.search(value):
        raise RuleBroken(pointer, "control_character", f"{field} may not contain control characters.")
    return value


def read_quantity(value: Any, *, pointer: str) -> Decimal:
    """Return a quantity: a string, int or Decimal from 0 to 10^15 with at most 12 decimals.

    Usage is taken back by cancelling its event, never by a negative quantity.

    Raises:
        RuleBroken: `not_a_number`, `too_many_decimals`, `too_large` or `negative`.
    """
    if type(value) is str and len(value) <= WHOLE_DIGITS and value.isdigit() and value.isascii():
        return Decimal(value)
    number = parse_decimal(value, pointer=pointer, largest=LARGEST_QUANTITY)
    if number < 0:
        raise RuleBroken(pointer, "negative", "A quantity may not be negative; cancel the event instead.")
    return number


def read_instant(value: Any, *, pointer: str) -> datetime:
    """Return the UTC instant that an RFC 3339 string of any offset, or unix seconds, stands for.

    Digits beyond the microsecond are cut off, so that no event moves into a later period. A leap second is
    the second after it.

    Raises:
        RuleBroken: `bad_timestamp`.
    """
    try:
        if type(value) is str:
            if _INSTANT.fullmatch(value):
                at = _from_rfc3339(value)
                return at if at.tzinfo is UTC else at.astimezone(UTC)
            if _UNIX.fullmatch(value):
                return _from_unix(Decimal(value))
        elif type(value) is int or (isinstance(value, Decimal) and value.is_finite()):
            return _from_unix(Decimal(value))
    except (ValueError, OverflowError):
        pass
    raise RuleBroken(
        pointer, "bad_timestamp", "Write RFC 3339 such as 2026-10-31T18:29:59Z, or unix seconds."
    )


def _from_rfc3339(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        upper = text.upper()
        if upper[17:19] != "60":
            return datetime.fromisoformat(upper)
        return datetime.fromisoformat(f"{upper[:17]}59{upper[19:]}").replace(microsecond=0) + timedelta(
            seconds=1
        )


def _from_unix(seconds: Decimal) -> datetime:
    if not 0 <= seconds < Decimal(10) ** 12:
        raise ValueError("Out of the range of unix seconds.")
    return _EPOCH + timedelta(microseconds=int(seconds.scaleb(6)))


def _check_age(at: datetime, now: datetime, max_age: timedelta | None, max_ahead: timedelta) -> None:
    if at - now > max_ahead:
        raise RuleBroken(
            "/timestamp", "too_far_ahead", f"The event is more than {max_ahead} ahead of the clock here."
        )
    if max_age is not None and now - at > max_age:
        raise RuleBroken("/timestamp", "too_old", f"The event is more than {max_age.days} days old.")
