"""What the addresses below a wallet share: finding it, reading an amount, and how its records look on the
wire."""

from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

from sqlalchemy import select

from app.api.body import Meta
from app.api.envelope import decimal_text, instant_text, related, resource
from app.api.guards import limit_to_caller
from app.db import db
from app.domain.money import parse_money
from app.errors import NotFound
from app.models import Wallet, WalletTransaction
from app.services.movements import available_in

Amount = Annotated[Any, Meta(description='A decimal such as "118.00", or {"amount", "currency"}.')]


def get_wallet(wallet_id: UUID) -> Wallet:
    """Return the wallet, if the caller may see it.

    Raises:
        NotFound: there is none that the caller may see.
    """
    wallet: Wallet | None = db.session.scalar(
        limit_to_caller(select(Wallet).where(Wallet.id == wallet_id), Wallet.account_id)
    )
    if wallet is None:
        raise NotFound("There is no such wallet.")
    return wallet


def amount_of(value: Any) -> object:
    """Return an amount as services read it, with its currency where one is told.

    Raises:
        Invalid: it is an object and not one of `amount` and `currency`.
    """
    return parse_money(value, pointer="/amount") if isinstance(value, Mapping) else value


def wallet_resource(wallet: Wallet) -> dict[str, Any]:
    """Return a wallet."""
    figures = ("balance", "held", "granted", "receivable", "low_balance_threshold", "overdraft_limit")
    attributes = {
        "account_id": wallet.account_id,
        "currency": wallet.currency,
        **{name: decimal_text(getattr(wallet, name), wallet.currency) for name in figures},
        "available": decimal_text(available_in(wallet), wallet.currency),
        "auto_top_up": wallet.auto_top_up,
        "alert_levels": wallet.alert_levels,
        "daily_cap": decimal_text(wallet.daily_cap, wallet.currency),
        "monthly_cap": decimal_text(wallet.monthly_cap, wallet.currency),
        "status": wallet.status,
        "created_at": instant_text(wallet.created_at),
    }
    return resource("wallet", wallet.id, attributes, {"account": related("account", wallet.account_id)})


def transaction_resource(row: WalletTransaction) -> dict[str, Any]:
    """Return a movement of a wallet."""
    attributes = {
        "kind": row.kind,
        "state": row.state,
        "amount": decimal_text(row.amount, row.currency),
        "currency": row.currency,
        "balance_after": decimal_text(row.balance_after, row.currency),
        "reason": row.reason,
        "reference": row.reference,
        "explanation": row.explanation,
        "created_at": instant_text(row.created_at),
    }
    relationships = {
        "wallet": related("wallet", row.wallet_id),
        "reverses": related("wallet_transaction", row.reverses_id),
    }
    return resource("wallet_transaction", row.id, attributes, relationships)
