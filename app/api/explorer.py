"""The list of accepted events (docs/api/README.md)."""

from typing import Annotated, Any
from uuid import UUID

from flask import Blueprint, Response

from app.api.body import Instant, Meta, Page, Text, field
from app.api.endpoint import endpoint
from app.api.envelope import decimal_text, paginate, resource, success
from app.api.guards import current_actor, get_account, guard, limit_to_caller
from app.errors import Invalid
from app.models import UsageEvent
from app.models.usage import EventStatus
from app.services import archives, explorer, metrics
from app.services.explorer import Search

blueprint = Blueprint("explorer", __name__)


class ListQuery(Page):
    """Which events."""

    account_id: Annotated[Text | None, Meta(description="The account's id or external id.")] = None
    metric: Text | None = None
    since: Annotated[Instant | None, Meta(description="From this instant on.")] = field(
        default=None, name="from"
    )
    until: Annotated[Instant | None, Meta(description="Before this instant.")] = field(
        default=None, name="to"
    )
    event_id: Annotated[
        Text | None, Meta(description="A whole id, or the beginning of one followed by `*`.")
    ] = None
    having: Annotated[
        Text | None, Meta(description="A property and its value: `channel=sms`.", examples=["channel=sms"])
    ] = field(default=None, name="property")
    status: EventStatus | None = None


@blueprint.get("/events")
@guard("usage", "read")
@endpoint("List accepted events", query=ListQuery, answers="event", many=True)
def list_events(query: ListQuery) -> Response:
    """The newest first; by account, metric, time (`from` ≤ timestamp < `to`), id, property and status.

    Pages follow each other by `next_cursor`; a page in the depth costs what the first one does. Nothing is
    counted. `status` tells whether an event still counts, was cancelled or was amended. `archived_months` in
    `meta` are the months (UTC) of the time that was asked for whose events are in files: restore them to see
    them. A search that has to look through too many events is refused after two seconds (`too_broad`): narrow
    it by account or time.
    """
    account_id = _account_id(query)
    search = Search(
        account_id=account_id,
        metric_id=metrics.get(query.metric).id if query.metric else None,
        since=query.since,
        until=query.until,
        event_id=query.event_id,
        having=_property(query.having),
        status=query.status,
    )
    with explorer.bounded(search):
        chosen = limit_to_caller(explorer.list_query(search), UsageEvent.account_id)
        rows, cursor = paginate(chosen, query, explorer.order_of(account_id))
    archived = archives.months_between(query.since, query.until)
    return success([_event(row) for row in rows], next_cursor=cursor, archived_months=archived)


def _account_id(query: ListQuery) -> UUID | None:
    """Return the account that is asked for, or the only one that the caller's key knows."""
    if query.account_id:
        return get_account(query.account_id).id
    bound_to = current_actor().account_id
    return UUID(bound_to) if bound_to else None


def _property(text: str | None) -> tuple[str, str] | None:
    if text is None:
        return None
    having = explorer.read_property(text)
    if having is None:
        raise Invalid.at("/property", "Write a property and its value: channel=sms.", code="no_value")
    return having


def _event(event: UsageEvent) -> dict[str, Any]:
    attributes = {
        "event_id": event.event_id,
        "account_id": event.account_id,
        "metric": event.metric.code,
        "timestamp": event.occurred_at,
        "quantity": decimal_text(event.quantity),
        "properties": event.properties,
        "received_at": event.received_at,
        "status": event.status,
    }
    return resource("event", event.event_id, attributes)
