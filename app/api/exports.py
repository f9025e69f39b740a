"""Exports and statements: ask for a file, see how far it is, fetch it (docs/api/exports.md)."""

from datetime import date
from typing import Annotated, Any
from uuid import UUID

from flask import Blueprint, Response, send_file
from msgspec.structs import asdict

from app import clock
from app.api.body import Body, CurrencyCode, Meta, Page, Text
from app.api.endpoint import endpoint
from app.api.envelope import instant_text, paginate, related, resource, success
from app.api.guards import current_actor, guard
from app.api.idempotency import idempotent
from app.db import db, in_transaction
from app.models import Export
from app.services import customers
from app.services.exports import requests
from app.services.exports.kinds import Scope

blueprint = Blueprint("exports", __name__)

FILE = "application/octet-stream"
Kind = Annotated[
    str,
    Meta(
        description="`invoices`, `payments`, `usage`, `customers`, `ledger`, `audit`, `wallet_statement` or "
        "`customer_statement`"
    ),
]


class AuditFilters(Body):
    """What of the audit trail, as `GET /admin/audit` has it."""

    actor: Annotated[Text | None, Meta(description="A name, e-mail address, key, job or id.")] = None
    actor_kind: Annotated[Text | None, Meta(description="`user`, `api_key` or `system`.")] = None
    role: Text | None = None
    action: Annotated[Text | None, Meta(description="Such as `wallet.credited`.")] = None
    resource_type: Annotated[Text | None, Meta(description="Such as `Invoice`.")] = None
    resource_id: Text | None = None
    ip: Text | None = None
    request_id: Text | None = None
    search: Annotated[Text | None, Meta(description="An action, or the id of a record or a request.")] = None


class NewExport(Body):
    """What is to be written, of which days: both included, India's, for a wallet those of its account. A
    statement needs both days, and its wallet or its customer and currency."""

    kind: Kind
    format: Annotated[str, Meta(description="`csv`, `xlsx`, and `pdf` for statements")] = "csv"
    first: date | None = None
    last: date | None = None
    customer_id: Annotated[str, Meta(max_length=255, description="By id or external id")] | None = None
    wallet_id: UUID | None = None
    currency: CurrencyCode | None = None
    filters: Annotated[AuditFilters | None, Meta(description="Of `audit` alone.")] = None


@blueprint.get("/exports")
@guard("billing", "read")
@endpoint("List exports", query=Page, answers="export", many=True)
def list_exports(query: Page) -> Response:
    """Those that the caller may fetch, the newest first."""
    rows, cursor = paginate(requests.visible(current_actor()), query, (Export.id,))
    return success([_export(row) for row in rows], next_cursor=cursor)


@blueprint.post("/exports")
@guard("billing", "read")
@idempotent
@endpoint("Ask for an export", body=NewExport, answers="export", status=202)
def ask_for_export(body: NewExport) -> Response:
    """A worker writes the file; look at the export for how far it is. Customers get their own rows."""
    actor = current_actor()
    customer = None if body.customer_id is None else customers.get(body.customer_id).id
    filters = {} if body.filters is None else asdict(body.filters)
    asked = {name: value for name, value in filters.items() if value is not None}
    scope = Scope(body.first, body.last, customer, body.wallet_id, body.currency, asked)
    export = requests.request(body.kind, body.format, scope=scope, at=clock.now(), actor=actor)
    return success(_export(export), 202)


@blueprint.get("/exports/<uuid:export_id>")
@guard("billing", "read")
@endpoint("Read an export", answers="export")
def read_export(export_id: UUID) -> Response:
    """How far it is: `rows` of `expected`."""
    return success(_export(requests.get(export_id, current_actor())))


@blueprint.get("/exports/<uuid:export_id>/file")
@guard("billing", "read")
@endpoint("Download an export", media=FILE)
def download_export(export_id: UUID) -> Response:
    """The file, as long as it is kept. 409 where there is none yet or any more."""
    actor = current_actor()

    def open_it() -> Response:
        export = requests.get(export_id, actor)
        response = send_file(
            requests.opened(export, actor=actor),
            mimetype=requests.content_type(export),
            as_attachment=True,
            download_name=requests.file_name(export),
        )
        response.headers["Cache-Control"] = "private, no-store"
        return response

    return in_transaction(open_it)


@blueprint.post("/exports/<uuid:export_id>/cancel")
@guard("billing", "read")
@idempotent
@endpoint("Cancel an export", answers="export")
def cancel_export(export_id: UUID) -> Response:
    """409 where it is over."""
    actor = current_actor()
    export = requests.get(export_id, actor)
    requests.cancel(export, at=clock.now(), actor=actor)
    db.session.flush()
    return success(_export(export))


def _export(row: Export) -> dict[str, Any]:
    attributes = {
        "kind": row.kind,
        "format": row.format,
        "status": row.status,
        "parameters": row.parameters,
        "rows": row.rows,
        "expected": row.expected,
        "size": row.size,
        "sha256": row.sha256.hex() if row.sha256 else None,
        "file_name": requests.file_name(row),
        "error": row.error,
        "requested_by": row.requested_by,
        "created_at": instant_text(row.created_at),
        "finished_at": instant_text(row.finished_at),
        "keep_until": instant_text(row.keep_until),
    }
    return resource("export", row.id, attributes, {"customer": related("customer", row.customer_id)})
