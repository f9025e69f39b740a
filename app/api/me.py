"""One's own preferences: name, language, time zone, theme, and what one is told of."""

from typing import Annotated, Any
from uuid import UUID

from flask import Blueprint, Response
from msgspec import UNSET, UnsetType

from app.api.body import Body, Meta, given
from app.api.endpoint import endpoint
from app.api.envelope import related, resource, success
from app.api.guards import current_actor, guard
from app.db import db, in_transaction
from app.errors import Forbidden
from app.languages import LANGUAGES
from app.models import User
from app.services import preferences

blueprint = Blueprint("me", __name__, url_prefix="/api/v1/me")

Language = Annotated[
    str | None, Meta(description=f"One of {', '.join(LANGUAGES)}; null follows the browser.")
]
Theme = Annotated[str | None, Meta(description="`light`, `dark` or `system`.")]


class Channels(Body):
    """How a kind of notification comes; what is left out stays."""

    in_product: bool | UnsetType = UNSET
    mail: bool | UnsetType = UNSET


class Preferences(Body):
    """What is to be changed; what is left out stays."""

    name: Annotated[str, Meta(min_length=1, max_length=200)] | UnsetType = UNSET
    language: Language | UnsetType = UNSET
    timezone: Annotated[str, Meta(description="IANA, such as `Asia/Kolkata`")] | UnsetType = UNSET
    theme: Theme | UnsetType = UNSET
    notifications: Annotated[dict[str, Channels], Meta(description="By kind.")] | UnsetType = UNSET


@blueprint.get("")
@guard("profile", "read")
@endpoint("Read one's own preferences", answers="person")
def read_me() -> Response:
    """Of the person who is signed in; a key is nobody."""
    return success(_person(_me()))


@blueprint.patch("")
@guard("profile", "write")
@endpoint("Change one's own preferences", body=Preferences, answers="person")
def change_me(body: Preferences) -> Response:
    """All of it or nothing, and one audit record. What must reach people, such as failed payments, cannot be
    turned off. Mails of a customer go to the customer's address: all its people share that choice.
    """
    values = given(body)
    channels = {kind: given(wanted) for kind, wanted in values.pop("notifications", {}).items()}

    def change() -> dict[str, Any]:
        user, actor = _me(), current_actor()
        preferences.change(user, values, channels, actor=actor)
        db.session.flush()
        return _person(user)

    return success(in_transaction(change))


def _me() -> User:
    actor = current_actor()
    user = db.session.get(User, UUID(actor.id)) if actor.kind == "user" else None
    if user is None:
        raise Forbidden("Only a person who is signed in has preferences.")
    return user


def _person(user: User) -> dict[str, Any]:
    attributes = {
        "name": user.name,
        "email": user.email,
        "role": user.role,
        "language": user.locale,
        "timezone": user.timezone,
        "theme": user.theme,
        "notifications": [
            {
                "kind": one.kind,
                "title": one.title,
                "in_product": one.in_product,
                "mail": one.mail,
                "in_product_fixed": one.in_product_fixed,
                "mail_fixed": one.mail_fixed,
            }
            for one in preferences.choices(user)
        ],
    }
    return resource("person", user.id, attributes, {"customer": related("customer", user.customer_id)})
