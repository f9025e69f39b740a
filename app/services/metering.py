"""From new usage to rollups, charge positions and wallets, all in one transaction (docs/architecture.md).

A crash leaves the deltas unclaimed; nothing can be lost or counted twice. Any number of runs may go at once:
each claims other deltas, and all lock rollups, positions and wallets in this order and each kind in key
order.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select, text
from sqlalchemy.dialects.postgresql import insert

from app import clock
from app.db import db
from app.domain.aggregations import aggregations
from app.domain.money import quantize
from app.ids import new_id
from app.models import ChargePosition, Subscription, UsageDelta, Wallet
from app.services import deductions, marks, positions, rollups
from app.services.deductions import UsageItem
from app.services.positions import Addition
from app.services.rating import Place, Tariffs
from app.services.rollups import Bucket, PlaceKey

BATCH = 5_000

# Which accounts are being metered, so that `rebuild` can keep the runs away from one: class and number of
# advisory locks.
METERED_ACCOUNTS = 7_310_043
LOCKS = 256

# The claimed ids are an array, so that a long backlog is not scanned for every batch. The insert locks all
# rollups it touches, in key order; those that do not add are recomputed afterwards.
CLAIM_AND_FOLD = text("""
    WITH claimed AS (
        DELETE FROM usage_deltas WHERE id = ANY (ARRAY(
            SELECT id FROM usage_deltas ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED
        )) RETURNING account_id, metric_id, bucket_at, dimensions, quantity, events
    ), folded AS (
        SELECT account_id, metric_id, bucket_at, dimensions,
               sum(quantity) AS quantity, sum(events)::bigint AS events, count(*) AS deltas
        FROM claimed GROUP BY account_id, metric_id, bucket_at, dimensions
    ), rolled_up AS (
        INSERT INTO usage_rollups AS r (account_id, metric_id, bucket_at, dimensions, quantity, events)
        SELECT account_id, metric_id, bucket_at, dimensions, quantity, events FROM folded
        ORDER BY account_id, metric_id, bucket_at, dimensions
        ON CONFLICT (account_id, metric_id, bucket_at, dimensions)
        DO UPDATE SET quantity = r.quantity + excluded.quantity, events = r.events + excluded.events
    )
    SELECT f.account_id, f.metric_id, f.bucket_at, f.dimensions::text AS dimensions, f.quantity, f.events,
           f.deltas, m.aggregation
    FROM folded f LEFT JOIN metrics m ON m.id = f.metric_id
