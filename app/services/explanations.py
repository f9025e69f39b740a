"""What is behind a line of an invoice, down to the single events (DOMAIN.md §6, Explainable)."""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, Text, and_, cast, exists, func, or_, select, true
from sqlalchemy.orm import joinedload

from app.db import db
from app.domain.periods import bucket_start
from app.domain.rating import dimension_values
from app.errors import NotFound
from app.models import EventCorrection, InvoiceLine, Metric, UsageEvent, UsageRollup
from app.services.charges import Key
from app.services.rating import Tariffs

Keep = Callable[[UsageEvent], bool]


def events_behind(line: InvoiceLine) -> tuple[Select[Any], Keep]:
    """Return the query of the events that the line's component charges in the line's period, whenever they
    arrived, and a last test for each: another subscription may have charged it. What was taken back before
    the invoice was issued is not among them; what was taken back since says so by its `status`.

    Raises:
        NotFound: the line charges no usage.
    """
    metric = db.session.scalar(select(Metric).where(Metric.code == line.metric_code))
    if metric is None or not (line.subscription_id and line.component_id and line.period_start):
        raise NotFound("This line charges no usage, so there are no events behind it.")
    account_id = line.invoice.account_id
    key: Key = (line.subscription_id, line.component_id, line.period_start)
    tariffs = Tariffs()
    tariffs.load([account_id])

    def keep(event: UsageEvent) -> bool:
        values = dimension_values(event.properties, metric.dimensions, pointer="")
        text = json.dumps(values, sort_keys=True)
        place = tariffs.place(account_id, metric.id, bucket_start(event.occurred_at), text)
        return place is not None and place.key == key

    query = select(UsageEvent).options(joinedload(UsageEvent.correction))
    query = query.where(
        ~_taken_back(line.invoice.issued_at),
        UsageEvent.account_id == account_id,
        UsageEvent.metric_id == metric.id,
        UsageEvent.occurred_at >= line.period_start,
        UsageEvent.occurred_at < line.period_end,
        or_(False, *(_has(values, metric) for values in _charged_dimensions(line, metric, tariffs, key))),
    )
    return query, keep


def _taken_back(before: datetime | None) -> ColumnElement[bool]:
    """Return the condition that an event was taken back, before an instant or at all."""
    found = (
        EventCorrection.account_id == UsageEvent.account_id,
        EventCorrection.event_id == UsageEvent.event_id,
    )
    return exists().where(*found, true() if before is None else EventCorrection.at < before)


def _charged_dimensions(
    line: InvoiceLine, metric: Metric, tariffs: Tariffs, key: Key
) -> list[dict[str, str]]:
    """Return the dimension values of the rollups that the line's component charges."""
    account_id = line.invoice.account_id
    query = (
        select(cast(UsageRollup.dimensions, Text), func.array_agg(UsageRollup.bucket_at))
        .where(
            UsageRollup.account_id == account_id,
            UsageRollup.metric_id == metric.id,
            UsageRollup.bucket_at >= line.period_start,
            UsageRollup.bucket_at < line.period_end,
        )
        .group_by(cast(UsageRollup.dimensions, Text))
    )
    found = []
    for text, buckets in db.session.execute(query):
        places = (tariffs.place(account_id, metric.id, bucket, text) for bucket in buckets)
        if any(place is not None and place.key == key for place in places):
            found.append(json.loads(text))
    return found


def _has(values: dict[str, str], metric: Metric) -> Any:
    """Return the condition that an event has exactly these values of the metric's dimensions."""
    return and_(
        True,
        *(
            func.jsonb_extract_path_text(UsageEvent.properties, name).is_not_distinct_from(values.get(name))
            for name in metric.dimensions
        ),
    )
