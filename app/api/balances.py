"""What a wallet had at any instant."""

from typing import Annotated
from uuid import UUID

from flask import Blueprint, Response

from app import clock
from app.api.body import Body, Instant, Meta
from app.api.endpoint import endpoint
from app.api.envelope import decimal_text, instant_text, related, resource, success
from app.api.guards import guard
from app.api.wallet_parts import get_wallet
from app.services import ledger

blueprint = Blueprint("balances", __name__)


class BalanceQuery(Body):
    """When."""

    at: Annotated[Instant | None, Meta(description="Default: now.")] = None


@blueprint.get("/wallets/<uuid:wallet_id>/balance")
@guard("wallets", "read")
@endpoint("Read what a wallet had at an instant", query=BalanceQuery, answers="wallet_balance")
def read_balance(wallet_id: UUID, query: BalanceQuery) -> Response:
    """`balance` and `receivable` as they stood after the last movement at that instant or before it;
    `sequence` is that movement's number in the wallet's ledger, 0 before the first. Of an instant to come: as
    of now."""
    wallet = get_wallet(wallet_id)
    at = query.at or clock.now()
    stood = ledger.balance_as_of(wallet, at)
    attributes = {
        "at": instant_text(at),
        "currency": wallet.currency,
        "balance": decimal_text(stood.balance, wallet.currency),
        "receivable": decimal_text(stood.receivable, wallet.currency),
        "sequence": stood.seq,
    }
    links = {"wallet": related("wallet", wallet.id)}
    return success(resource("wallet_balance", wallet.id, attributes, links))
