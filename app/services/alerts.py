"""Telling customers that the money of a wallet runs out: once per level, until it has risen above it again.

`watch` is called with the wallet locked, after each movement and each hold. What was told stands on the
wallet's row, so the lock that keeps the balance right keeps the alerts right, and a rolled back movement
takes its alert along. A movement that falls through several levels tells of the lowest.
"""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from app.config import current_settings
from app.domain import alerts as rules
from app.domain.money import plain, quantize
from app.models import Wallet
from app.permissions import Actor
from app.sentences import Amount, sentence
from app.services import audit, auto_top_ups, notifications

SYSTEM = Actor.system("alerts")


def watch(wallets: Iterable[Wallet], at: datetime) -> None:
    """Look at locked wallets whose balance, hold or debt has moved."""
    for wallet in wallets:
        left = left_in(wallet)
        _compare(wallet, left, at)
        auto_top_ups.watch(wallet, left, at)


def left_in(wallet: Wallet) -> Decimal:
    """Return what alerts and automatic top-ups look at: balance − held − owed."""
    return rules.left(wallet.balance, wallet.held, wallet.receivable)


def levels_of(wallet: Wallet) -> list[Decimal]:
    """Return the levels of a wallet: its own, else parts of its threshold as the settings say."""
    if wallet.alert_levels is not None:
        return [Decimal(level) for level in wallet.alert_levels]
    if wallet.low_balance_threshold is None:
        return []
    parts = current_settings().low_balance_levels
    return [quantize(wallet.low_balance_threshold * Decimal(part), wallet.currency) for part in parts]


def _compare(wallet: Wallet, left: Decimal, at: datetime) -> None:
    level, before = rules.deepest(left, levels_of(wallet)), wallet.alerted_level
    if level == before:
        return
    wallet.alerted_level = level
    if level is not None and (before is None or level < before):
        _tell(wallet, level, left, at)


def _tell(wallet: Wallet, level: Decimal, left: Decimal, at: datetime) -> None:
    currency, name = wallet.currency, wallet.account.name
    summary = f"The balance fell below {plain(level)} {currency}"
    audit.record(SYSTEM, "wallet.low_balance", wallet, summary=summary, at=at, after={"balance": left})
    if left > 0:
        below = Amount(level, currency)
        title = sentence("%(account)s: the balance is below %(level)s", account=name, level=below)
        text = sentence("The prepaid balance is running low. Top up before it is used up.")
    else:
        title = sentence("%(account)s: the balance is used up", account=name)
        text = sentence(
            "The prepaid balance is used up. Usage goes on being counted, and the next top-up pays it."
        )
    facts = [
        (sentence("Left"), Amount(left, currency)),
        (sentence("Balance"), Amount(wallet.balance, currency)),
    ]
    if wallet.held:
        facts.append((sentence("Held"), Amount(wallet.held, currency)))
    if wallet.receivable:
        facts.append((sentence("Owed for usage"), Amount(wallet.receivable, currency)))
    notifications.notify(
        wallet.account.customer,
        "low_balance",
        title=title,
        text=text,
        about=wallet,
        at=at,
        tone="warning" if left > 0 else "alert",
        facts=facts,
    )
