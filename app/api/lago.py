"""Lago's door: its published clients post their events here unchanged (docs/integration/lago.md).

`external_subscription_id` names an account, by its id or external id, or one of our subscriptions by its id.
Answers and refusals have Lago's shapes (docs.getlago.com/api-reference/events); a batch is stored whole or
not at all.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any
from uuid import uuid5

import msgspec
from flask import Blueprint, Response

from app import clock
from app.api import envelope
from app.api.body import Meta, parse, read_raw
from app.api.endpoint import endpoint
from app.api.envelope import instant_text
from app.api.guards import current_actor, guard
from app.api.strict_json import UNSTORABLE
from app.domain.events import Rejection, read_instant
from app.domain.lago import ALREADY_THERE, as_event, refuse, told_by_lago
from app.errors import Invalid
from app.services import events, lago
from app.services.events import Result, Status
from app.services.lago import Named

blueprint = Blueprint("lago", __name__, url_prefix="/compat/lago/api/v1")

MOST_EVENTS = 100
_encode = msgspec.json.Encoder(decimal_format="number").encode


class LagoEvent(msgspec.Struct, kw_only=True):
    """A usage event as Lago's clients write it; other fields are not read."""

    transaction_id: Annotated[str, Meta(min_length=1, max_length=255)]
    external_subscription_id: Annotated[
        str, Meta(max_length=255, description="An account's id or external id, or a subscription's id.")
    ]
    code: Annotated[str, Meta(description="The code of a metric.")]
    timestamp: Annotated[
        int | float | str | None, Meta(description="Unix seconds or RFC 3339. Default: now.")
    ] = None
    properties: dict[str, Any] | None = None
    precise_total_amount_cents: Annotated[None, Meta(description="Is refused: plans price here.")] = None


class LagoEventBody(msgspec.Struct):
    """One event."""

    event: LagoEvent


class LagoBatchBody(msgspec.Struct):
    """Up to 100 events, stored all or none."""

    events: Annotated[list[LagoEvent], Meta(min_length=1, max_length=MOST_EVENTS)]


class LagoStored(LagoEvent):
    """A stored event."""

    lago_id: str
    lago_customer_id: str | None
    lago_subscription_id: str | None
    created_at: datetime


class LagoEventAnswer(msgspec.Struct):
    """The stored event."""

    event: LagoStored


class LagoBatchAnswer(msgspec.Struct):
    """The stored events."""

    events: list[LagoStored]


class LagoError(msgspec.Struct):
    """A refusal; of a batch, `error_details` has the index of each event that is wrong."""

    status: int
    error: str
    code: str | None = None
    error_details: dict[str, Any] | None = None


@blueprint.errorhandler(Exception)
def failure(error: Exception) -> Response:
    """Return the answer that tells of `error` in Lago's shape, with the headers of our own."""
    response = envelope.failure(error)
    if response.status_code < HTTPStatus.BAD_REQUEST:
        return response
    told = response.get_json()["error"]
    body = _error(response.status_code, told["code"])
    if told["fields"]:
        body["error_details"] = {field["pointer"].lstrip("/"): [field["code"]] for field in told["fields"]}
    response.set_data(envelope.encode(body))
    return response


@blueprint.post("/events")
@guard("events", "write")
@endpoint(
    "Send an event as Lago takes it", documented_bodies=(LagoEventBody,), bare=(LagoEventAnswer, LagoError)
)
def send_event() -> Response:
    """One event, for Lago's clients. 422 `value_already_exist` tells that it is there already."""
    sent = [_read("event")]
    at = clock.now()
    batch, named, refused = _translate(sent)
    results = events.ingest(
        batch,
        source=lago.SOURCE,
        actor=current_actor(),
        max_age=events.oldest_allowed(),
        at=at,
        refused=refused,
    )
    if (details := _details(results[0])) is not None:
        return _refused(details)
    return _answer({"event": _stored(sent[0], named, at)}, 200)


@blueprint.post("/events/batch")
@guard("events", "write")
@endpoint(
    "Send events as Lago takes them", documented_bodies=(LagoBatchBody,), bare=(LagoBatchAnswer, LagoError)
)
def send_events() -> Response:
    """Up to 100 events, for Lago's clients: stored all, or none and 422 tells of each that is wrong or there
    already.
    """
    sent = _read("events")
    if not isinstance(sent, list):
        raise Invalid.at("/events", "`events` is an array.", code="wrong_type")
    if not 1 <= len(sent) <= MOST_EVENTS:
        return _refused({"events": ["too_many_events" if sent else "no_events"]})
    at = clock.now()
    batch, named, refused = _translate(sent)
    results = lago.ingest_whole(batch, named, refused=refused, actor=current_actor(), at=at)
    details = {str(one.position): found for one in results if (found := _details(one)) is not None}
    if details:
        return _refused(details)
    return _answer({"events": [_stored(one, named, at) for one in sent]}, 200)


def _read(part: str) -> Any:
    body = parse(read_raw())
    if not isinstance(body, dict) or part not in body:
        raise Invalid.at(f"/{part}", f"The body is an object with `{part}`.", code="value_is_mandatory")
    return body[part]


def _translate(sent: Sequence[Any]) -> tuple[list[Any], dict[str, Named], dict[int, Rejection]]:
    """Return the events as ours, what their references name, and those that cannot be taken at all."""
    batch = [as_event(one) for one in sent]
    named = lago.find_named(filter(None, map(_reference, batch)))
    for event in batch:
        found = named.get(_reference(event))
        if found is not None and found.subscription_id is not None:
            event["account_id"] = str(found.account_id)
    return batch, named, {n: one for n, raw in enumerate(sent) if (one := refuse(raw, n))}


def _reference(event: Any) -> str:
    reference = event.get("account_id") if isinstance(event, dict) else None
    return reference if isinstance(reference, str) and not UNSTORABLE.search(reference) else ""


def _details(result: Result) -> dict[str, list[str]] | None:
    """Return what is wrong with one event, None where nothing is."""
    if result.status == Status.rejected:
        pointer = (result.pointer or "").removeprefix(f"/{result.position}")
        return told_by_lago(pointer, result.code or "")
    return {"transaction_id": [ALREADY_THERE]} if result.status == Status.duplicate else None


def _stored(sent: Mapping[str, Any], named: Mapping[str, Named], at: datetime) -> dict[str, Any]:
    reference = sent["external_subscription_id"]
    # An account that was made between the two looks is found by now.
    account_id, subscription_id = named.get(reference) or lago.find_named([reference])[reference]
    written = sent.get("timestamp")
    return {
        "lago_id": str(uuid5(account_id, sent["transaction_id"])),
        "transaction_id": sent["transaction_id"],
        "lago_customer_id": None,
        "lago_subscription_id": str(subscription_id) if subscription_id else None,
        "external_subscription_id": reference,
        "code": sent["code"],
        "timestamp": instant_text(at if written is None else read_instant(written, pointer="/timestamp")),
        "precise_total_amount_cents": None,
        "properties": sent.get("properties") or {},
        "created_at": instant_text(at),
    }


def _refused(details: Mapping[str, Any]) -> Response:
    return _answer({**_error(422, "validation_errors"), "error_details": details}, 422)


def _error(status: int, code: str) -> dict[str, Any]:
    body: dict[str, Any] = {"status": status, "error": HTTPStatus(status).phrase}
    return body if status == HTTPStatus.UNAUTHORIZED else {**body, "code": code}


def _answer(body: Mapping[str, Any], status: int) -> Response:
    response = Response(_encode(body), status, mimetype="application/json")
    response.headers["Cache-Control"] = "no-store"
    return response
