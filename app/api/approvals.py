"""Requests for a second person: what waits, and what somebody else makes of it.

Only people decide: a key can read the requests and nothing more, whatever its scopes.
"""

from collections.abc import Callable
from typing import Annotated, Any
from uuid import UUID

from flask import Blueprint, Response
from sqlalchemy import select

from app import clock
from app.api.body import Body, Meta, Page, Text
from app.api.endpoint import endpoint
from app.api.envelope import decimal_text, instant_text, paginate, related, resource, success
from app.api.guards import current_actor, guard
from app.api.idempotency import idempotent
from app.api.serializers import need_staff
from app.models import Approval
from app.models.approvals import ApprovalStatus
from app.services import approvals

blueprint = Blueprint("approvals", __name__)

NOUN = "Requests for a second person"


class ApprovalsQuery(Page):
    """Which requests."""

    status: ApprovalStatus | None = None
    wallet_id: UUID | None = None


class Refusal(Body):
    """Why a request is turned down."""

    reason: Annotated[Text, Meta(description="Who asked reads this.")]


@blueprint.get("/approvals")
@guard("approvals", "read")
@endpoint("List requests for a second person", query=ApprovalsQuery, answers="approval", many=True)
def list_approvals(query: ApprovalsQuery) -> Response:
    """The newest first; `status=requested` are those that wait."""
    need_staff(NOUN)
    chosen = select(Approval)
    if query.status is not None:
        chosen = chosen.where(Approval.status == query.status)
    if query.wallet_id is not None:
        chosen = chosen.where(Approval.wallet_id == query.wallet_id)
    rows, cursor = paginate(chosen, query, (Approval.id,))
    return success([approval_resource(row) for row in rows], next_cursor=cursor)


@blueprint.get("/approvals/<uuid:approval_id>")
@guard("approvals", "read")
@endpoint("Read a request for a second person", answers="approval")
def read_approval(approval_id: UUID) -> Response:
    """Once it is approved it names the transaction that moved the money."""
    need_staff(NOUN)
    return success(approval_resource(approvals.get(approval_id)))


@blueprint.post("/approvals/<uuid:approval_id>/approve")
@guard("approvals", "write", needs_recent_sign_in=True)
@idempotent
@endpoint("Approve a movement of money", answers="approval")
def approve(approval_id: UUID) -> Response:
    """The money moves in the same transaction, once. 403 for who asked for it; 409 where it was decided, has
    expired, or the money is no longer there: then the request stays open."""
    return _decide(approval_id, approvals.approve)


@blueprint.post("/approvals/<uuid:approval_id>/refuse")
@guard("approvals", "write")
@idempotent
@endpoint("Refuse a movement of money", body=Refusal, answers="approval")
def refuse(approval_id: UUID, body: Refusal) -> Response:
    """Nothing moves."""
    return _decide(approval_id, approvals.refuse, reason=body.reason)


@blueprint.post("/approvals/<uuid:approval_id>/withdraw")
@guard("approvals", "write")
@idempotent
@endpoint("Withdraw a request of one's own", answers="approval")
def withdraw(approval_id: UUID) -> Response:
    """403 for everybody else."""
    return _decide(approval_id, approvals.withdraw)


def approval_resource(row: Approval) -> dict[str, Any]:
    """Return a request with who asked and who decided."""
    attributes = {
        "operation": row.operation,
        "status": row.status,
        "amount": decimal_text(row.amount, row.currency),
        "currency": row.currency,
        "reason": row.reason,
        "reference": row.reference,
        "details": row.details,
        "requested_by": row.requested_by,
        "created_at": instant_text(row.created_at),
        "expires_at": instant_text(row.expires_at),
        "decided_by": row.decided_by,
        "decided_at": instant_text(row.decided_at),
        "decision_reason": row.decision_reason,
    }
    links = {
        "wallet": related("wallet", row.wallet_id),
        "transaction": related("wallet_transaction", row.transaction_id),
    }
    return resource("approval", row.id, attributes, links)


def _decide(approval_id: UUID, act: Callable[..., Approval], **told: str) -> Response:
    need_staff(NOUN)
    row = act(approvals.get(approval_id), at=clock.now(), actor=current_actor(), **told)
    return success(approval_resource(row))
