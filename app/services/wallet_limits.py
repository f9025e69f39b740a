"""The limits of a wallet: how far it may be overdrawn, when it is low, and when it fills itself up."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from app import clock
from app.domain.money import parse_amount
from app.errors import Conflict, Invalid
from app.models import Wallet
from app.permissions import Actor
from app.services import alerts, audit, auto_top_ups, movements
from app.services.inputs import refusals
from app.services.movements import available_in
from app.services.wallet_rules import locked

MOST_LEVELS = 10


def set_limits(wallet: Wallet, values: Mapping[str, Any], *, actor: Actor) -> Wallet:
    """Change `low_balance_threshold`, `overdraft_limit`, `daily_cap`, `monthly_cap` (amounts), `alert_levels`
    (amounts, None for the usual parts of the threshold) and `auto_top_up` ({threshold, amount} or None).

    Raises:
        Invalid: with the attribute that cannot be used.
        Conflict: the overdraft limit is less than what is overdrawn.
    """
    wallet = locked(wallet)
    for name, value in values.items():
        if name not in LIMITS:
            raise Invalid.at(f"/{name}", f"There is no field {name!r} to be set here.", code="unknown_field")
        with refusals():
            setattr(wallet, name, LIMITS[name](value, wallet.currency, f"/{name}"))
    if available_in(wallet) < 0:
        raise Conflict("The overdraft limit cannot be less than what is overdrawn.")
    before, after = audit.changes(wallet)
    if after:
        summary = f"Limits of the wallet of {wallet.account.name} changed"
        audit.record(actor, "wallet.limits_changed", wallet, summary=summary, before=before, after=after)
    movements.settle(wallet, clock.now())
    auto_top_ups.change(wallet, alerts.left_in(wallet), clock.now())
    return wallet


def _read_limit(value: Any, currency: str, pointer: str) -> Decimal:
    return parse_amount(value, currency, pointer=pointer, allow_zero=True)


def _read_threshold(value: Any, currency: str, pointer: str) -> Decimal | None:
    return None if value is None else _read_limit(value, currency, pointer)


def _read_auto_top_up(value: Any, currency: str, pointer: str) -> dict[str, str] | None:
    if value is None:
        return None
    if not isinstance(value, Mapping) or set(value) != {"threshold", "amount"}:
        raise Invalid.at(pointer, "Automatic top-up is an object with exactly `threshold` and `amount`.")
    amount = parse_amount(value["amount"], currency, pointer=f"{pointer}/amount")
    return {
        "threshold": str(_read_limit(value["threshold"], currency, f"{pointer}/threshold")),
        "amount": str(amount),
    }


def _read_cap(value: Any, currency: str, pointer: str) -> Decimal | None:
    return None if value is None else parse_amount(value, currency, pointer=pointer)


def _read_levels(value: Any, currency: str, pointer: str) -> list[str] | None:
    if value is None:
        return None
    if not isinstance(value, list | tuple) or len(value) > MOST_LEVELS:
        raise Invalid.at(pointer, f"Levels are a list of at most {MOST_LEVELS} amounts.")
    found = {_read_limit(each, currency, f"{pointer}/{n}") for n, each in enumerate(value)}
    return [str(level) for level in sorted(found, reverse=True)]


LIMITS = {
    "low_balance_threshold": _read_threshold,
    "overdraft_limit": _read_limit,
    "auto_top_up": _read_auto_top_up,
    "alert_levels": _read_levels,
    "daily_cap": _read_cap,
    "monthly_cap": _read_cap,
}
