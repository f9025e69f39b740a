"""Notifications: what customers are told, for their own screens."""

from typing import Annotated
from uuid import UUID

from flask import Blueprint, Response
from flask_login import current_user
from sqlalchemy import String, cast, select

from app import clock
from app.api.body import Body, Meta, Page, Text
from app.api.endpoint import endpoint
from app.api.envelope import instant_text, paginate, related, resource, success
from app.api.guards import current_actor, guard
from app.api.idempotency import idempotent
from app.db import db
from app.errors import Forbidden
from app.models import Notification, User, Wallet
from app.permissions import Actor
from app.services import notifications

blueprint = Blueprint("notifications", __name__)


class NotificationQuery(Page):
    """Which notifications."""

    kind: Annotated[Text | None, Meta(description="Such as `low_balance`.")] = None


class Reading(Body):
    """What was read."""

    ids: Annotated[list[UUID] | None, Meta(description="Without it, all.")] = None


@blueprint.get("/notifications")
@guard("wallets", "read")
@endpoint("List notifications", query=NotificationQuery, answers="notification", many=True)
def list_notifications(query: NotificationQuery) -> Response:
    """The newest first: of all customers and what waits for their decision for staff, of the own for
    customers, without the kinds that the person turned off in the product; a key bound to an account sees
    those about the account's wallets."""
    chosen, actor = select(Notification), current_actor()
    if _is_person(actor):
        chosen = chosen.where(notifications.visible_to(current_user))
    else:
        chosen = chosen.where(Notification.kind.in_(notifications.kinds_for(actor)))
    if query.kind:
        chosen = chosen.where(Notification.kind == query.kind)
    if actor.account_id is not None:
        own = select(cast(Wallet.id, String)).where(Wallet.account_id == UUID(actor.account_id))
        chosen = chosen.where(Notification.resource_type == "Wallet", Notification.resource_id.in_(own))
    rows, cursor = paginate(chosen, query, (Notification.id,))
    return success([_notification(row) for row in rows], next_cursor=cursor)


@blueprint.post("/notifications/read")
@guard("wallets", "read")
@idempotent
@endpoint("Mark notifications as read", body=Reading, answers="notification_reading")
def mark_read(body: Reading) -> Response:
    """Of the person who is signed in; a key reads for nobody. `read` is how many were new."""
    reader = db.session.get(User, UUID(current_actor().id)) if _is_person(current_actor()) else None
    if reader is None:
        raise Forbidden("Only a person reads notifications; a key can list them.")
    count = notifications.mark_read(reader, body.ids, at=clock.now())
    return success(resource("notification_reading", reader.id, {"read": count}))


def _is_person(actor: Actor) -> bool:
    return actor.kind == "user" and current_user.is_authenticated


def _notification(row: Notification) -> dict[str, object]:
    attributes = {
        "kind": row.kind,
        "tone": row.tone,
        "title": row.title,
        "text": row.text,
        "facts": [{"label": label, "value": value} for label, value in row.facts],
        "url": row.url,
        "about": {"type": row.resource_type, "id": row.resource_id},
        "created_at": instant_text(row.created_at),
    }
    return resource("notification", row.id, attributes, {"customer": related("customer", row.customer_id)})
