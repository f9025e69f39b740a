"""The people who sign in: for super admins, and for keys of the scopes `users:…`."""

from typing import Annotated, Any, Literal
from uuid import UUID

from flask import Blueprint, Response
from sqlalchemy import select

from app import clock
from app.api.body import UNSET, Body, Meta, Page, Text, UnsetType, given
from app.api.endpoint import endpoint
from app.api.envelope import instant_text, paginate, related, resource, success
from app.api.guards import current_actor, guard
from app.api.idempotency import idempotent
from app.api.serializers import need_staff
from app.db import db, in_transaction
from app.models import User
from app.permissions import Role
from app.services import customers, invitations, user_changes, users

blueprint = Blueprint("users", __name__, url_prefix="/api/v1/admin/users")

PEOPLE = "The people who sign in"
Name = Annotated[str, Meta(min_length=1, max_length=users.LONGEST_NAME)]
Zone = Annotated[str, Meta(max_length=64, description="IANA, such as `Asia/Kolkata`.")]
Language = Annotated[Literal["en", "hi", "id", "ar"] | None, Meta(description="Null: as the browser asks.")]
Customer = Annotated[Text | None, Meta(description="Of a customer: id or external id.")]


class NewUser(Body):
    """A person who may sign in."""

    email: Annotated[str, Meta(max_length=254)]
    role: Annotated[Role, Meta(description="Of a person, not `service`.")]
    name: Text | None = None
    customer_id: Customer = None
    locale: Language = None


class UserChange(Body):
    """What is to be changed; what is left out stays."""

    name: Name | UnsetType = UNSET
    timezone: Zone | UnsetType = UNSET
    locale: Language | UnsetType = UNSET
    role: Annotated[Role, Meta(description="Ends the person's sessions.")] | UnsetType = UNSET
    customer_id: Customer | UnsetType = UNSET
    active: Annotated[bool, Meta(description="False ends the access.")] | UnsetType = UNSET


@blueprint.get("")
@guard("users", "read")
@endpoint("List people", query=Page, answers="user", many=True)
def list_users(query: Page) -> Response:
    """Everybody who may sign in or could before, the newest first."""
    need_staff(PEOPLE)
    rows, cursor = paginate(select(User), query, (User.id,))
    return success([_user(row) for row in rows], next_cursor=cursor)


@blueprint.post("")
@guard("users", "write", needs_recent_sign_in=True)
@idempotent
@endpoint("Invite a person", body=NewUser, answers="user", status=201)
def create_user(body: NewUser) -> Response:
    """They may sign in with that address from now on, and a mail tells them so, in their language where it is
    given. A customer's person belongs to that customer, staff to none. Super admins are made by super admins,
    not by a key."""
    need_staff(PEOPLE)
    owner = customers.get(body.customer_id) if body.customer_id else None
    actor, name = current_actor(), body.name or ""
    made = users.create(
        body.email, role=body.role, name=name, customer=owner, locale=body.locale, actor=actor
    )
    invitations.promise(made, actor=actor)
    return success(_user(made), 201)


@blueprint.get("/<uuid:user_id>")
@guard("users", "read")
@endpoint("Read a person", answers="user")
def read_user(user_id: UUID) -> Response:
    """Who it is, and when they signed in last."""
    need_staff(PEOPLE)
    return success(_user(users.get(user_id)))


@blueprint.patch("/<uuid:user_id>")
@guard("users", "write", needs_recent_sign_in=True)
@idempotent
@endpoint("Change a person", body=UserChange, answers="user")
def change_user(user_id: UUID, body: UserChange) -> Response:
    """All of it or nothing. Nobody changes the own role or access, and the last super admin stays one.
    Without `customer_id` a customer's person keeps the customer."""
    need_staff(PEOPLE)
    user, values, actor = users.get(user_id), given(body), current_actor()
    user_changes.update(user, {name: values[name] for name in FREE & values.keys()}, actor=actor)
    if {"role", "customer_id"} & values.keys():
        role = values.get("role", user.role)
        user_changes.change_role(user, role, customer=_owner(user, role, values), actor=actor)
    if values.get("active") is False:
        user_changes.block(user, at=clock.now(), actor=actor)
    if values.get("active") is True:
        user_changes.let_in(user, at=clock.now(), actor=actor)
    db.session.flush()
    return success(_user(user))


@blueprint.post("/<uuid:user_id>/end-sessions")
@guard("users", "write", needs_recent_sign_in=True)
@endpoint("Sign a person out everywhere", answers="user")
def end_sessions(user_id: UUID) -> Response:
    """With their next click. They may sign in again."""
    need_staff(PEOPLE)

    def end() -> dict[str, Any]:
        user = users.get(user_id)
        user_changes.end_sessions(user, at=clock.now(), actor=current_actor())
        return _user(user)

    return success(in_transaction(end))


FREE = user_changes.CHANGED_FREELY


def _owner(user: User, role: Role, values: dict[str, Any]) -> Any:
    if role is not Role.customer and values.get("customer_id") is None:
        return None
    if "customer_id" in values:
        return customers.get(values["customer_id"]) if values["customer_id"] else None
    return user.customer


def _user(row: User) -> dict[str, Any]:
    attributes = {
        "email": row.email,
        "name": row.name,
        "role": row.role,
        "active": row.active,
        "timezone": row.timezone,
        "locale": row.locale,
        "last_sign_in_at": instant_text(row.last_sign_in_at),
        "created_at": instant_text(row.created_at),
    }
    return resource("user", row.id, attributes, {"customer": related("customer", row.customer_id)})
