"""Grants: credit of a wallet that is spent before its plain money and may expire (docs/api/grants.md).

A grant begins when it is given. What it pays and gets back is in `grant_uses`, its end in `movements.lapse`.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, select

from app.db import db, in_transaction, lock
from app.domain.money import quantize
from app.errors import Conflict, Invalid, NotFound
from app.models import Grant, Hold, Wallet, WalletTransaction
from app.models.grants import GrantKind
from app.models.wallets import Book, TransactionKind, WalletStatus
from app.permissions import Actor
from app.services import audit, grant_uses, inputs, movements
from app.services.inputs import refusals
from app.services.movements import GIVEN_FROM, Move
from app.services.wallet_rules import locked, need_reason, read_amount

USUAL_PRIORITY = 50
PRIORITY = inputs.whole(0, 1_000)
KIND = inputs.choice(GrantKind)
AT_ONCE = 200


def give(
    wallet: Wallet,
    amount: object,
    *,
    at: datetime,
    actor: Actor,
    reason: str,
    kind: str = GrantKind.promotional,
    priority: int = USUAL_PRIORITY,
    expires_at: datetime | None = None,
    reference: str | None = None,
) -> Grant:
    """Give a wallet credit: `promotional`, which nobody paid, or `purchased`, whose money has arrived.

    What is overdrawn and what usage owes is paid from it at once.

    Raises:
        Invalid: the amount is zero, negative, too precise or too large, the kind or priority is none, the
            reason is missing, or `expires_at` is not after `at`.
        CurrencyMismatch: the amount is in another currency.
        Conflict: the wallet is closed.
    """
    wallet = locked(wallet)
    given = read_amount(amount, wallet)
    need_reason(reason)
    with refusals():
        found, place = KIND(kind, "/kind"), PRIORITY(priority, "/priority")
    if expires_at is not None and expires_at <= at:
        raise Invalid.at("/expires_at", "A grant expires in the future.", code="in_the_past")
    if wallet.status is WalletStatus.closed:
        raise Conflict("The wallet is closed.")
    movements.lapse([wallet], at)
    sides = {Book.wallet: given, GIVEN_FROM[found]: -given}
    move = Move(TransactionKind.grant, wallet, sides, reason, actor.label, reference)
    grant = Grant(
        wallet=wallet,
        kind=found,
        amount=given,
        remaining=given,
        currency=wallet.currency,
        priority=place,
        expires_at=expires_at,
        reason=reason,
        reference=reference,
        actor=actor.label,
        drawn=[],
        transaction=movements.post_one(move, at),
        created_at=at,
    )
    db.session.add(grant)
    grant_uses.admit(grant, wallet, at)
    _note(actor, "grant.given", f"{given} {wallet.currency} granted: {reason}", grant, at)
    movements.settle(wallet, at)
    return grant


def void(grant: Grant, *, at: datetime, actor: Actor, reason: str) -> Grant:
    """Take back what is left of a grant; what was spent of it stays spent.

    Raises:
        Conflict: it has expired, was voided before, or nothing is left of it.
        Invalid: the reason is missing.
    """
    wallet = locked(grant.wallet)
    (grant,) = lock(Grant, [grant.id])
    need_reason(reason)
    if state_of(grant, at) != "live":
        raise Conflict(f"The grant is {state_of(grant, at)}: there is nothing to take back.")
    left = quantize(grant.remaining, grant.currency)
    sides = {Book.wallet: -grant.remaining, GIVEN_FROM[grant.kind]: grant.remaining}
    move = Move(
        TransactionKind.reversal, wallet, sides, reason, actor.label, f"grant:{grant.id}", grant=grant
    )
    movements.post([move], at)
    grant.voided_at = at
    _note(actor, "grant.voided", f"{left} {grant.currency} of a grant taken back: {reason}", grant, at)
    return grant


def set_aside(wallet: Wallet, hold: Hold, at: datetime) -> None:
    """Take from the grants of a locked wallet what a new hold sets aside, so that it outlives their end."""
    if wallet.granted:
        db.session.flush()
        grant_uses.set_aside(wallet, hold.amount, hold_id=hold.id, at=at)


def resolve(wallet: Wallet, hold: Hold, at: datetime) -> None:
    """Give the grants of a locked wallet back what a hold did not take; what goes to one that is over lapses.

    The wallet's `held` no longer counts the hold.
    """
    if grant_uses.resolve(wallet, hold_id=hold.id, captured=hold.captured, at=at):
        movements.lapse([wallet], at)


def get(wallet: Wallet, grant_id: UUID) -> Grant:
    """Return a grant of this wallet.

    Raises:
        NotFound: it has no such grant.
    """
    grant = db.session.get(Grant, grant_id)
    if grant is None or grant.wallet_id != wallet.id:
        raise NotFound("There is no such grant.")
    return grant


def of(transaction: WalletTransaction) -> Grant:
    """Return the grant that a transaction of kind `grant` gave."""
    return db.session.scalars(select(Grant).where(Grant.transaction_id == transaction.id)).one()


def live(wallet: Wallet, at: datetime) -> list[Grant]:
    """Return the grants that the wallet can spend, in the order in which it will."""
    query = select(Grant).where(Grant.wallet_id == wallet.id, Grant.remaining > 0)
    query = query.order_by(Grant.priority, Grant.expires_at.asc().nulls_last(), Grant.created_at, Grant.id)
    return [grant for grant in db.session.scalars(query) if not grant_uses.is_over(grant, at)]


def state_of(grant: Grant, at: datetime) -> str:
    """Return `live`, `spent`, `expired` or `voided`, whether the end was noted or not."""
    if grant.voided_at is not None:
        return "voided"
    if grant_uses.is_over(grant, at):
        return "expired"
    return "live" if grant.remaining else "spent"


def has_expired(at: datetime) -> bool:
    """Tell whether a grant that is over has money left."""
    return bool(db.session.scalar(select(_over(at).exists())))


def expire_all(at: datetime) -> int:
    """Let every grant lapse that is over, some wallets at a time, and return how many there were.

    Call it with no transaction open.
    """
    lapsed = 0
    while wallet_ids := in_transaction(lambda: _wallets_over(at)):
        lapsed += in_transaction(lambda some=wallet_ids: movements.lapse(lock(Wallet, some), at))  # type: ignore[misc]
    return lapsed


def _over(at: datetime) -> Select[UUID]:
    return select(Grant.wallet_id).where(Grant.expires_at <= at, Grant.remaining > 0)


def _wallets_over(at: datetime) -> Sequence[UUID]:
    chosen = _over(at).distinct().order_by(Grant.wallet_id).limit(AT_ONCE)
    return db.session.scalars(chosen).all()


def _note(actor: Actor, action: str, summary: str, grant: Grant, at: datetime) -> None:
    after = {
        "wallet_id": grant.wallet_id,
        "kind": grant.kind,
        "amount": quantize(grant.amount, grant.currency),
        "remaining": quantize(grant.remaining, grant.currency),
        "priority": grant.priority,
        "expires_at": grant.expires_at,
    }
    audit.record(actor, action, grant, summary=summary, at=at, after=after)