""")

LOCK_SHARED = text(
    "SELECT pg_advisory_xact_lock_shared(:kind, number) FROM unnest(CAST(:numbers AS int[])) AS number"
)
LOCK_ALONE = text("SELECT pg_advisory_xact_lock(:kind, :number)")

Additions = dict[PlaceKey, Addition]


def has_backlog() -> bool:
    """True when usage waits to be metered."""
    return bool(db.session.scalar(select(select(UsageDelta.id).exists())))


def drain(limit: int = BATCH, tariffs: Tariffs | None = None, *, at: datetime | None = None) -> int:
    """Meter up to `limit` of the waiting deltas and return how many it were; 0 means that none was free.

    `tariffs` given again keeps what it has learned of prices. Usage without a subscription that covers it, or
    without a price, stays rolled up and unpriced until `adopt` finds it.
    """
    rows = db.session.execute(CLAIM_AND_FOLD, {"limit": limit}).all()
    if not rows:
        return 0
    recomputed = {Bucket(*row[:4]): row.aggregation for row in rows if not _adds(row)}
    if recomputed:
        rollups.recompute(recomputed)
    accounts = {row.account_id for row in rows}
    _lock_shared(accounts)
    tariffs = tariffs or Tariffs()
    tariffs.load(accounts)
    additions = _add_up(rows, tariffs)
    moved = positions.move(additions)
    if recomputed:
        moved = _settle(additions, moved, tariffs)
    _charge(additions, moved, at or clock.now())
    marks.usage_metered((row.account_id, row.bucket_at) for row in rows)
    return sum(row.deltas for row in rows)


def adopt(subscription: Subscription) -> int:
    """Give a new subscription the usage that fell into its time already; return how many positions changed.

    Whatever another subscription of the account was charged for that usage is given back. Doing it again
    changes nothing.
    """
    return rebuild(subscription.account_id, since=subscription.start_at)


def rebuild(account_id: UUID, *, since: datetime, at: datetime | None = None, repriced: bool = False) -> int:
    """Work out the charge positions of an account anew from its rollups; return how many changed.

    All periods that end after `since` are looked at. Call it after a subscription was made, moved or ended in
    the past. `repriced`: terms changed, so what costs another price now is charged though no quantity moved.
    """
    db.session.flush()
    db.session.execute(LOCK_ALONE, {"kind": METERED_ACCOUNTS, "number": account_id.int % LOCKS})
    tariffs = Tariffs()
    tariffs.load([account_id])
    coverages = tariffs.coverages(account_id)
    if not coverages:
        return 0
    first = min(each.period_at(since).start for each in coverages)
    found = rollups.tally(db.session.execute(rollups.rollups_of(account_id, first)), tariffs)
    wanted = {
        key: Addition(each.place, each.quantity, each.events, each.groups or {})
        for key, each in found.items()
        if each.place.period.end > since
    }
    changes = _differences(wanted, _positions_since(account_id, since), tariffs)
    if not repriced:
        changes = {key: each for key, each in changes.items() if each.quantity or each.events or each.groups}
    _charge(changes, positions.move(changes), at or clock.now())
    return len(changes)


def _adds(row: Row[Any]) -> bool:
    return row.aggregation is None or aggregations[row.aggregation].adds


def _lock_shared(accounts: Collection[UUID]) -> None:
    numbers = sorted({account.int % LOCKS for account in accounts})
    db.session.execute(LOCK_SHARED, {"kind": METERED_ACCOUNTS, "numbers": numbers})


def _add_up(rows: Iterable[Row[Any]], tariffs: Tariffs) -> Additions:
    """Return what is new by charge position: nothing yet where quantities do not add."""
    found: Additions = {}
    for row in rows:
        place = tariffs.place(row.account_id, row.metric_id, row.bucket_at, row.dimensions)
        if place is not None:
            addition = found.setdefault(place.key, Addition(place))
            if place.price.adds:
                addition.take(row)
    return found


def _positions_since(account_id: UUID, since: datetime) -> list[ChargePosition]:
    query = (
        select(ChargePosition)
        .where(ChargePosition.account_id == account_id, ChargePosition.period_end > since)
        .order_by(ChargePosition.subscription_id, ChargePosition.component_id, ChargePosition.period_start)
        .with_for_update()
    )
    return list(db.session.scalars(query.execution_options(populate_existing=True)))


def _differences(wanted: Additions, held: Sequence[ChargePosition], tariffs: Tariffs) -> Additions:
    """Return what turns the positions into the wanted ones; a position that is no longer wanted goes to
    nothing."""
    changes = dict(wanted)
    coverages = {each.subscription_id: each for row in held for each in tariffs.coverages(row.account_id)}
    for row in held:
        key = (row.subscription_id, row.component_id, row.period_start)
        coverage = coverages[row.subscription_id]
        price = coverage.priced(tariffs.prices[row.component_id], row.period_start)
        place = Place(coverage, price, coverage.period_at(row.period_start))
        changes[key] = positions.difference(place, wanted.get(key) or Addition(place), row)
    return changes


def _settle(additions: Additions, moved: Sequence[Row[Any]], tariffs: Tariffs) -> list[Row[Any]]:
    """Bring the positions whose quantities do not add to what all their rollups come to; return all rows.

    The rollups are read after the positions were locked: of two runs that changed different buckets of one
    period, the second sees the bucket of the first.
    """
    settled = {key: each for key, each in additions.items() if not each.place.price.adds}
    found = rollups.tally_places([each.place for each in settled.values()], tariffs) if settled else {}
    kept = []
    for row in moved:
        key = (row.subscription_id, row.component_id, row.period_start)
        if key in settled:
            settled[key] = positions.difference(found[key].place, found[key], row)
        else:
            kept.append(row)
    additions.update(settled)
    return [*kept, *positions.move(settled)]


def _charge(additions: Additions, moved: Iterable[Row[Any]], at: datetime) -> None:
    """Charge the wallets of prepaid accounts for the difference in price of the positions that moved."""
    charged: list[tuple[UUID, Decimal]] = []
    items: defaultdict[UUID, list[UsageItem]] = defaultdict(list)
    currencies: dict[UUID, str] = {}
    for row in moved:
        addition = additions[row.subscription_id, row.component_id, row.period_start]
        coverage, price, period = addition.place
        if not coverage.prepaid:
            continue
        total = addition.place.charge(row).amount
        if total != row.charged_amount:
            charged.append((row.id, total))
            difference = quantize(total - row.charged_amount, coverage.currency)
            item = UsageItem(price.code, price.metric, period.start, addition.quantity, difference)
            items[coverage.account_id].append(item)
            currencies[coverage.account_id] = coverage.currency
    if charged:
        positions.note_charged(charged)
        wallets = _lock_wallets(currencies)
        deductions.charge_usage({wallet: items[wallet.account_id] for wallet in wallets}, at=at)


def _lock_wallets(currencies: dict[UUID, str]) -> list[Wallet]:
    """Lock the wallets of these accounts in id order; an account without one gets an empty one, and owes."""
    query = (
        select(Wallet)
        .where(Wallet.account_id.in_(currencies))
        .order_by(Wallet.id)
        .with_for_update(of=Wallet)
        .execution_options(populate_existing=True)
    )
    wallets = [each for each in db.session.scalars(query) if each.currency == currencies[each.account_id]]
    missing = currencies.keys() - {wallet.account_id for wallet in wallets}
    if not missing:
        return wallets
    rows = [{"id": new_id(), "account_id": each, "currency": currencies[each]} for each in missing]
    db.session.execute(insert(Wallet).on_conflict_do_nothing(), rows)
    return _lock_wallets(currencies)
