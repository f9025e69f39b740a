"""Grants: credit of a wallet that is spent before its other money and may expire (docs/api/grants.md)."""

from typing import Annotated, Any
from uuid import UUID

from flask import Blueprint, Response
from sqlalchemy import select

from app import clock
from app.api.approvals import approval_resource
from app.api.body import Body, Instant, Meta, Page, Text
from app.api.endpoint import endpoint
from app.api.envelope import decimal_text, instant_text, paginate, related, resource, success
from app.api.guards import current_actor, guard
from app.api.idempotency import idempotent
from app.api.serializers import need_staff
from app.api.wallet_parts import Amount, amount_of, get_wallet
from app.models import Approval, Grant
from app.services import approvals, grants

blueprint = Blueprint("grants", __name__)


class NewGrant(Body):
    """Credit to be given."""

    amount: Amount
    reason: Annotated[Text, Meta(description="The customer reads it.")]
    kind: Annotated[
        str, Meta(description="`promotional`: nobody paid. `purchased`: its money has arrived.")
    ] = "promotional"
    priority: Annotated[int, Meta(description="0 to 1000; the lowest number is spent first.")] = (
        grants.USUAL_PRIORITY
    )
    expires_at: Annotated[Instant | None, Meta(description="From then on it cannot be spent.")] = None
    reference: Annotated[Text | None, Meta(description="Your own number of it.")] = None


class Voiding(Body):
    """Why a grant is taken back."""

    reason: Text


@blueprint.get("/wallets/<uuid:wallet_id>/grants")
@guard("wallets", "read")
@endpoint("List the grants of a wallet", query=Page, answers="grant", many=True)
def list_grants(wallet_id: UUID, query: Page) -> Response:
    """The newest first, also those that are spent, expired or voided."""
    chosen = select(Grant).where(Grant.wallet_id == get_wallet(wallet_id).id)
    rows, cursor = paginate(chosen, query, (Grant.id,))
    return success([_grant(row) for row in rows], next_cursor=cursor)


@blueprint.post("/wallets/<uuid:wallet_id>/grants")
@guard("wallets", "write")
@idempotent
@endpoint("Give a grant", body=NewGrant, answers="grant", status=201, also=(202,))
def give_grant(wallet_id: UUID, body: NewGrant) -> Response:
    """It is in the balance at once, and pays what usage owes. 202 with the `approval` that it waits for,
    where a person asks for more than one person alone may give."""
    wallet = get_wallet(wallet_id)
    need_staff("Granting")
    expires_at = instant_text(body.expires_at)
    made = approvals.ask(
        "grant",
        wallet,
        amount_of(body.amount),
        at=clock.now(),
        actor=current_actor(),
        reason=body.reason,
        reference=body.reference,
        details={"kind": body.kind, "priority": body.priority, "expires_at": expires_at},
    )
    if isinstance(made, Approval):
        return success(approval_resource(made), 202)
    return success(_grant(grants.of(made)), 201)


@blueprint.get("/wallets/<uuid:wallet_id>/grants/<uuid:grant_id>")
@guard("wallets", "read")
@endpoint("Read a grant", answers="grant")
def read_grant(wallet_id: UUID, grant_id: UUID) -> Response:
    """`state` is `live`, `spent`, `expired` or `voided`; what a hold holds of it is not `remaining`."""
    return success(_grant(grants.get(get_wallet(wallet_id), grant_id)))


@blueprint.post("/wallets/<uuid:wallet_id>/grants/<uuid:grant_id>/void")
@guard("wallets", "write")
@idempotent
@endpoint("Void a grant", body=Voiding, answers="grant")
def void_grant(wallet_id: UUID, grant_id: UUID, body: Voiding) -> Response:
    """What is left of it leaves the wallet; what was spent stays spent. 409 where nothing is left, or its
    time is over."""
    wallet = get_wallet(wallet_id)
    need_staff("Voiding grants")
    grant = grants.get(wallet, grant_id)
    voided = grants.void(grant, at=clock.now(), actor=current_actor(), reason=body.reason)
    return success(_grant(voided))


def _grant(row: Grant) -> dict[str, Any]:
    at = clock.now()
    attributes = {
        "kind": row.kind,
        "state": grants.state_of(row, at),
        "amount": decimal_text(row.amount, row.currency),
        "remaining": decimal_text(row.remaining, row.currency),
        "currency": row.currency,
        "priority": row.priority,
        "expires_at": instant_text(row.expires_at),
        "reason": row.reason,
        "reference": row.reference,
        "voided_at": instant_text(row.voided_at),
        "created_at": instant_text(row.created_at),
    }
    relationships = {
        "wallet": related("wallet", row.wallet_id),
        "transaction": related("wallet_transaction", row.transaction_id),
    }
    return resource("grant", row.id, attributes, relationships)
