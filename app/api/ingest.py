"""Usage events: the door for senders (docs/api/README.md)."""

from typing import Annotated, Any, Literal

from flask import Blueprint, Response

from app.api import cloudevents
from app.api.body import Body, Instant, Meta, NonNegative, parse, read_raw
from app.api.endpoint import endpoint
from app.api.envelope import answer, refusal, success
from app.api.guards import current_actor, guard
from app.errors import FieldError, Invalid
from app.services import events
from app.services.events import Result, Status

blueprint = Blueprint("events", __name__)

MOST_EVENTS = 1_000


class Event(Body):
    """One usage event."""

    event_id: Annotated[
        str, Meta(min_length=1, max_length=255, description="Yours; counts once per account, for ever.")
    ]
    account_id: Annotated[str, Meta(max_length=255, description="The account's id or external id.")]
    metric: Annotated[str, Meta(description="The code of a metric.")]
    timestamp: Annotated[Instant | None, Meta(description="Default: now.")] = None
    quantity: Annotated[NonNegative | None, Meta(description="Default: 1.")] = None
    properties: dict[str, Any] = {}


class Batch(Body):
    """Up to 1,000 events."""

    events: Annotated[list[Event], Meta(min_length=1, max_length=MOST_EVENTS)]


class SendQuery(Body):
    """How to answer."""

    results: Annotated[Literal["all", "errors"], Meta(description="`errors` leaves accepted events out.")] = (
        "all"
    )


@blueprint.post("/events")
@guard("events", "write")
@endpoint(
    "Send usage events",
    query=SendQuery,
    documented_bodies=(Event, list[Event], Batch),
    other_media={
        cloudevents.STRUCTURED: cloudevents.CloudEvent,
        cloudevents.BATCH: list[cloudevents.CloudEvent],
    },
    answers="event_batch",
    status=202,
    also=(204, 207),
)
def send_events(query: SendQuery) -> Response:
    """One event, an array, or `{"events": […]}` with 1 to 1,000; or CloudEvents 1.0, single, batched or in
    binary mode. The answer comes after COMMIT, one result per event.

    202: all accepted or duplicates (204 for CloudEvents). 207: some rejected. 400: all rejected, or the body
    is unusable. 503: unknown, send the same again. The same `event_id` of an account counts once for ever;
    `conflict` tells of other content under a known id.
    """
    if cloudevents.are_sent():
        results = cloudevents.take(most=MOST_EVENTS)
        if all(result.status != Status.rejected for result in results):
            return _nothing_to_say()
        return _answer(results, errors_only=query.results == "errors")
    results = events.ingest(
        _batch(parse(read_raw())), source="api", actor=current_actor(), max_age=events.oldest_allowed()
    )
    return _answer(results, errors_only=query.results == "errors")


def _batch(body: Any) -> list[Any]:
    if isinstance(body, dict) and "events" in body:
        unknown = sorted(body.keys() - {"events"})
        if unknown:
            raise Invalid.at(f"/{unknown[0]}", "Beside `events` there is nothing else.", code="unknown_field")
        body = body["events"]
        if not isinstance(body, list):
            raise Invalid.at("/events", "`events` is an array.", code="wrong_type")
    batch = body if isinstance(body, list) else [body]
    if not 1 <= len(batch) <= MOST_EVENTS:
        raise Invalid.at("", f"Send 1 to {MOST_EVENTS} events at once, not {len(batch)}.", code="batch_size")
    return batch


def _answer(results: list[Result], *, errors_only: bool) -> Response:
    others = [result for result in results if result.status is not Status.accepted]
    rejected = sum(result.status is Status.rejected for result in others)
    attributes = {
        "accepted": len(results) - len(others),
        "duplicates": len(others) - rejected,
        "rejected": rejected,
        "results": [_shown(result) for result in (others if errors_only else results)],
    }
    data = {"type": "event_batch", "attributes": attributes}
    if rejected < len(results):
        return success(data, 207 if rejected else 202)
    fields = [FieldError(result.pointer or "", result.code or "", result.message or "") for result in results]
    message = fields[0].message if len(fields) == 1 else "Every event was refused; none is stored."
    return answer({**refusal("rejected", message, fields), "data": data}, 400)


def _nothing_to_say() -> Response:
    response = Response(status=204)
    del response.headers["Content-Type"]
    return response


def _shown(result: Result) -> dict[str, Any]:
    shown: dict[str, Any] = {"index": result.position, "event_id": result.event_id, "status": result.status}
    if result.status == Status.duplicate:
        shown["conflict"] = result.conflict
    elif result.status == Status.rejected:
        shown.update(code=result.code, pointer=result.pointer, message=result.message)
    return shown
