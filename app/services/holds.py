"""Holds: money set aside in a wallet for something to come, resolved exactly once (docs/api/holds.md).

A hold moves no money and posts nothing; it counts against what is available. Taking it, or a part of it, is
one movement; what was not taken is free again. Whoever changes a hold has its wallet locked, the wallet
first.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from app.db import db, in_transaction, lock
from app.domain.money import quantize
from app.domain.states import move
from app.errors import Invalid, NotFound
from app.models import Hold, Wallet
from app.models.holds import HoldState
from app.models.wallets import Book, TransactionKind
from app.permissions import Actor
from app.services import alerts, audit, grants, movements
from app.services.inputs import refusals
from app.services.wallet_rules import locked, need_active, need_available, need_reason, read_amount

ZERO = movements.ZERO
EXPIRY = Actor.system("holds")
AT_ONCE = 100


def get(wallet: Wallet, hold_id: UUID) -> Hold:
    """Return a hold of this wallet.

    Raises:
        NotFound: it has no such hold.
    """
    hold = db.session.get(Hold, hold_id)
    if hold is None or hold.wallet_id != wallet.id:
        raise NotFound("There is no such hold.")
    return hold


def place(
    wallet: Wallet,
    amount: object,
    *,
    at: datetime,
    actor: Actor,
    reason: str,
    expires_at: datetime | None = None,
    reference: str | None = None,
) -> Hold:
    """Set money aside, until `expires_at` or until the hold is resolved.

    Raises:
        InsufficientFunds: the wallet has less available; nothing is written.
        Invalid: the amount is zero, negative, too precise or too large, the reason is missing, or
            `expires_at` is not after `at`.
        CurrencyMismatch: the amount is in another currency.
        Conflict: the wallet is frozen or closed.
    """
    wallet = locked(wallet)
    asked = read_amount(amount, wallet)
    need_reason(reason)
    if expires_at is not None and expires_at <= at:
        raise Invalid.at("/expires_at", "A hold ends in the future.", code="in_the_past")
    need_active(wallet)
    refresh(wallet, at)
    need_available(wallet, asked)
    hold = Hold(
        wallet_id=wallet.id,
        wallet=wallet,
        amount=asked,
        captured=ZERO,
        currency=wallet.currency,
        state=HoldState.open,
        reason=reason,
        reference=reference,
        actor=actor.label,
        expires_at=expires_at,
        created_at=at,
    )
    db.session.add(hold)
    wallet.held += asked
    grants.set_aside(wallet, hold, at)
    alerts.watch([wallet], at)
    _note(actor, hold, f"{asked} {wallet.currency} held: {reason}", at)
    return hold


def capture(
    hold: Hold, *, at: datetime, actor: Actor, amount: object = None, reason: str | None = None
) -> Hold:
    """Take what was set aside, all of it or the `amount`; the rest is released.

    Raises:
        IllegalTransition: it is resolved, or its time is over.
        Invalid: the amount is zero, negative, too precise, or more than is held.
        CurrencyMismatch: the amount is in another currency.
        Conflict: the wallet is frozen.
    """
    wallet, hold = _locked(hold)
    _need_open(hold, HoldState.captured, at)
    taken = hold.amount if amount is None else read_amount(amount, wallet)
    if taken > hold.amount:
        whole = quantize(hold.amount, hold.currency)
        raise Invalid.at("/amount", f"Only {whole} {hold.currency} is held.", code="too_large")
    need_active(wallet)
    wallet.held -= hold.amount
    transaction = movements.post_one(
        movements.Move(
            TransactionKind.capture,
            wallet,
            {Book.wallet: -taken, Book.adjustment: taken},
            reason or hold.reason,
            actor.label,
            hold.reference or f"hold:{hold.id}",
        ),
        at,
    )
    hold.state, hold.resolved_at, hold.captured = HoldState.captured, at, taken
    hold.transaction = transaction
    grants.resolve(wallet, hold, at)
    shown = quantize(taken, hold.currency)
    _note(actor, hold, f"{shown} {hold.currency} taken from a hold: {transaction.reason}", at)
    _settle(wallet, at)
    return hold


def release(hold: Hold, *, at: datetime, actor: Actor, reason: str | None = None) -> Hold:
    """Let go of a hold; its money can be spent again, and pays what usage owes first.

    Raises:
        IllegalTransition: it is resolved, or its time is over.
    """
    wallet, hold = _locked(hold)
    _need_open(hold, HoldState.released, at)
    _let_go(hold, wallet, HoldState.released, at, actor, reason)
    _settle(wallet, at)
    return hold


def refresh(wallet: Wallet, at: datetime) -> None:
    """Let go of what is over in a locked wallet: expired holds, then grants that have lapsed.

    Whoever is about to ask what the wallet has available calls this; where there are none of them nothing is
    asked.
    """
    release_expired(wallet, at)
    movements.lapse([wallet], at)


def release_expired(wallet: Wallet, at: datetime) -> int:
    """Let go of the holds of a locked wallet whose time is over, and return how many there were."""
    if not wallet.held:
        return 0
    query = select(Hold).where(
        Hold.wallet_id == wallet.id, Hold.state == HoldState.open, Hold.expires_at <= at
    )
    query = query.order_by(Hold.id).execution_options(populate_existing=True)
    over = list(db.session.scalars(query))
    for hold in over:
        _let_go(hold, wallet, HoldState.expired, at, EXPIRY, None)
    if over:
        _settle(wallet, at)
    return len(over)


def expire_all(at: datetime) -> int:
    """Let go of every hold whose time is over, wallet by wallet, and return how many there were.

    Call it with no transaction open.
    """
    due = select(Hold.wallet_id).where(Hold.state == HoldState.open, Hold.expires_at <= at)
    due = due.distinct().order_by(Hold.wallet_id).limit(AT_ONCE)
    expired = 0
    while wallet_ids := in_transaction(lambda: list(db.session.scalars(due))):
        for wallet_id in wallet_ids:
            expired += in_transaction(lambda one=wallet_id: _expire_in(one, at))  # type: ignore[misc]
    return expired


def has_expired(at: datetime) -> bool:
    """Tell whether the time of an open hold is over."""
    query = select(Hold.id).where(Hold.state == HoldState.open, Hold.expires_at <= at)
    return bool(db.session.scalar(select(query.exists())))


def state_at(hold: Hold, at: datetime) -> HoldState:
    """Return how a hold stands: one whose time is over has expired, whether anybody has noted it or not."""
    over = hold.state is HoldState.open and hold.expires_at is not None and hold.expires_at <= at
    return HoldState.expired if over else hold.state


def _expire_in(wallet_id: UUID, at: datetime) -> int:
    (wallet,) = lock(Wallet, [wallet_id])
    return release_expired(wallet, at)


def _locked(hold: Hold) -> tuple[Wallet, Hold]:
    wallet = locked(hold.wallet)
    (hold,) = lock(Hold, [hold.id])
    return wallet, hold


def _need_open(hold: Hold, target: HoldState, at: datetime) -> None:
    with refusals():
        move("hold", state_at(hold, at), target)


def _let_go(
    hold: Hold, wallet: Wallet, state: HoldState, at: datetime, actor: Actor, reason: str | None
) -> None:
    hold.state, hold.resolved_at = state, at
    wallet.held -= hold.amount
    grants.resolve(wallet, hold, at)
    why = f": {reason}" if reason else ""
    _note(actor, hold, f"Hold of {quantize(hold.amount, hold.currency)} {hold.currency} {state}{why}", at)


def _settle(wallet: Wallet, at: datetime) -> None:
    """Use what has become free: it pays what usage owes, and grants that are over lapse."""
    movements.settle(wallet, at)
    alerts.watch([wallet], at)


def _note(actor: Actor, hold: Hold, summary: str, at: datetime) -> None:
    action = "placed" if hold.state is HoldState.open else str(hold.state)
    after = {
        "wallet_id": hold.wallet_id,
        "state": hold.state,
        "amount": quantize(hold.amount, hold.currency),
        "captured": quantize(hold.captured, hold.currency),
    }
    audit.record(actor, f"hold.{action}", hold, summary=summary, at=at, after=after)
