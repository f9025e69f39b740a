"""Wallets: balances, limits, and the movements of money that a service or a person asks for."""

from typing import Annotated, Any
from uuid import UUID

from flask import Blueprint, Response, request
from sqlalchemy import select

from app import clock
from app.api.approvals import approval_resource
from app.api.body import UNSET, Body, CurrencyCode, Meta, Page, Text, UnsetType, given
from app.api.endpoint import endpoint
from app.api.envelope import paginate, success
from app.api.guards import current_actor, get_account, guard, limit_to_caller
from app.api.idempotency import idempotent
from app.api.payments import payment_resource
from app.api.serializers import need_staff
from app.api.wallet_parts import Amount, amount_of, get_wallet, transaction_resource, wallet_resource
from app.config import current_settings
from app.db import db
from app.errors import GatewayRefused, Invalid, NotFound
from app.gateways.payments import open_gateway, payment_gateways
from app.models import Approval, Wallet, WalletTransaction
from app.services import approvals, payments, wallet_limits, wallets

blueprint = Blueprint("wallets", __name__)

Limit = Annotated[Any, Meta(description='A decimal such as "118.00", or null.')]


class NewWallet(Body):
    """Which account gets a wallet."""

    account_id: Annotated[str, Meta(max_length=255, description="The account's id or external id.")]
    currency: Annotated[CurrencyCode | None, Meta(description="Default: the account's.")] = None


class Limits(Body):
    """What may be changed; what is left out stays."""

    low_balance_threshold: Limit | UnsetType = UNSET
    auto_top_up: Annotated[Any, Meta(description='{"threshold", "amount"}, or null.')] | UnsetType = UNSET
    overdraft_limit: Limit | UnsetType = UNSET
    alert_levels: (
        Annotated[
            list[Any] | None, Meta(description="Balances to tell of, or null for parts of the threshold.")
        ]
        | UnsetType
    ) = UNSET
    daily_cap: Limit | UnsetType = UNSET
    monthly_cap: Limit | UnsetType = UNSET


class Movement(Body):
    """Money for a wallet or out of it."""

    amount: Amount
    reason: Annotated[Text | None, Meta(description="Kept with the movement.")] = None
    reference: Annotated[Text | None, Meta(description="Your own number of it.")] = None


class TopUp(Body):
    """Money to be paid through a gateway."""

    amount: Amount
    gateway: Annotated[Text | None, Meta(description="Default: the first one that is set up.")] = None


class Reversal(Body):
    """Why a transaction is taken back."""

    reason: Text


class ListQuery(Page):
    """Which wallets."""

    account_id: Annotated[Text | None, Meta(description="The account's id or external id.")] = None


@blueprint.get("/wallets")
@guard("wallets", "read")
@endpoint("List wallets", query=ListQuery, answers="wallet", many=True)
def list_wallets(query: ListQuery) -> Response:
    """The newest first."""
    chosen = limit_to_caller(select(Wallet), Wallet.account_id)
    if query.account_id:
        chosen = chosen.where(Wallet.account_id == get_account(query.account_id).id)
    rows, cursor = paginate(chosen, query, (Wallet.id,))
    return success([wallet_resource(row) for row in rows], next_cursor=cursor)


@blueprint.post("/wallets")
@guard("wallets", "write")
@idempotent
@endpoint("Open a wallet", body=NewWallet, answers="wallet", status=201)
def open_wallet(body: NewWallet) -> Response:
    """A prepaid account has one already."""
    need_staff("Opening wallets")
    account = get_account(body.account_id)
    wallet = wallets.open(account, currency=body.currency, actor=current_actor(), at=clock.now())
    return success(wallet_resource(wallet), 201)


@blueprint.get("/wallets/<uuid:wallet_id>")
@guard("wallets", "read")
@endpoint("Read a wallet", answers="wallet")
def read_wallet(wallet_id: UUID) -> Response:
    """`available` is what can be spent: balance − held + overdraft limit. `receivable` is usage still
    owed."""
    return success(wallet_resource(get_wallet(wallet_id)))


@blueprint.patch("/wallets/<uuid:wallet_id>")
@guard("wallets", "write")
@idempotent
@endpoint("Change the limits of a wallet", body=Limits, answers="wallet")
def change_wallet(wallet_id: UUID, body: Limits) -> Response:
    """An overdraft is for staff and services to give."""
    wallet, values = get_wallet(wallet_id), given(body)
    if "overdraft_limit" in values:
        need_staff("An overdraft")
    return success(wallet_resource(wallet_limits.set_limits(wallet, values, actor=current_actor())))


