"""Holds: money set aside in a wallet, taken later or let go (docs/api/holds.md)."""

from typing import Annotated, Any
from uuid import UUID

from flask import Blueprint, Response
from sqlalchemy import select

from app import clock
from app.api.body import Body, Instant, Meta, Page, Text
from app.api.endpoint import endpoint
from app.api.envelope import decimal_text, instant_text, paginate, related, resource, success
from app.api.guards import current_actor, guard
from app.api.idempotency import idempotent
from app.api.serializers import need_staff
from app.api.wallet_parts import Amount, amount_of, get_wallet
from app.models import Hold
from app.services import holds

blueprint = Blueprint("holds", __name__)


class NewHold(Body):
    """Money to be set aside."""

    amount: Amount
    reason: Text
    expires_at: Annotated[Instant | None, Meta(description="Default: until it is resolved.")] = None
    reference: Annotated[Text | None, Meta(description="Your own number of it.")] = None


class Capture(Body):
    """How much is taken of a hold."""

    amount: Annotated[Any, Meta(description="At most what is held; the rest is released. Default: all.")] = (
        None
    )
    reason: Annotated[Text | None, Meta(description="Default: the hold's.")] = None


class Release(Body):
    """Why a hold is let go."""

    reason: Text | None = None


@blueprint.get("/wallets/<uuid:wallet_id>/holds")
@guard("wallets", "read")
@endpoint("List the holds of a wallet", query=Page, answers="hold", many=True)
def list_holds(wallet_id: UUID, query: Page) -> Response:
    """The newest first, resolved ones too."""
    chosen = select(Hold).where(Hold.wallet_id == get_wallet(wallet_id).id)
    rows, cursor = paginate(chosen, query, (Hold.created_at, Hold.id))
    return success([_hold(row) for row in rows], next_cursor=cursor)


@blueprint.get("/wallets/<uuid:wallet_id>/holds/<uuid:hold_id>")
@guard("wallets", "read")
@endpoint("Read a hold", answers="hold")
def read_hold(wallet_id: UUID, hold_id: UUID) -> Response:
    """`state` is `open`, `captured`, `released` or `expired`; `captured` is what was taken of it."""
    return success(_hold(holds.get(get_wallet(wallet_id), hold_id)))


@blueprint.post("/wallets/<uuid:wallet_id>/holds")
@guard("wallets", "write")
@idempotent
@endpoint("Hold money of a wallet", body=NewHold, answers="hold", status=201)
def place(wallet_id: UUID, body: NewHold) -> Response:
    """It counts against what is available at once, and nothing else can spend it. 409 `insufficient_funds`,
    and nothing written, where less is available."""
    wallet = get_wallet(wallet_id)
    need_staff("Holding money")
    made = holds.place(
        wallet,
        amount_of(body.amount),
        at=clock.now(),
        actor=current_actor(),
        reason=body.reason,
        expires_at=body.expires_at,
        reference=body.reference,
    )
    return success(_hold(made), 201)


@blueprint.post("/wallets/<uuid:wallet_id>/holds/<uuid:hold_id>/capture")
@guard("wallets", "write")
@idempotent
@endpoint("Take money that is held", body=Capture, answers="hold")
def capture(wallet_id: UUID, hold_id: UUID, body: Capture) -> Response:
    """All of it or a part; what is not taken can be spent again. A hold resolves once: 409
    `illegal_transition` names the state that it is in. One whose time is over is never captured."""
    hold = holds.get(get_wallet(wallet_id), hold_id)
    need_staff("Taking held money")
    taken = holds.capture(
        hold, at=clock.now(), actor=current_actor(), amount=amount_of(body.amount), reason=body.reason
    )
    return success(_hold(taken))


@blueprint.post("/wallets/<uuid:wallet_id>/holds/<uuid:hold_id>/release")
@guard("wallets", "write")
@idempotent
@endpoint("Let go of a hold", body=Release, answers="hold")
def release(wallet_id: UUID, hold_id: UUID, body: Release) -> Response:
    """Its money can be spent again, and pays what usage owes first. Once: 409 `illegal_transition` after."""
    hold = holds.get(get_wallet(wallet_id), hold_id)
    need_staff("Releasing held money")
    return success(_hold(holds.release(hold, at=clock.now(), actor=current_actor(), reason=body.reason)))


def _hold(row: Hold) -> dict[str, Any]:
    attributes = {
        "state": holds.state_at(row, clock.now()),
        "amount": decimal_text(row.amount, row.currency),
        "captured": decimal_text(row.captured, row.currency),
        "currency": row.currency,
        "reason": row.reason,
        "reference": row.reference,
        "expires_at": instant_text(row.expires_at),
        "created_at": instant_text(row.created_at),
        "resolved_at": instant_text(row.resolved_at),
    }
    relationships = {
        "wallet": related("wallet", row.wallet_id),
        "transaction": related("wallet_transaction", row.transaction_id),
    }
    return resource("hold", row.id, attributes, relationships)
