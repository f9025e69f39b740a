"""The second person: what staff do with money above a limit waits until somebody else approves it.

A movement that a person may ask for is an entry of `money_operations`. `ask` does it at once, or keeps it as
a request that `approve` carries out once, in the transaction of the approval.

The limit is for people. Services with a key or a token, commands and jobs are trusted with what their scopes
allow; none of them decides on a request, so nobody approves through a key what they asked for themselves.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, literal, select
from sqlalchemy.orm import joinedload

from app.config import current_settings
from app.db import db, lock
from app.domain.money import quantize
from app.domain.states import move
from app.errors import Conflict, Forbidden, NotFound
from app.models import Account, Approval, ApprovalLimit, Wallet, WalletTransaction
from app.models.approvals import ApprovalStatus
from app.permissions import Actor, Verb, allows
from app.sentences import Amount, Sentence, sentence
from app.services import audit, cache, notifications, wallets
from app.services.inputs import refusals
from app.services.money_operations import Asked, MoneyOperation, operations
from app.services.notifications import Reader
from app.services.wallet_rules import need_reason, read_amount

SYSTEM = Actor.system("approvals")
MARK = "approvals"


def ask(
    name: str,
    wallet: Wallet,
    amount: object,
    *,
    at: datetime,
    actor: Actor,
    reason: str,
    reference: str | None = None,
    details: Mapping[str, Any] | None = None,
) -> WalletTransaction | Approval:
    """Do a movement, or keep it as a request where it needs a second person; it is tried first, so that what
    would be refused now is not asked for.

    Raises:
        UnknownName: there is no such operation.
        DomainError: as the operation itself; then there is no request either.
    """
    operation = operations[name]
    need_reason(reason)
    asked = Asked(wallet, read_amount(amount, wallet), reason, reference, details or {})
    if not needs_second_person(asked.amount, wallet.currency, actor):
        return operation.perform(asked, at, actor)
    _try(operation, asked, at, actor)
    approval = Approval(
        operation=name,
        wallet=wallet,
        amount=asked.amount,
        currency=wallet.currency,
        reason=reason,
        reference=reference,
        details=dict(asked.details),
        requested_by_id=UUID(actor.id),
        requested_by=actor.label,
        expires_at=at + timedelta(days=current_settings().approval_days),
    )
    db.session.add(approval)
    _note(actor, approval, "requested", f"asked for: {reason}", at)
    _tell_others(approval, at)
    return approval


def ask_reversal(
    transaction: WalletTransaction, *, at: datetime, actor: Actor, reason: str
) -> WalletTransaction | Approval:
    """Take a transaction back, or ask a second person to; raises as `wallets.reverse`."""
    # What moved no money is for `reverse` to refuse or to do: there is nothing to approve.
    if not transaction.amount:
        return wallets.reverse(transaction, at=at, actor=actor, reason=reason)
    return ask(
        "reversal",
        transaction.wallet,
        abs(transaction.amount),
        at=at,
        actor=actor,
        reason=reason,
        reference=transaction.reference,
        details={"transaction_id": str(transaction.id)},
    )


def limit_of(currency: str) -> Decimal | None:
    """Return up to which amount one person is enough, None where there is no limit."""
    return db.session.scalar(select(ApprovalLimit.amount).where(ApprovalLimit.currency == currency))


def needs_second_person(amount: Decimal, currency: str, actor: Actor) -> bool:
    """Tell whether a movement of this actor has to be approved by somebody else."""
    limit = limit_of(currency) if actor.kind == "user" else None
    return limit is not None and amount > limit


def approve(approval: Approval, *, at: datetime, actor: Actor) -> Approval:
    """Carry a request out, with its own reason and under both names; a second call finds it decided.

    Raises:
        Forbidden: the actor is no person, may not approve, or asked for it.
        IllegalTransition: it was decided before.
        Conflict: its time has run out.
        DomainError: the movement is refused now (the money may be gone); the request stays open.
    """
    row = _open(approval, ApprovalStatus.approved, at, actor)
    both = replace(actor, label=f"{row.requested_by}, approved by {actor.label}")
    asked = Asked(row.wallet, row.amount, row.reason, row.reference, row.details)
    made = operations[row.operation].perform(asked, at, both)
    row.transaction_id = made.id
    _decide(row, ApprovalStatus.approved, at, actor, None)
    return row


def refuse(approval: Approval, *, reason: str, at: datetime, actor: Actor) -> Approval:
    """Turn a request down.

    Raises:
        Invalid: the reason is missing.
        Forbidden, IllegalTransition, Conflict: as `approve`.
    """
    need_reason(reason)
    row = _open(approval, ApprovalStatus.refused, at, actor)
    _decide(row, ApprovalStatus.refused, at, actor, reason)
    return row


def withdraw(approval: Approval, *, at: datetime, actor: Actor) -> Approval:
    """Take one's own request back.

    Raises:
        Forbidden: somebody else asked for it.
        IllegalTransition: it was decided before.
    """
    row = _locked(approval)
    if not is_own(row, actor):
        raise Forbidden("Only who asked for it can withdraw it. You can refuse it.")
    with refusals():
        move("approval", row.status, ApprovalStatus.withdrawn)
    _decide(row, ApprovalStatus.withdrawn, at, actor, None)
    return row


def expire(*, at: datetime) -> int:
    """Close the requests whose time has run out; return how many."""
    due = select(Approval).where(_waiting(), Approval.expires_at <= at).order_by(Approval.id)
    rows = list(db.session.scalars(due.with_for_update(of=Approval, skip_locked=True)))
    for row in rows:
        row.status = ApprovalStatus(move("approval", row.status, ApprovalStatus.expired))
        row.decided_at = at
        notifications.settle(row, at=at)
        _note(SYSTEM, row, "expired", "expired: nobody decided in time", at)
    return len(rows)


def has_overdue() -> bool:
    """Tell whether a request waits whose time has run out."""
    query = select(Approval.id).where(_waiting(), Approval.expires_at <= func.now()).limit(1)
    return db.session.scalar(query) is not None


def get(approval_id: UUID) -> Approval:
    """Return a request.

    Raises:
        NotFound: there is none with this id.
    """
    found = db.session.get(Approval, approval_id)
    if found is None:
        raise NotFound("There is no such request.")
    return found


def waiting_for(actor: Actor, *, most: int = 50) -> list[Approval]:
    """Return the requests that this person can decide on, the oldest first, with wallet and account."""
    if not may_decide(actor):
        return []
    others = select(Approval).where(_waiting(), Approval.requested_by_id != UUID(actor.id))
    query = others.options(
        joinedload(Approval.wallet, innerjoin=True)
        .joinedload(Wallet.account, innerjoin=True)
        .joinedload(Account.customer, innerjoin=True)
    )
    return list(db.session.scalars(query.order_by(Approval.id).limit(most)))


def count_for(user: Reader) -> Select[int]:
    """Return the query for how many requests wait for a person."""
    if not allows(user.role, "approvals", Verb.write):
        return select(literal(0))
    return select(func.count()).select_from(Approval).where(_waiting(), Approval.requested_by_id != user.id)


def may_decide(actor: Actor) -> bool:
    """Tell whether this actor may decide on requests of others."""
    return actor.kind == "user" and allows(actor, "approvals", Verb.write)


def is_own(approval: Approval, actor: Actor) -> bool:
    """Tell whether this person asked for it."""
    return actor.kind == "user" and actor.id == str(approval.requested_by_id)


def _waiting() -> ColumnElement[bool]:
    return Approval.status == ApprovalStatus.requested


def _try(operation: MoneyOperation, asked: Asked, at: datetime, actor: Actor) -> None:
    """Do a movement and take it back, for its refusals."""
    db.session.flush()
    attempt = db.session.begin_nested()
    try:
        operation.perform(asked, at, actor)
    finally:
        attempt.rollback()
        db.session.expire(asked.wallet)


def _open(approval: Approval, target: ApprovalStatus, at: datetime, actor: Actor) -> Approval:
    """Lock a request that this actor may bring to `target`."""
    if not may_decide(actor):
        raise Forbidden("Requests are decided by people with the right to approve.")
    row = _locked(approval)
    if is_own(row, actor):
        raise Forbidden("You asked for this yourself: somebody else has to decide.")
    with refusals():
        move("approval", row.status, target)
    if row.expires_at <= at:
        raise Conflict("The request has expired. It has to be made again.")
    return row


def _locked(approval: Approval) -> Approval:
    found = lock(Approval, [approval.id])
    if not found:
        raise NotFound("There is no such request.")
    return found[0]


def _decide(row: Approval, status: ApprovalStatus, at: datetime, actor: Actor, reason: str | None) -> None:
    row.status, row.decided_at, row.decision_reason = status, at, reason
    row.decided_by_id, row.decided_by = UUID(actor.id), actor.label
    notifications.settle(row, at=at)
    _note(actor, row, status, f"{status}{': ' + reason if reason else ''}", at)


def _tell_others(row: Approval, at: datetime) -> None:
    """Tell those who may decide, other than who asked."""
    notifications.notify(
        None,
        "approval",
        title=sentence(
            "%(operation)s of %(amount)s for %(account)s waits for a second person",
            operation=Sentence(operations[row.operation].label),
            amount=Amount(row.amount, row.currency),
            account=row.wallet.account.name,
        ),
        text=sentence("%(person)s asked for it: %(reason)s", person=row.requested_by, reason=row.reason),
        about=row,
        at=at,
        tone="action",
    )
    notifications.settle(row, at=at, by=row.requested_by_id)


def _note(actor: Actor, row: Approval, done: str, told: str, at: datetime) -> None:
    cache.changed([MARK])
    amount = quantize(row.amount, row.currency)
    label = operations[row.operation].label
    summary = f"{label} of {amount} {row.currency} for {row.wallet.account.name} {told}"
    after = {
        "status": row.status,
        "operation": row.operation,
        "wallet_id": row.wallet_id,
        "amount": amount,
        "reason": row.reason,
        "requested_by": row.requested_by,
        "decided_by": row.decided_by,
        "transaction_id": row.transaction_id,
    }
    audit.record(actor, f"approval.{done}", row, summary=summary, at=at, after=after)
