"""What movements and holds do to the grants of a wallet: which of them pay, and which get money back.

All callers have the wallets locked, which keeps their grants as well. However many wallets a call is about,
it makes a constant number of statements, and none for wallets that never had a grant. Afterwards what a
wallet has of grants is never more than what it has free: `granted ≤ max(0, balance − held)`.
"""

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func, or_, select, text
from sqlalchemy.orm.attributes import set_committed_value

from app.db import db
from app.domain import grants as rule
from app.domain.grants import Use
from app.domain.money import plain
from app.models import Grant, GrantUse, Hold, Wallet
from app.models.wallets import TransactionKind
from app.services.bulk import insert_rows

ZERO = Decimal(0)
# These spend grants first. Whatever else takes money out of a wallet takes plain money while there is any.
SPENDING = frozenset({TransactionKind.usage, TransactionKind.debit})

KEEP_GRANTS = text("""
    UPDATE grants AS g SET remaining = k.remaining, drawn = CAST(k.drawn AS jsonb)
    FROM unnest(CAST(:ids AS uuid[]), CAST(:remaining AS numeric[]), CAST(:drawn AS text[]))
        AS k (id, remaining, drawn)
    WHERE g.id = k.id
""")
KEEP_WALLETS = text("""
    UPDATE wallets AS w SET granted = k.granted, metered = k.metered
    FROM unnest(CAST(:ids AS uuid[]), CAST(:granted AS numeric[]), CAST(:metered AS numeric[]))
        AS k (id, granted, metered)
    WHERE w.id = k.id
""")


@dataclass(frozen=True, slots=True)
class Flow:
    """A movement as the grants of its wallet see it. `amount` is what the balance rose by.

    `grant` is the grant whose money it takes out of the wallet, `undoes` the transaction that it takes back.
    """

    wallet: Wallet
    transaction_id: UUID
    kind: TransactionKind
    amount: Decimal
    balance_after: Decimal
    grant: Grant | None = None
    undoes: UUID | None = None


@dataclass(slots=True)
class Tally:
    """What a call changes, written in the end by one statement for each table."""

    at: datetime
    grants: Mapping[UUID, Sequence[Grant]]
    uses: list[dict[str, Any]] = field(default_factory=list)
    changed: dict[UUID, Grant] = field(default_factory=dict)
    wallets: dict[UUID, Wallet] = field(default_factory=dict)

    def take(self, wallet: Wallet, grant: Grant, amount: Decimal, **cause: UUID) -> None:
        """Take from a grant; below zero: give it back."""
        set_committed_value(grant, "remaining", grant.remaining - amount)
        set_committed_value(wallet, "granted", wallet.granted - amount)
        links = {"transaction_id": None, "hold_id": None, **cause}
        self.uses.append({"grant_id": grant.id, **links, "amount": amount, "created_at": self.at})
        self.changed[grant.id], self.wallets[wallet.id] = grant, wallet

    def spend(self, wallet: Wallet, amount: Decimal, **cause: UUID) -> list[tuple[Grant, Decimal]]:
        """Take up to an amount from the wallet's grants in their order, and return what each gave."""
        by_id = {grant.id: grant for grant in self.grants[wallet.id]}
        found = rule.consume([_source(grant) for grant in by_id.values()], min(amount, wallet.granted))
        spent = [(by_id[use.grant_id], use.amount) for use in found]
        for grant, taken in spent:
            self.take(wallet, grant, taken, **cause)
        return spent

    def keep(self) -> None:
        """Write everything down."""
        insert_rows(GrantUse, self.uses)
        if self.changed:
            rows = self.changed.values()
            told = {
                "ids": [row.id for row in rows],
                "remaining": [row.remaining for row in rows],
                "drawn": [_spelled(row) for row in rows],
            }
            db.session.execute(KEEP_GRANTS, told)
        if self.wallets:
            wallets = self.wallets.values()
            figures = {name: [getattr(each, name) for each in wallets] for name in ("granted", "metered")}
            db.session.execute(KEEP_WALLETS, {"ids": list(self.wallets), **figures})


def follow(flows: Sequence[Flow], at: datetime) -> list[Wallet]:
    """Let the grants follow movements that were made, in their order.

    Returns the wallets where money came back to a grant that is over: it has to lapse at once.
    """
    flows = [flow for flow in flows if flow.amount and _concerns_grants(flow)]
    if not flows:
        return []
    returns = any(flow.amount > 0 for flow in flows)
    tally = Tally(at, _grants_of({flow.wallet.id for flow in flows}, all_of_them=returns))
    for flow in flows:
        _follow(flow, tally)
    tally.keep()
    over = {grant.wallet_id for grant in tally.changed.values() if grant.remaining and is_over(grant, at)}
    return [wallet for wallet in tally.wallets.values() if wallet.id in over]


def set_aside(wallet: Wallet, amount: Decimal, *, hold_id: UUID, at: datetime) -> None:
    """Take from the grants what a hold sets aside: it was held before it expires, so it outlives that."""
    tally = Tally(at, _grants_of([wallet.id]))
    tally.spend(wallet, amount, hold_id=hold_id)
    tally.keep()


def resolve(wallet: Wallet, *, hold_id: UUID, captured: Decimal, at: datetime) -> bool:
    """Give back what a hold took from grants and did not need; True where it went to one that is over.

    What the hold held counts no longer as held.
    """
    uses = _uses(GrantUse.hold_id == hold_id)
    unused = sum((use.amount for use in uses), ZERO) - captured
    if unused <= 0:
        return False
    tally = Tally(at, _grants_of([wallet.id], all_of_them=True))
    _return_uses(wallet, uses, unused, tally, hold_id=hold_id)
    _keep_covered(wallet, wallet.balance, tally, hold_id=hold_id)
    tally.keep()
    return any(is_over(grant, at) for grant in tally.changed.values())


