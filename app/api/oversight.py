"""What staff look over by the API: the audit trail."""

from dataclasses import fields
from typing import Annotated, Any

from flask import Blueprint, Response

from app.api.body import Instant, Meta, Page, Text, field
from app.api.endpoint import endpoint
from app.api.envelope import instant_text, paginate, resource, success
from app.api.guards import guard
from app.api.serializers import need_staff
from app.models import AuditRecord
from app.services import audit_search

blueprint = Blueprint("oversight", __name__, url_prefix="/api/v1/admin")


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
    search: Annotated[Text | None, Meta(description="An action, or the id of a record or a request.")] = None
    since: Annotated[Instant | None, Meta(description="From this instant on.")] = field(
        default=None, name="from"
    )
    until: Annotated[Instant | None, Meta(description="Before this instant.")] = field(
        default=None, name="to"
    )


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


def _record(row: AuditRecord) -> dict[str, Any]:
    names = ("action", "actor_kind", "actor_id", "actor", "role", "ip", "request_id", "resource_type")
    more = ("resource_id", "summary", "before", "after")
    attributes = {"at": instant_text(row.at), **{name: getattr(row, name) for name in names + more}}
    attributes["sha256"] = row.hash.hex()
    return resource("audit_record", row.id, attributes)
