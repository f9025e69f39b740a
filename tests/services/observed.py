"""What the tests of aggregations share: events with values, sent through the door, and their rollups."""

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from sqlalchemy import select

from app.db import db
from app.models import Account, Metric, Subscription, UsageRollup, Wallet
from app.services import events
from tests.factories import ACTOR, make_metric, per_unit
from tests.services.metered import NOON, subscribe_prepaid

LATER = datetime(2026, 11, 5, tzinfo=UTC)
HOUR = timedelta(hours=1)
_ids = count(1)


def a_metric(aggregation: str, **more: Any) -> Metric:
    """Make a metric that reads the property `v`."""
    return make_metric(aggregation=aggregation, value_property="v", **more)


def send(
    account: Account,
    metric: Metric,
    value: str,
    *,
    at: datetime = NOON,
    event_id: str | None = None,
    **properties: str,
) -> str:
    """Send one event with that value through the door; return its id."""
    event_id = event_id or f"e{next(_ids):04}"
    event = {
        "event_id": event_id,
        "account_id": str(account.id),
        "metric": metric.code,
        "timestamp": at.isoformat(),
        "properties": {"v": value, **properties},
    }
    (result,) = events.ingest([event], source="test", actor=ACTOR, at=LATER)
    assert result.status == events.Status.accepted, result
    return event_id


def rollups(metric: Metric) -> list[tuple[str, str, int, Any]]:
    """Return hour and minute, quantity, events and state of a metric's rollups."""
    columns = (UsageRollup.bucket_at, UsageRollup.quantity, UsageRollup.events, UsageRollup.state)
    query = select(*columns).where(UsageRollup.metric_id == metric.id)
    rows = db.session.execute(query.order_by(UsageRollup.bucket_at, UsageRollup.quantity)).all()
    return [(f"{row.bucket_at:%H:%M}", str(row.quantity.normalize()), row.events, row.state) for row in rows]


def a_month(aggregation: str, **more: Any) -> tuple[Subscription, Wallet, Metric]:
    """Subscribe a prepaid account with ₹1,000 to ₹1 for each unit of a metric of this aggregation."""
    metric = a_metric(aggregation, **more)
    subscription, wallet = subscribe_prepaid(per_unit(metric, "1"), balance="1000")
    return subscription, wallet, metric
