"""Lago's events read as usage events, and our refusals told in Lago's words (docs/integration/lago.md).

`transaction_id`, `external_subscription_id`, `code`, `timestamp` and `properties` become event id, account,
metric, timestamp and properties. As in Lago, other fields are not read; a null is the same as nothing.
"""

from typing import Any

from app.domain.events import LONGEST_NAME, Rejection

# Our field → Lago's.
PLACES = {
    "event_id": "transaction_id",
    "account_id": "external_subscription_id",
    "metric": "code",
    "timestamp": "timestamp",
    "properties": "properties",
}
# Our code → Lago's; another code stays ours.
CODES = {
    "required": "value_is_mandatory",
    "empty": "value_is_mandatory",
    "unknown_account": "subscription_not_found",
    "unknown_metric": "billable_metric_not_found",
}
ALREADY_THERE = "value_already_exist"
EXACT_AMOUNT = "precise_total_amount_cents"


def as_event(lago: Any) -> Any:
    """Return the usage event that one of Lago's tells of, for `parse_event` to judge: what it does not have
    stays out, and what is no object stays what it is.
    """
    if not isinstance(lago, dict):
        return lago
    return {ours: lago[theirs] for ours, theirs in PLACES.items() if theirs in lago}


def refuse(lago: Any, position: int) -> Rejection | None:
    """Return why an event cannot be taken at all, None where nothing is against it: one that brings its own
    price along would be billed by another.
    """
    if not isinstance(lago, dict) or lago.get(EXACT_AMOUNT) is None:
        return None
    event_id = lago.get("transaction_id")
    known = event_id if isinstance(event_id, str) and len(event_id) <= LONGEST_NAME else None
    message = "Events do not bring their price along here: price the metric in a plan."
    return Rejection(position, known, "unsupported", f"/{position}/{EXACT_AMOUNT}", message)


def told_by_lago(pointer: str, code: str) -> dict[str, list[str]]:
    """Return a refusal of `parse_event` as Lago's `error_details` have it.

    >>> told_by_lago("/metric", "unknown_metric")
    {'code': ['billable_metric_not_found']}
    >>> told_by_lago("/properties/size", "missing_value")
    {'properties.size': ['missing_value']}
    """
    field, slash, rest = pointer.removeprefix("/").partition("/")
    place = PLACES.get(field, field) or "event"
    return {f"{place}{'.' if slash else ''}{rest.replace('/', '.')}": [CODES.get(code, code)]}
