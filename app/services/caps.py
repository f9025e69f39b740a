"""Spending caps: how much of its money an account wants to spend on usage in a local day or month.

What usage costs is counted for every wallet as it is charged, paid or owed, in the day that it is charged. A
cap never loses usage: beyond it the entitlement says no (`spending_cap`), and what comes nevertheless counts.
"""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Row, text

from app.db import db
from app.domain.alerts import step_of_cap
from app.formatting import format_money
from app.models import Wallet
from app.models.alerts import Span
from app.permissions import Actor
from app.sentences import Amount, Sentence, sentence
from app.services import audit, notifications

SYSTEM = Actor.system("caps")
NAMES = {Span.day: "day", Span.month: "month"}
ZERO = Decimal(0)

# A local day or month begins where the account's zone says; the wallets are locked by the caller.
COUNT = text("""
    INSERT INTO wallet_spending AS s (wallet_id, span, starts_on, amount)
    SELECT w.id, spans.span, date_trunc(spans.span, CAST(:at AS timestamptz) AT TIME ZONE a.timezone)::date,
           u.amount
    FROM unnest(CAST(:ids AS uuid[]), CAST(:amounts AS numeric[])) AS u (id, amount)
    JOIN wallets w ON w.id = u.id
    JOIN accounts a ON a.id = w.account_id
    CROSS JOIN (VALUES ('day'), ('month')) AS spans (span)
    ON CONFLICT (wallet_id, span, starts_on) DO UPDATE SET amount = s.amount + excluded.amount
    RETURNING wallet_id, span, starts_on, amount, told
""")
TOLD = text("""
    UPDATE wallet_spending SET told = :told
    WHERE wallet_id = :wallet_id AND span = :span AND starts_on = :starts_on
""")
SPENT = text("""
    SELECT s.span, s.amount FROM wallet_spending s
    JOIN wallets w ON w.id = s.wallet_id
    JOIN accounts a ON a.id = w.account_id
    WHERE s.wallet_id = :wallet_id
      AND s.starts_on = date_trunc(s.span, CAST(:at AS timestamptz) AT TIME ZONE a.timezone)::date
""")


def count(amounts: Mapping[Wallet, Decimal], at: datetime) -> None:
    """Count what usage cost locked wallets, and tell those that come near a cap, once per day or month."""
    moved = {wallet.id: amount for wallet, amount in amounts.items() if amount}
    if not moved:
        return
    wallets = {wallet.id: wallet for wallet in amounts}
    given = {"at": at, "ids": list(moved), "amounts": list(moved.values())}
    for row in db.session.execute(COUNT, given).all():
        wallet = wallets[row.wallet_id]
        cap = cap_of(wallet, Span(row.span))
        if cap is not None and (step := step_of_cap(row.amount, cap)) > row.told:
            _tell(wallet, row, cap, step, at)


def cap_of(wallet: Wallet, span: Span) -> Decimal | None:
    """Return a wallet's cap for a day or a month, None where it has none."""
    return wallet.daily_cap if span is Span.day else wallet.monthly_cap


def spent(wallet: Wallet, *, at: datetime) -> dict[Span, Decimal]:
    """Return what usage cost in the local day and month of `at`."""
    rows = db.session.execute(SPENT, {"wallet_id": wallet.id, "at": at})
    return dict.fromkeys(Span, ZERO) | {Span(row.span): row.amount for row in rows}


def is_reached(wallet: Wallet, *, at: datetime) -> bool:
    """Tell whether a cap of the wallet is used up; asks nothing where there is none."""
    caps = {span: cap for span in Span if (cap := cap_of(wallet, span)) is not None}
    if not caps:
        return False
    found = spent(wallet, at=at)
    return any(found[span] >= cap for span, cap in caps.items())


def _tell(wallet: Wallet, row: Row[Any], cap: Decimal, step: int, at: datetime) -> None:
    starts_on: date = row.starts_on
    key = {"wallet_id": row.wallet_id, "span": row.span, "starts_on": starts_on}
    db.session.execute(TOLD, {**key, "told": step})
    name, shown = NAMES[Span(row.span)], format_money(cap, wallet.currency)
    reached = step == 100
    title, text = _words(Span(row.span), reached, wallet.account.name, step)
    audit.record(
        SYSTEM,
        "wallet.cap_reached" if reached else "wallet.cap_near",
        wallet,
        summary=f"{step} % of the cap of the {name} ({shown}) are spent",
        at=at,
        after={"spent": row.amount, "cap": cap, "starts_on": starts_on.isoformat()},
    )
    notifications.notify(
        wallet.account.customer,
        "spending_cap",
        title=title,
        text=text,
        about=wallet,
        at=at,
        tone="alert" if reached else "warning",
        facts=[
            (sentence("Spent"), Amount(row.amount, wallet.currency)),
            (sentence("Cap"), Amount(cap, wallet.currency)),
        ],
    )


def _words(span: Span, reached: bool, account: str, step: int) -> tuple[Sentence, Sentence]:
    """Return title and text: whole sentences for each span, since languages bend their words."""
    if span is Span.day:
        spent = sentence("Usage has cost %(step)s %% of what you want to spend in a day.", step=step)
        if reached:
            title = sentence("%(account)s: the cap of the day is reached", account=account)
            then = sentence("Services that ask are told to stop until the day is over or the cap is raised.")
        else:
            title = sentence("%(account)s: the cap of the day is nearly reached", account=account)
            then = sentence("Once it is reached, services that ask are told to stop until the day is over.")
    else:
        spent = sentence("Usage has cost %(step)s %% of what you want to spend in a month.", step=step)
        if reached:
            title = sentence("%(account)s: the cap of the month is reached", account=account)
            then = sentence(
                "Services that ask are told to stop until the month is over or the cap is raised."
            )
        else:
            title = sentence("%(account)s: the cap of the month is nearly reached", account=account)
            then = sentence("Once it is reached, services that ask are told to stop until the month is over.")
    return title, Sentence("%(spent)s %(then)s", {"spent": spent, "then": then})
