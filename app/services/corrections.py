"""Taking usage back: an accepted event is never edited. It is cancelled by a reversing record, or replaced by
another event as well (docs/api/corrections.md).

The record, the reversing delta and the replacement are one transaction; the key of the event is locked, so
that an event is taken back once. What was charged follows by the arithmetic of metering: a wallet is
credited, an invoiced period gets an adjustment on the next invoice.
"""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

from sqlalchemy import Text, cast, insert, select

from app.db import db
from app.domain.aggregations import ValueProperty, aggregations
from app.domain.events import LONGEST_NAME
from app.domain.periods import bucket_start
from app.domain.rating import dimension_values
from app.errors import Conflict, Invalid, NotFound
from app.models import Account, EventCorrection, EventKey, UsageDelta, UsageEvent
from app.models.corrections import CorrectionKind
from app.permissions import Actor
from app.queue import enqueue
from app.services import archives, audit, events
from app.services.events import Result, Status

AMENDABLE = ("quantity", "properties", "timestamp", "metric")
LONGEST_REASON = 300


def cancel(account: Account, event_id: str, *, reason: str, actor: Actor, at: datetime) -> EventCorrection:
    """Take an event back for good; its id stays used. Doing it again for the same reason changes nothing.

    Raises:
        NotFound: the account never sent an event of this id.
        Conflict: it was cancelled for another reason or amended before, or its month is archived.
        Invalid: no reason, or a long one.
    """
    reason = _read_reason(reason)
    event = _lock(account, event_id)
    known = _find(account, event_id)
    if known is None:
        return _take_back(event, CorrectionKind.cancel, reason=reason, actor=actor, at=at)
    if (known.kind, known.reason) != (CorrectionKind.cancel, reason):
        raise Conflict(_told(known))
    return known


def amend(
    account: Account, event_id: str, changes: Mapping[str, Any], *, reason: str, actor: Actor, at: datetime
) -> EventCorrection:
    """Cancel an event and store another in its place, as the event was with some of `AMENDABLE` changed.

    The values in `changes` are JSON values as ingest takes them, and the new event is checked as ingest does.
    Its id is the old one with `~2`, `~3` … behind it, the first that is free; the correction tells it. The
    same amendment again changes nothing.

    Raises:
        NotFound, Conflict, Invalid: as `cancel`; also a value that ingest would refuse (the pointer names
            it), nothing to change, or a quantity that has to be given because the old one is not known.
    """
    reason = _read_reason(reason)
    if not changes or not set(changes) <= set(AMENDABLE):
        raise Invalid(f"Give at least one of {', '.join(AMENDABLE)}.")
    event = _lock(account, event_id)
    known = _find(account, event_id)
    payload = _replacement(event, changes)
    max_age = events.oldest_allowed() if "timestamp" in changes else None
    if known is not None:
        if known.kind != CorrectionKind.amend or known.reason != reason:
            raise Conflict(_told(known))
        # The content of the stored replacement answers whether this is the same amendment.
        payload["event_id"] = known.replacement_event_id
        (result,) = events.ingest_within([payload], actor=actor, at=at)
        if result.status != Status.duplicate or result.conflict:
            raise Conflict(_told(known))
        return known
    base = event_id.rpartition("~")[0] if _replaces(account, event_id) else event_id
    result = _store_free(payload, base, actor=actor, at=at, max_age=max_age)
    _check(event, result)
    return _take_back(
        event, CorrectionKind.amend, reason=reason, actor=actor, at=at, replacement=result.event_id
    )


def exact_properties(event: UsageEvent) -> Any:
    """Return an event's properties with their decimals as Decimal, as ingest read them."""
    query = select(cast(UsageEvent.properties, Text)).where(
        UsageEvent.account_id == event.account_id,
        UsageEvent.occurred_at == event.occurred_at,
        UsageEvent.event_id == event.event_id,
    )
    return json.loads(db.session.scalars(query).one(), parse_float=Decimal)


def _read_reason(reason: str) -> str:
    reason = reason.strip()
    if not 0 < len(reason) <= LONGEST_REASON or not reason.isprintable():
        raise Invalid.at(
            "/reason", f"Say why, in one line of up to {LONGEST_REASON} characters.", code="bad_reason"
        )
    return reason


