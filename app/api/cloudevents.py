"""CloudEvents 1.0 at the door for events, told apart by their headers (CloudEvents HTTP binding v1.0.2 §3).

Structured and batched events are covered by the signature of a signed key, which is over the body. In binary
mode the event's attributes are headers, which it does not cover: such a request is taken from bearers only.
"""

from datetime import datetime
from typing import Annotated, Any

import msgspec
from flask import request

from app import clock
from app.api.body import Meta, parse, read_raw
from app.api.guards import current_actor
from app.api.signing import signed_actor
from app.domain.cloudevents import as_event, own_words, read_header, refuse
from app.errors import Invalid
from app.services import events
from app.services.events import Result, Status

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
PREFIX = "ce-"
# A sender who forgets one of the two is told so, not misread.
BINARY_MARKS = ("HTTP_CE_ID", "HTTP_CE_SPECVERSION")


class CloudEvent(msgspec.Struct, kw_only=True):
    """A CloudEvent 1.0 that tells of usage. Extension attributes may be there and are not read."""

    specversion: Annotated[str, Meta(pattern=r"^1\.0$")]
    id: Annotated[
        str, Meta(min_length=1, max_length=255, description="Yours; counts once per account, for ever.")
    ]
    source: Annotated[str, Meta(min_length=1, description="Needed, and no part of what makes an event one.")]
    type: Annotated[str, Meta(description="The code of a metric.")]
    subject: Annotated[str, Meta(max_length=255, description="The account's id or external id.")]
    time: Annotated[datetime | None, Meta(description="Default: now.")] = None
    data: Annotated[
        dict[str, Any] | None, Meta(description="The properties; `quantity` among them is the quantity.")
    ] = None


def are_sent() -> bool:
    """Tell whether the request carries CloudEvents."""
    return request.mimetype in (STRUCTURED, BATCH) or _is_binary()


def take(*, most: int) -> list[Result]:
    """Store the CloudEvents of the request, up to `most`, and return one answer for each in their own names.

    Raises:
        UnsupportedMediaType, TooLarge, Invalid: as `read_raw` and `parse` say; an empty or too large batch.
        Unavailable: the outcome is unknown.
    """
    batched = request.mimetype == BATCH
    clouds = _read_batch(most) if batched else [_read_one()]
    refused = {n: rejection for n, cloud in enumerate(clouds) if (rejection := refuse(cloud, n))}
    results = events.ingest(
        [as_event(cloud) for cloud in clouds],
        source="cloudevents",
        actor=current_actor(),
        max_age=events.oldest_allowed(),
        at=clock.now(),
        refused=refused,
    )
    return [_in_own_words(result, batched=batched) for result in results]


def _is_binary() -> bool:
    return request.mimetype != STRUCTURED and any(mark in request.environ for mark in BINARY_MARKS)


def _read_batch(most: int) -> list[Any]:
    batch = parse(read_raw(BATCH))
    if not isinstance(batch, list):
        raise Invalid.at("", "A batch of CloudEvents is an array.", code="wrong_type")
    if not 1 <= len(batch) <= most:
        raise Invalid.at("", f"Send 1 to {most} events at once, not {len(batch)}.", code="batch_size")
    return batch


def _read_one() -> Any:
    return parse(read_raw(STRUCTURED)) if request.mimetype == STRUCTURED else _read_binary()


def _read_binary() -> dict[str, Any]:
    if signed_actor() is not None:
        message = "A signature does not cover the ce- headers: send the event in structured mode."
        raise Invalid.at("", message, code="unsigned_headers")
    # Data without a content type is JSON, as the published clients send it.
    json_types = ("", request.mimetype) if request.mimetype.endswith("+json") else ("",)
    raw = read_raw(*json_types)
    cloud: dict[str, Any] = {}
    for header, value in request.headers.items():
        name = header.lower()
        if name.startswith(PREFIX):
            cloud[name.removeprefix(PREFIX)] = _decoded(name, value)
    cloud.pop("data_base64", None)
    cloud["data"] = parse(raw) if raw else None
    return cloud


def _decoded(name: str, value: str) -> str:
    try:
        return read_header(value)
    except UnicodeError:
        pointer = f"/{name.removeprefix(PREFIX)}"
        raise Invalid.at(pointer, f"The header {name} is not UTF-8.", code="bad_encoding") from None


def _in_own_words(result: Result, *, batched: bool) -> Result:
    if result.status != Status.rejected:
        return result
    place = f"/{result.position}"
    pointer, message = own_words((result.pointer or "").removeprefix(place), result.message or "")
    return result._replace(pointer=f"{place}{pointer}" if batched else pointer, message=message)
