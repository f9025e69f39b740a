"""Money that leaves a wallet for another one or for the customer's bank, and wallets that are put to rest."""

from typing import Annotated, Any
from uuid import UUID

from flask import Blueprint, Response
from sqlalchemy import or_, select

from app import clock
from app.api.approvals import approval_resource
from app.api.body import Body, Meta, Page, Text
from app.api.endpoint import endpoint
from app.api.envelope import decimal_text, instant_text, paginate, related, resource, success
from app.api.guards import current_actor, guard
from app.api.idempotency import idempotent
from app.api.serializers import need_staff
from app.api.wallet_parts import Amount, amount_of, get_wallet, transaction_resource, wallet_resource
from app.errors import Invalid, NotFound
from app.models import Approval, Transfer, Wallet
from app.services import approvals, transfers, wallet_status

blueprint = Blueprint("transfers", __name__)


class NewTransfer(Body):
    """Money for another wallet of the same customer, in the same currency."""

    to_wallet_id: UUID
    amount: Amount
    reason: Text


class NewRefund(Body):
    """Money that was paid back by bank transfer."""

    amount: Amount
    reason: Text
    reference: Annotated[Text | None, Meta(description="The bank's number of the transfer.")] = None


class Why(Body):
    """Why a wallet is frozen, closed or activated."""

    reason: Text


@blueprint.get("/wallets/<uuid:wallet_id>/transfers")
@guard("wallets", "read")
@endpoint("List the transfers of a wallet", query=Page, answers="transfer", many=True)
def list_transfers(wallet_id: UUID, query: Page) -> Response:
    """Those from it and those to it, the newest first."""
    wallet = get_wallet(wallet_id)
    either = or_(Transfer.from_wallet_id == wallet.id, Transfer.to_wallet_id == wallet.id)
    rows, cursor = paginate(select(Transfer).where(either), query, (Transfer.id,))
    return success([_transfer(row) for row in rows], next_cursor=cursor)


@blueprint.post("/wallets/<uuid:wallet_id>/transfers")
@guard("wallets", "write")
@idempotent
@endpoint("Transfer money to another wallet", body=NewTransfer, answers="transfer", status=201)
def transfer(wallet_id: UUID, body: NewTransfer) -> Response:
    """Both wallets are of one customer and one currency: anything else is 400 at `/to_wallet_id`. Neither
    grants nor an overdraft are moved. What usage owes in the other wallet is paid from it at once."""
    made = transfers.transfer(
        get_wallet(wallet_id),
        _other(body.to_wallet_id),
        amount_of(body.amount),
        at=clock.now(),
        actor=current_actor(),
        reason=body.reason,
    )
    return success(_transfer(made), 201)


@blueprint.post("/wallets/<uuid:wallet_id>/refunds")
@guard("wallets", "write", needs_recent_sign_in=True)
@idempotent
@endpoint("Refund unused money", body=NewRefund, answers="wallet_transaction", status=201, also=(202,))
def refund(wallet_id: UUID, body: NewRefund) -> Response:
    """Records money that went back to the customer by bank transfer. Only what was paid in and is unused can:
    the balance without what is held, granted, owed, or credited. Else 409 `insufficient_funds`. 202 with the
    `approval` that it waits for, where a person asks for more than one person alone may move."""
    wallet = get_wallet(wallet_id)
    need_staff("Refunding")
    made = approvals.ask(
        "refund",
        wallet,
        amount_of(body.amount),
        at=clock.now(),
        actor=current_actor(),
        reason=body.reason,
        reference=body.reference,
    )
    if isinstance(made, Approval):
        return success(approval_resource(made), 202)
    return success(transaction_resource(made), 201)


@blueprint.post("/wallets/<uuid:wallet_id>/freeze")
@guard("wallets", "write")
@idempotent
@endpoint("Freeze a wallet", body=Why, answers="wallet")
def freeze(wallet_id: UUID, body: Why) -> Response:
    """It takes money in and gives none out; usage is owed."""
    wallet = get_wallet(wallet_id)
    need_staff("Freezing a wallet")
    return success(wallet_resource(wallet_status.freeze(wallet, **_told(body))))


@blueprint.post("/wallets/<uuid:wallet_id>/activate")
@guard("wallets", "write")
@idempotent
@endpoint("Put a frozen or closed wallet back to work", body=Why, answers="wallet")
def activate(wallet_id: UUID, body: Why) -> Response:
    """What usage owes is paid at once."""
    wallet = get_wallet(wallet_id)
    need_staff("Activating a wallet")
    return success(wallet_resource(wallet_status.activate(wallet, **_told(body))))


@blueprint.post("/wallets/<uuid:wallet_id>/close")
@guard("wallets", "write")
@idempotent
@endpoint("Close a wallet", body=Why, answers="wallet")
def close(wallet_id: UUID, body: Why) -> Response:
    """Only where nothing is left: balance, held and owed are all 0, else 409 `conflict`."""
    wallet = get_wallet(wallet_id)
    need_staff("Closing a wallet")
    return success(wallet_resource(wallet_status.close(wallet, **_told(body))))


def _told(body: Why) -> dict[str, Any]:
    return {"at": clock.now(), "actor": current_actor(), "reason": body.reason}


def _other(wallet_id: UUID) -> Wallet:
    try:
        return get_wallet(wallet_id)
    except NotFound as error:
        raise Invalid.at("/to_wallet_id", error.message, code="not_found") from None


def _transfer(row: Transfer) -> dict[str, Any]:
    attributes = {
        "amount": decimal_text(row.amount, row.currency),
        "currency": row.currency,
        "reason": row.reason,
        "created_at": instant_text(row.created_at),
    }
    relationships = {
        "from_wallet": related("wallet", row.from_wallet_id),
        "to_wallet": related("wallet", row.to_wallet_id),
        "from_transaction": related("wallet_transaction", row.from_transaction_id),
        "to_transaction": related("wallet_transaction", row.to_transaction_id),
    }
    return resource("transfer", row.id, attributes, relationships)