@blueprint.get("/wallets/<uuid:wallet_id>/transactions")
@guard("wallets", "read")
@endpoint("List the transactions of a wallet", query=Page, answers="wallet_transaction", many=True)
def list_transactions(wallet_id: UUID, query: Page) -> Response:
    """The newest first. A deduction for usage explains itself: component, metric, period, quantity,
    amount."""
    chosen = select(WalletTransaction).where(WalletTransaction.wallet_id == get_wallet(wallet_id).id)
    rows, cursor = paginate(chosen, query, (WalletTransaction.created_at, WalletTransaction.id))
    return success([transaction_resource(row) for row in rows], next_cursor=cursor)


@blueprint.post("/wallets/<uuid:wallet_id>/credits")
@guard("wallets", "write")
@idempotent
@endpoint("Credit a wallet", body=Movement, answers="wallet_transaction", status=201, also=(202,))
def credit(wallet_id: UUID, body: Movement) -> Response:
    """Money that nobody paid. What usage owes is paid from it at once. 202 with the `approval` that it waits
    for, where a person asks for more than one person alone may move."""
    wallet = get_wallet(wallet_id)
    need_staff("Crediting")
    return _moved(approvals.ask("credit", wallet, amount_of(body.amount), **_told(body, "Credit")))


@blueprint.post("/wallets/<uuid:wallet_id>/debits")
@guard("wallets", "write")
@idempotent
@endpoint("Debit a wallet", body=Movement, answers="wallet_transaction", status=201, also=(202,))
def debit(wallet_id: UUID, body: Movement) -> Response:
    """409 `insufficient_funds`, and nothing written, where less is available. 202 as for a credit."""
    wallet = get_wallet(wallet_id)
    need_staff("Debiting")
    return _moved(approvals.ask("debit", wallet, amount_of(body.amount), **_told(body, "Debit")))


@blueprint.post("/wallets/<uuid:wallet_id>/transactions/<uuid:transaction_id>/reverse")
@guard("wallets", "write")
@idempotent
@endpoint("Reverse a transaction", body=Reversal, answers="wallet_transaction", status=201, also=(202,))
def reverse(wallet_id: UUID, transaction_id: UUID, body: Reversal) -> Response:
    """The transaction stays, marked as reversed; the answer is the new one that takes its money back. 202 as
    for a credit."""
    wallet = get_wallet(wallet_id)
    need_staff("Reversing")
    original = db.session.get(WalletTransaction, transaction_id)
    if original is None or original.wallet_id != wallet.id:
        raise NotFound("There is no such transaction.")
    made = approvals.ask_reversal(original, at=clock.now(), actor=current_actor(), reason=body.reason)
    return _moved(made)


@blueprint.post("/wallets/<uuid:wallet_id>/top-ups")
@guard("wallets", "write")
@endpoint("Top up a wallet through a gateway", body=TopUp, answers="payment", status=201, keyed=True)
def top_up(wallet_id: UUID, body: TopUp) -> Response:
    """Send the customer to `checkout_url`; the money is in the wallet once the gateway has it.

    `amount` is what the wallet is to get. The payment that this answers asks for the tax on it as well, where
    money in advance bears one: for 1,000.00 at 18 % its `amount` is 1,180.00 and its `tax` 180.00. The
    receipt voucher is issued when the money is here.

    The same `Idempotency-Key` is the same payment.
    """
    wallet = get_wallet(wallet_id)
    payment = payments.start_top_up(
        wallet,
        amount_of(body.amount),
        gateway=body.gateway or _first_gateway(),
        actor=current_actor(),
        key=request.headers.get("Idempotency-Key"),
    )
    return success(payment_resource(payment), 201)


def _told(body: Movement, otherwise: str) -> dict[str, Any]:
    actor = current_actor()
    return {
        "at": clock.now(),
        "actor": actor,
        "reason": body.reason or f"{otherwise} by {actor.label}",
        "reference": body.reference,
    }


def _moved(made: WalletTransaction | Approval) -> Response:
    if isinstance(made, Approval):
        return success(approval_resource(made), 202)
    return success(transaction_resource(made), 201)


def _first_gateway() -> str:
    for name in payment_gateways:
        try:
            if open_gateway(name, current_settings()).hosted:
                return name
        except GatewayRefused:
            continue
    raise Invalid.at("/gateway", "No payment gateway is set up.", code="not_set_up")