def admit(grant: Grant, wallet: Wallet, at: datetime) -> None:
    """Count a new grant among those of its wallet; what was overdrawn is paid from it at once."""
    db.session.flush()
    set_committed_value(wallet, "granted", wallet.granted + grant.remaining)
    tally = Tally(at, {wallet.id: [grant]}, wallets={wallet.id: wallet})
    _keep_covered(wallet, wallet.balance, tally, transaction_id=grant.transaction_id)
    tally.keep()


def over(wallets: Iterable[Wallet], at: datetime) -> list[Grant]:
    """Return the grants of these wallets that have money left and are over, the oldest first."""
    ids = [wallet.id for wallet in wallets if wallet.granted]
    if not ids:
        return []
    ended = or_(Grant.expires_at <= at, Grant.voided_at.is_not(None))
    query = select(Grant).where(Grant.wallet_id.in_(ids), Grant.remaining > 0, ended).order_by(Grant.id)
    return list(db.session.scalars(query.execution_options(populate_existing=True)))


def is_over(grant: Grant, at: datetime) -> bool:
    """Tell whether a grant can be spent no longer."""
    return grant.voided_at is not None or (grant.expires_at is not None and grant.expires_at <= at)


def _concerns_grants(flow: Flow) -> bool:
    if flow.undoes is not None and flow.amount > 0:
        return True
    return bool(flow.wallet.granted) or (
        flow.kind is TransactionKind.usage and flow.wallet.metered is not None
    )


def _follow(flow: Flow, tally: Tally) -> None:
    wallet, cause = flow.wallet, {"transaction_id": flow.transaction_id}
    if flow.grant is not None:
        tally.take(wallet, flow.grant, -flow.amount, **cause)
    elif flow.kind is TransactionKind.usage:
        _follow_usage(flow, tally)
    elif flow.kind in SPENDING and flow.amount < 0:
        tally.spend(wallet, -flow.amount, **cause)
    elif flow.undoes is not None and flow.amount > 0:
        captured = select(Hold.id).where(Hold.transaction_id == flow.undoes).scalar_subquery()
        uses = _uses(or_(GrantUse.transaction_id == flow.undoes, GrantUse.hold_id == captured))
        _return_uses(wallet, uses, flow.amount, tally, **cause)
    if flow.kind is not TransactionKind.capture:
        _keep_covered(wallet, flow.balance_after, tally, **cause)


def _follow_usage(flow: Flow, tally: Tally) -> None:
    """Raise or lower the figure of the usage that the wallet has paid, and the stretches of it with it."""
    wallet, cause = flow.wallet, {"transaction_id": flow.transaction_id}
    bottom = wallet.metered or ZERO
    height = bottom - flow.amount
    if flow.amount < 0:
        spent = tally.spend(wallet, -flow.amount, **cause)
        if not spent and wallet.metered is None:
            return
        for grant, taken in spent:
            _set_drawn(grant, rule.extend(_drawn(grant), bottom, bottom + taken))
            bottom += taken
    else:
        for grant in tally.grants[wallet.id]:
            kept, returned = rule.cut(_drawn(grant), height)
            if returned:
                _set_drawn(grant, kept)
                tally.take(wallet, grant, -returned, **cause)
    set_committed_value(wallet, "metered", height)
    tally.wallets[wallet.id] = wallet


def _keep_covered(wallet: Wallet, balance: Decimal, tally: Tally, **cause: UUID) -> None:
    """Spend of the grants what is more than the wallet has free: all of its plain money is gone."""
    excess = wallet.granted - max(ZERO, balance - wallet.held)
    if excess > 0:
        tally.spend(wallet, excess, **cause)


def _return_uses(wallet: Wallet, uses: Sequence[Use], amount: Decimal, tally: Tally, **cause: UUID) -> None:
    by_id = {grant.id: grant for grant in tally.grants[wallet.id]}
    for use in rule.give_back(uses, amount):
        tally.take(wallet, by_id[use.grant_id], -use.amount, **cause)


def _uses(condition: ColumnElement[bool]) -> list[Use]:
    """Return what grants have paid and not got back, in the order in which they paid."""
    paid = func.sum(GrantUse.amount)
    query = select(GrantUse.grant_id, paid).where(condition).group_by(GrantUse.grant_id)
    return [Use(*row) for row in db.session.execute(query.having(paid > 0).order_by(func.min(GrantUse.id)))]


def _grants_of(wallet_ids: Collection[UUID], *, all_of_them: bool = False) -> defaultdict[UUID, list[Grant]]:
    """Return the grants by wallet, freshly read: those with money left, or all where some may get it back."""
    query = select(Grant).where(Grant.wallet_id.in_(wallet_ids)).order_by(Grant.id)
    if not all_of_them:
        query = query.where(Grant.remaining > 0)
    found: defaultdict[UUID, list[Grant]] = defaultdict(list)
    for grant in db.session.scalars(query.execution_options(populate_existing=True)):
        found[grant.wallet_id].append(grant)
    return found


def _source(grant: Grant) -> rule.Source:
    return rule.Source(grant.id, grant.remaining, grant.priority, grant.expires_at, grant.created_at)


def _drawn(grant: Grant) -> list[rule.Stretch]:
    return [(Decimal(bottom), Decimal(top)) for bottom, top in grant.drawn]


def _set_drawn(grant: Grant, stretches: Sequence[rule.Stretch]) -> None:
    set_committed_value(grant, "drawn", [[plain(bottom), plain(top)] for bottom, top in stretches])


def _spelled(grant: Grant) -> str:
    return json.dumps(grant.drawn)
