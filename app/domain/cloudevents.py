"""CloudEvents 1.0 read as usage events (CloudEvents v1.0.2 §3, HTTP binding §3.1.3.2).

`id`, `type`, `subject`, `time` and `data` become event id, metric, account, timestamp and properties; a
`quantity` in `data` is the event's quantity as well. Extension attributes are not read. What is wrong is told
in the CloudEvent's own names.
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_to_bytes

from app.domain.errors import RuleBroken
from app.domain.events import LONGEST_NAME, Rejection

SPECIFICATION = "1.0"

# Our field → where a CloudEvent has it.
PLACES = {
    "event_id": "id",
    "account_id": "subject",
    "metric": "type",
    "timestamp": "time",
    "properties": "data",
    "quantity": "data/quantity",
}

_ESCAPED = re.compile(r"\\(.)")


def as_event(cloud: Any) -> Any:
    """Return the usage event that a decoded CloudEvent tells of, for `parse_event` to judge: what it does not
    have stays out, and what is no object stays what it is.
    """
    if not isinstance(cloud, dict):
        return cloud
    event = {ours: cloud[theirs] for ours, theirs in PLACES.items() if theirs in cloud}
    data = cloud.get("data")
    if isinstance(data, dict) and "quantity" in data:
        event["quantity"] = data["quantity"]
    # No field of ours, so that the dead letter of such an event cannot be replayed without its data.
    if cloud.get("data_base64") is not None:
        event["data_base64"] = cloud["data_base64"]
    return event


def refuse(cloud: Any, position: int) -> Rejection | None:
    """Return why a CloudEvent cannot be read at all, None where `as_event` tells what it means."""
    if not isinstance(cloud, dict):
        return None
    try:
        _check(cloud)
    except RuleBroken as broken:
        event_id = cloud.get("id")
        known = event_id if isinstance(event_id, str) and len(event_id) <= LONGEST_NAME else None
        return Rejection(position, known, broken.code, f"/{position}{broken.pointer}", broken.message)
    return None


def _check(cloud: Mapping[str, Any]) -> None:
    version = cloud.get("specversion")
    if version is None:
        raise RuleBroken("/specversion", "required", "specversion is needed.")
    if version != SPECIFICATION:
        raise RuleBroken("/specversion", "unsupported", f"Send CloudEvents of version {SPECIFICATION}.")
    source = cloud.get("source")
    if source is None:
        raise RuleBroken("/source", "required", "source is needed.")
    if not isinstance(source, str):
        raise RuleBroken("/source", "not_a_string", "source must be a string.")
    if not source.strip():
        raise RuleBroken("/source", "empty", "source may not be empty.")
    if cloud.get("data_base64") is not None:
        raise RuleBroken("/data_base64", "unsupported", "Binary data is not read: send JSON in data.")


def own_words(pointer: str, message: str) -> tuple[str, str]:
    """Return a refusal of `parse_event` in the names of a CloudEvent.

    >>> own_words("/account_id", "account_id is needed.")
    ('/subject', 'subject is needed.')
    >>> own_words("/properties/size", "A quantity may not be negative.")[0]
    '/data/size'
    """
    field, slash, rest = pointer.removeprefix("/").partition("/")
    place = PLACES.get(field)
    if place is None:
        return pointer, message
    said, space, more = message.partition(" ")
    return f"/{place}{slash}{rest}", f"{place}{space}{more}" if said == field else message


def read_header(value: str) -> str:
    """Return the attribute that an HTTP header carries: quotes and percent-encoding undone, as UTF-8.

    Raises:
        UnicodeError: it is not UTF-8.
    """
    if len(value) > 1 and value[0] == value[-1] == '"':
        value = _ESCAPED.sub(r"\1", value[1:-1])
    return unquote_to_bytes(value.encode("latin-1")).decode("utf-8")
