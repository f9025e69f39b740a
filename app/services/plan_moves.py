"""Bringing the subscriptions of a plan to one of its versions: shown first, then done one by one.

Who subscribed keeps the prices; this is the explicit, dated act that ends it. A move is its
rows, as a billing run is: a killed one is resumed, two at once share the work, twice changes nothing.
"""

import logging
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from uuid import UUID

from sqlalchemy import ColumnElement, func, or_, select, update
from sqlalchemy.exc import DataError, IntegrityError
from sqlalchemy.orm import joinedload

from app.db import db, in_transaction
from app.errors import DomainError, Invalid, NotFound
from app.ids import new_id
from app.models import PlanMove, PlanMoveItem, PlanVersion, Subscription
from app.models.plan_moves import MoveItemStatus, MoveStatus
from app.models.plans import VersionStatus
from app.permissions import Actor
from app.queue import enqueue
from app.services import audit, plans, segments, subscription_changes
from app.services.subscription_changes import PERIOD_END

JOB = "jobs.plan_moves.move_subscriptions"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Planned:
    """One subscription and the first instant of its new version; `problem` says why it would stay."""

    subscription: Subscription
    at: datetime | None
    problem: str | None = None


def look(
    target: PlanVersion,
    *,
    when: str,
    at: datetime,
    from_version: int | None = None,
    subscription_ids: Collection[UUID] | None = None,
) -> list[Planned]:
    """Return what a move would do to each subscription, the oldest first; nothing is written.

    All subscriptions of the plan are meant that are on another version and have not ended, or those on
    `from_version`, or those that are named by the id of any of their segments.

    Raises:
        NotFound: there is no such version or subscription.
        Invalid: the version is not published; `when` is neither `period_end` nor a day.
    """
    if target.status is not VersionStatus.published:
        message = f"{target.label} is {target.status}, not published."
        raise Invalid.at("/version", message, code="not_published")
    if when == subscription_changes.NOW:
        raise Invalid.at("/when", "Write period_end, or a day such as 2026-11-15.", code="not_a_moment")
    chosen: list[ColumnElement[bool]] = [Subscription.plan_id == target.plan_id]
    if from_version is not None:
        chosen.append(Subscription.plan_version_id == plans.get_version(target.plan.code, from_version).id)
    if subscription_ids is not None:
        chosen.append(Subscription.origin_id.in_(_origins(target, subscription_ids)))
    return [_planned(row, target, when, at) for row in _running(chosen, target, at)]


def start(
    target: PlanVersion,
    *,
    when: str,
    at: datetime,
    actor: Actor,
    from_version: int | None = None,
    subscription_ids: Collection[UUID] | None = None,
) -> PlanMove:
    """Begin the move that `look` shows; workers do the subscriptions.

    Raises:
        NotFound, Invalid: as `look` says.
    """
    found = look(target, when=when, at=at, from_version=from_version, subscription_ids=subscription_ids)
    move = PlanMove(
        version=target,
        on_day=None if when == PERIOD_END else subscription_changes.day_of(when),
        started_by=actor.label,
        status=MoveStatus.running,
    )
    db.session.add(move)
    db.session.flush()
    db.session.add_all(
        PlanMoveItem(
            id=new_id(),
            move_id=move.id,
            subscription_id=each.subscription.id,
            from_version_id=each.subscription.plan_version_id,
        )
        for each in found
    )
    summary = f"A move of {len(found)} subscriptions to {target.label} was started"
    after = {"version": target.label, "when": when, "subscriptions": len(found)}
    audit.record(actor, "plan_move.started", move, summary=summary, at=at, after=after)
    enqueue(JOB, str(move.id))
    return move


def work(move_id: UUID, *, at: datetime, actor: Actor) -> Iterator[MoveItemStatus]:
    """Move the pending subscriptions of a move, each in a transaction of its own; yield what became of each.

    Raises:
        NotFound: there is no such move.
    """
    for item_id in in_transaction(partial(_pending, move_id)):
        try:
            done = in_transaction(partial(_move, item_id, at, actor))
        except DomainError as error:
            done = in_transaction(partial(_fail, item_id, error.message))
        except (DataError, IntegrityError):
            log.exception("subscription not moved", extra={"item": str(item_id)})
            done = in_transaction(partial(_fail, item_id, "The database refused it: see the log."))
        if done is not None:
            yield done
    in_transaction(partial(_finish, move_id, at))


def get(move_id: UUID) -> PlanMove:
    """Return the move with this id.

    Raises:
        NotFound: there is none.
    """
    found = db.session.get(PlanMove, move_id)
    if found is None:
        raise NotFound("There is no such move.")
    return found


