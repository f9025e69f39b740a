"""What staff look over by the API: the audit trail and the people who sign in."""

from dataclasses import fields
from typing import Annotated, Any
from uuid import UUID

from flask import Blueprint, Response
from sqlalchemy import select

from app.api.body import Body, Instant, Meta, Page, Text, field
from app.api.endpoint import endpoint
from app.api.envelope import instant_text, paginate, related, resource, success
from app.api.guards import current_actor, guard
from app.api.idempotency import idempotent
from app.api.serializers import need_staff
from app.db import db
from app.models import AuditRecord, User
from app.permissions import Role
from app.services import audit_search, customers, users

blueprint = Blueprint("oversight", __name__, url_prefix="/api/v1/admin")

PEOPLE = "The people who sign in"


class AuditQuery(Page):
    """Which records of the trail."""

    actor: Annotated[Text | None, Meta(description="A name, e-mail address, key, job or id.")] = None
    actor_kind: Annotated[Text | None, Meta(description="`user`, `api_key` or `system`.")] = None
    role: Text | None = None
    resource_type: Annotated[Text | None, Meta(description="Such as `Invoice`.")] = None
    resource_id: Text | None = None
    action: Annotated[Text | None, Meta(description="Such as `wallet.credited`.")] = None
    ip: Text | None = None
    request_id: Annotated[Text | None, Meta(description="Everything that one request left.")] = None
    since: Annotated[Instant | None, Meta(description="From this instant on.")] = field(
        default=None, name="from"
    )
    until: Annotated[Instant | None, Meta(description="Before this instant.")] = field(
        default=None, name="to"
    )


class NewUser(Body):
    """A person who may sign in."""

    email: Annotated[str, Meta(max_length=254)]
    role: Annotated[Role, Meta(description="Of a person, not `service`.")]
    name: Text | None = None
    customer_id: Annotated[Text | None, Meta(description="Of a customer: id or external id.")] = None


@blueprint.get("/audit")
@guard("audit", "read")
@endpoint("List the audit trail", query=AuditQuery, answers="audit_record", many=True)
def list_audit(query: AuditQuery) -> Response:
    """The newest first: who did what to which record, and how it was before (`from` ≤ at < `to`)."""
    need_staff("The audit trail")
    asked = audit_search.Question(
        **{one.name: getattr(query, one.name) for one in fields(audit_search.Question)}
    )
    rows, cursor = paginate(audit_search.find(asked), query, (AuditRecord.at, AuditRecord.id))
    return success([_record(row) for row in rows], next_cursor=cursor)


@blueprint.get("/users")
@guard("users", "read")
@endpoint("List people", query=Page, answers="user", many=True)
def list_users(query: Page) -> Response:
    """Everybody who may sign in or could before, the newest first."""
    need_staff(PEOPLE)
    rows, cursor = paginate(select(User), query, (User.id,))
    return success([_user(row) for row in rows], next_cursor=cursor)


@blueprint.post("/users")
@guard("users", "write")
@idempotent
@endpoint("Make a person", body=NewUser, answers="user", status=201)
def create_user(body: NewUser) -> Response:
    """A customer's person belongs to that customer, staff to none."""
    need_staff(PEOPLE)
    owner = customers.get(body.customer_id) if body.customer_id else None
    made = users.create(
        body.email, role=body.role, name=body.name or "", customer=owner, actor=current_actor()
    )
    db.session.flush()
    return success(_user(made), 201)


def _record(row: AuditRecord) -> dict[str, Any]:
    names = ("action", "actor_kind", "actor_id", "actor", "role", "ip", "request_id", "resource_type")
    more = ("resource_id", "summary", "before", "after")
    attributes = {"at": instant_text(row.at), **{name: getattr(row, name) for name in names + more}}
    attributes["sha256"] = row.hash.hex()
    return resource("audit_record", row.id, attributes)


def _user(row: User) -> dict[str, Any]:
    owner: UUID | None = row.customer_id
    attributes = {
        "email": row.email,
        "name": row.name,
        "role": row.role,
        "active": row.active,
        "timezone": row.timezone,
        "last_sign_in_at": instant_text(row.last_sign_in_at),
        "created_at": instant_text(row.created_at),
    }
    return resource("user", row.id, attributes, {"customer": related("customer", owner)})