def _lock(account: Account, event_id: str) -> UsageEvent:
    """Return an event whose key is locked until the transaction ends."""
    query = select(EventKey.occurred_at).where(
        EventKey.account_id == account.id, EventKey.event_id == event_id
    )
    occurred_at = db.session.scalar(query.with_for_update())
    if occurred_at is None:
        raise NotFound("There is no such event.")
    archives.refuse_archived(occurred_at)
    event = db.session.get(UsageEvent, (account.id, occurred_at, event_id))
    if event is None:
        raise NotFound("The event has its key and is gone. See flask verify.")
    return event


def _find(account: Account, event_id: str) -> EventCorrection | None:
    return db.session.get(EventCorrection, (account.id, event_id))


def _replaces(account: Account, event_id: str) -> bool:
    query = select(EventCorrection.event_id).where(
        EventCorrection.account_id == account.id, EventCorrection.replacement_event_id == event_id
    )
    return db.session.scalar(query) is not None


def _told(known: EventCorrection) -> str:
    done = "amended" if known.kind == CorrectionKind.amend else "cancelled"
    now = f"; {known.replacement_event_id} counts in its place" if known.replacement_event_id else ""
    return f"The event was {done} before, because: {known.reason}{now}."


def _replacement(event: UsageEvent, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the event as it was sent, as far as that is known, with the changes; it lacks its id."""
    payload = {
        "account_id": str(event.account_id),
        "metric": event.metric.code,
        "timestamp": event.occurred_at.isoformat(),
        "properties": exact_properties(event),
    }
    # A metric that counts events or reads a property keeps nothing of the event's own quantity.
    kind = aggregations[event.metric.aggregation]
    if event.metric.value_property is None and kind.value_property is not ValueProperty.unused:
        payload["quantity"] = event.quantity
    elif "metric" in changes and "quantity" not in changes:
        raise Invalid.at(
            "/quantity",
            f"{event.metric.code} kept no quantity: say it along with the metric.",
            code="required",
        )
    return {**payload, **changes}


def _store_free(
    payload: Mapping[str, Any], base: str, *, actor: Actor, at: datetime, max_age: timedelta | None
) -> Result:
    """Store an event under the first id behind `base` that is free, unless it is refused."""
    for n in count(2):
        ending = f"~{n}"
        named = {**payload, "event_id": base[: LONGEST_NAME - len(ending)] + ending}
        (result,) = events.ingest_within([named], actor=actor, at=at, max_age=max_age)
        if result.status != Status.duplicate:
            return result
    raise AssertionError("unreachable: there is always a next number")


def _check(event: UsageEvent, result: Result) -> None:
    """Refuse a replacement that ingest refused, or that says what the event says already."""
    if result.status == Status.rejected:
        pointer = (result.pointer or "").removeprefix("/0")
        raise Invalid.at(pointer, result.message or "", code=result.code)
    key = db.session.get_one(EventKey, (event.account_id, result.event_id))
    made = db.session.get_one(UsageEvent, (key.account_id, key.occurred_at, key.event_id))
    same = ("metric_id", "occurred_at", "quantity", "properties")
    if all(getattr(made, name) == getattr(event, name) for name in same):
        raise Invalid("The event counts exactly so already: nothing would change.")


def _take_back(
    event: UsageEvent,
    kind: CorrectionKind,
    *,
    reason: str,
    actor: Actor,
    at: datetime,
    replacement: str | None = None,
) -> EventCorrection:
    """Write the correction and the delta that undoes what the event had added; wake up the metering."""
    cell = {
        "account_id": event.account_id,
        "metric_id": event.metric_id,
        "bucket_at": bucket_start(event.occurred_at),
        "dimensions": dimension_values(exact_properties(event), event.metric.dimensions, pointer=""),
    }
    made = EventCorrection(
        **cell,
        event_id=event.event_id,
        kind=kind,
        occurred_at=event.occurred_at,
        quantity=event.quantity,
        reason=reason,
        actor=actor.label,
        at=at,
        replacement_event_id=replacement,
    )
    db.session.add(made)
    db.session.execute(insert(UsageDelta).values(**cell, quantity=-event.quantity, events=-1))
    done = "amended" if replacement else "cancelled"
    summary = f"Event {event.event_id} {done}: {reason}"
    after = {"reason": reason, "quantity": made.quantity, "replacement_event_id": replacement}
    audit.record(actor, f"event.{done}", made, summary=summary, at=at, after=after)
    enqueue("jobs.metering.drain")
    return made
