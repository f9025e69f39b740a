"""What became of one event: the bucket it counts in, the price that charges it, the documents it is on."""

import json
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy import select
from sqlalchemy.orm import contains_eager

from app.db import db
from app.domain.periods import BUCKET, bucket_start
from app.domain.rating import dimension_values
from app.models import Invoice, InvoiceLine, UsageDelta, UsageEvent, UsageRollup
from app.services.rating import Place, Tariffs

MOST_LINES = 5


@dataclass(frozen=True, slots=True)
class Story:
    """An event's 15 minutes `[start, end)` with what was used in them at the same dimension values, and who
    charges it.

    `quantity` and `events` are those of the whole bucket, None before the first metering. `waiting`: usage of
    this bucket is still to be metered. `place` is None where no price fits. `lines` are the newest first.
    """

    start: datetime
    end: datetime
    dimensions: dict[str, str]
    quantity: Decimal | None
    events: int | None
    waiting: bool
    place: Place | None
    lines: list[InvoiceLine]


def tell(event: UsageEvent) -> Story:
    """Return what became of an event, by a handful of small queries."""
    start = bucket_start(event.occurred_at)
    dimensions = dimension_values(event.properties, event.metric.dimensions, pointer="")
    used = select(UsageRollup.quantity, UsageRollup.events).where(
        UsageRollup.account_id == event.account_id,
        UsageRollup.metric_id == event.metric_id,
        UsageRollup.bucket_at == start,
        UsageRollup.dimensions == dimensions,
    )
    rollup = db.session.execute(used).one_or_none()
    tariffs = Tariffs()
    tariffs.load([event.account_id])
    place = tariffs.place(event.account_id, event.metric_id, start, json.dumps(dimensions, sort_keys=True))
    return Story(
        start=start,
        end=start + BUCKET,
        dimensions=dimensions,
        quantity=rollup.quantity if rollup else None,
        events=rollup.events if rollup else None,
        waiting=_is_waiting(event, start),
        place=place,
        lines=_lines(place) if place else [],
    )


def _is_waiting(event: UsageEvent, start: datetime) -> bool:
    mine = (
        UsageDelta.account_id == event.account_id,
        UsageDelta.metric_id == event.metric_id,
        UsageDelta.bucket_at == start,
    )
    return bool(db.session.scalar(select(select(UsageDelta.id).where(*mine).exists())))


def _lines(place: Place) -> list[InvoiceLine]:
    subscription_id, component_id, period_start = place.key
    query = (
        select(InvoiceLine)
        .join(InvoiceLine.invoice)
        .options(contains_eager(InvoiceLine.invoice))
        .where(
            InvoiceLine.component_id == component_id,
            InvoiceLine.period_start == period_start,
            InvoiceLine.subscription_id == subscription_id,
        )
        .order_by(Invoice.created_at.desc(), InvoiceLine.n)
        .limit(MOST_LINES)
    )
    return list(db.session.scalars(query))
