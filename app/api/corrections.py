"""Taking usage back: an event is cancelled, or amended by another one (docs/api/corrections.md)."""

from typing import Annotated, Any

from flask import Blueprint, Response
from flask.blueprints import BlueprintSetupState
from werkzeug.routing import BaseConverter

from app import clock
from app.api.body import UNSET, Body, Instant, Meta, NonNegative, Text, UnsetType, given, read_json
from app.api.endpoint import endpoint
from app.api.envelope import decimal_text, instant_text, related, resource, success
from app.api.guards import current_actor, get_account, guard
from app.api.idempotency import idempotent
from app.db import db
from app.models import Account, EventCorrection, Metric
from app.services import corrections
from app.services.corrections import AMENDABLE

blueprint = Blueprint("corrections", __name__)


class AnyText(BaseConverter):
    """A part of a path that may hold any character, slashes at its ends and doubled ones included."""

    regex = ".+?"
    part_isolating = False


def _add_converter(state: BlueprintSetupState) -> None:
    state.app.url_map.converters["any_text"] = AnyText


blueprint.record(_add_converter)


class Cancellation(Body):
    """An event to be taken back."""

    account_id: Annotated[Text, Meta(description="The account's id or external id.")]
    reason: Annotated[Text, Meta(description="Why, in one line.")]


class Amendment(Body):
    """An event to be replaced: what is not given stays as it was."""

    account_id: Annotated[Text, Meta(description="The account's id or external id.")]
    reason: Annotated[Text, Meta(description="Why, in one line.")]
    quantity: NonNegative | UnsetType = UNSET
    properties: Annotated[
        dict[str, Any] | UnsetType, Meta(description="All of them: they take the place of the old ones.")
    ] = UNSET
    timestamp: Instant | UnsetType = UNSET
    metric: Annotated[str | UnsetType, Meta(description="The code of a metric.")] = UNSET


@blueprint.post("/events/<any_text:event_id>/cancel", merge_slashes=False)
@guard("events", "write")
@idempotent
@endpoint("Cancel an event", body=Cancellation, answers="event_correction")
def cancel_event(event_id: str, body: Cancellation) -> Response:
    """The event no longer counts, wherever it had counted: a wallet is credited, an invoiced period gets an
    adjustment on the next invoice. Its id stays used for ever.

    Cancelling again for the same reason answers the same; for another reason, or after an amendment: 409. A
    slash in the id may stand as it is or as `%2F`.
    """
    account = get_account(body.account_id)
    made = corrections.cancel(account, event_id, reason=body.reason, actor=current_actor(), at=clock.now())
    return success(_correction(account, made))


@blueprint.post("/events/<any_text:event_id>/amend", merge_slashes=False)
@guard("events", "write")
@idempotent
@endpoint("Amend an event", body=Amendment, answers="event_correction")
def amend_event(event_id: str, body: Amendment) -> Response:
    """The event is cancelled and replaced by a new one, checked as every event is, in one transaction.
    `replacement_event_id` of the answer is its id: the old one with `~2` behind it, or the next that is free.

    The same amendment again answers the same; another one, or a cancelled event: 409. Amend the replacement
    to amend once more.
    """
    account = get_account(body.account_id)
    # As they were sent, so that they are read by the one reader of events.
    sent = {name: value for name, value in read_json().items() if name in AMENDABLE and name in given(body)}
    made = corrections.amend(
        account, event_id, sent, reason=body.reason, actor=current_actor(), at=clock.now()
    )
    return success(_correction(account, made))


def _correction(account: Account, made: EventCorrection) -> dict[str, Any]:
    metric = db.session.get_one(Metric, made.metric_id)
    attributes = {
        "event_id": made.event_id,
        "account_id": made.account_id,
        "kind": made.kind,
        "metric": metric.code,
        "timestamp": instant_text(made.occurred_at),
        "quantity": decimal_text(made.quantity),
        "reason": made.reason,
        "actor": made.actor,
        "at": instant_text(made.at),
        "replacement_event_id": made.replacement_event_id,
    }
    links = {
        "account": related("account", account.id),
        "replacement": related("event", made.replacement_event_id),
    }
    return resource("event_correction", made.event_id, attributes, links)