def progress(move_id: UUID) -> dict[MoveItemStatus, int]:
    """Return how many subscriptions of a move stand where."""
    query = select(PlanMoveItem.status, func.count()).where(PlanMoveItem.move_id == move_id)
    found = {row[0]: row[1] for row in db.session.execute(query.group_by(PlanMoveItem.status))}
    return {status: found.get(status, 0) for status in MoveItemStatus}


def unfinished() -> list[UUID]:
    """Return the moves that are not done, the oldest first."""
    query = select(PlanMove.id).where(PlanMove.status == MoveStatus.running).order_by(PlanMove.id)
    return list(db.session.scalars(query))


def has_unfinished() -> bool:
    """True when a move is not done."""
    return bool(unfinished())


def _running(
    chosen: Collection[ColumnElement[bool]], target: PlanVersion, at: datetime
) -> list[Subscription]:
    query = (
        select(Subscription)
        .where(
            *chosen,
            Subscription.plan_version_id != target.id,
            or_(Subscription.end_at.is_(None), Subscription.end_at > at),
            or_(Subscription.end_at.is_(None), Subscription.end_at > Subscription.start_at),
        )
        .options(
            joinedload(Subscription.account, innerjoin=True),
            joinedload(Subscription.plan, innerjoin=True),
            joinedload(Subscription.version, innerjoin=True).joinedload(PlanVersion.plan, innerjoin=True),
        )
        .order_by(Subscription.id)
    )
    return list(db.session.scalars(query))


def _origins(target: PlanVersion, ids: Collection[UUID]) -> set[UUID]:
    query = select(Subscription.id, Subscription.origin_id).where(
        Subscription.id.in_(ids), Subscription.plan_id == target.plan_id
    )
    found = {row.id: row.origin_id for row in db.session.execute(query)}
    missing = [each for each in ids if each not in found]
    if missing:
        message = f"{missing[0]} is no subscription to {target.plan.code}."
        raise Invalid.at("/subscription_ids", message, code="not_found")
    return set(found.values())


def _planned(row: Subscription, target: PlanVersion, when: str, at: datetime) -> Planned:
    if row.end_at is not None:
        return Planned(row, None, f"It ends on {segments.local_day(row, row.end_at)}, or changes then.")
    begins_at = subscription_changes.moment(row, when, at)
    if begins_at < row.start_at:
        return Planned(row, None, f"It begins on {segments.local_day(row, row.start_at)}, after that day.")
    if not plans.has_price_in(target, row.account.currency):
        return Planned(row, None, f"{target.label} has no price in {row.account.currency}.")
    return Planned(row, begins_at)


def _pending(move_id: UUID) -> list[UUID]:
    get(move_id)
    waiting = select(PlanMoveItem.id).where(
        PlanMoveItem.move_id == move_id, PlanMoveItem.status == MoveItemStatus.pending
    )
    return list(db.session.scalars(waiting.order_by(PlanMoveItem.id)))


def _claim(item_id: UUID) -> PlanMoveItem | None:
    query = select(PlanMoveItem).where(
        PlanMoveItem.id == item_id, PlanMoveItem.status == MoveItemStatus.pending
    )
    return db.session.scalar(query.with_for_update(skip_locked=True))


def _move(item_id: UUID, at: datetime, actor: Actor) -> MoveItemStatus | None:
    """Move one subscription; None where another worker has it."""
    item = _claim(item_id)
    if item is None:
        return None
    target, line = item.move.version, segments.of(item.subscription)
    latest = segments.last(line)
    if latest.plan_version_id == target.id:
        item.status, item.at = MoveItemStatus.unchanged, latest.start_at
        item.message = f"It is on {target.label} already."
    elif latest.id != item.subscription_id or latest.end_at is not None:
        item.status = MoveItemStatus.unchanged
        item.message = "It ended, or something else is scheduled for it."
    else:
        when = PERIOD_END if item.move.on_day is None else item.move.on_day.isoformat()
        new = subscription_changes.change(
            item.subscription, target.plan.code, version=target.number, when=when, at=at, actor=actor
        )
        item.status, item.at = MoveItemStatus.moved, new.start_at
    return item.status


def _fail(item_id: UUID, message: str) -> MoveItemStatus | None:
    item = _claim(item_id)
    if item is None:
        return None
    item.status, item.message = MoveItemStatus.failed, message
    return item.status


def _finish(move_id: UUID, at: datetime) -> None:
    left = select(PlanMoveItem.id).where(
        PlanMoveItem.move_id == move_id, PlanMoveItem.status == MoveItemStatus.pending
    )
    over = update(PlanMove).where(
        PlanMove.id == move_id, PlanMove.status == MoveStatus.running, ~left.exists()
    )
    db.session.execute(over.values(status=MoveStatus.done, finished_at=at))
