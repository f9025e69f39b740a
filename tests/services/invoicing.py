"""What the tests of invoices share: a priced account with usage, and October 2026 in India's time."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

from app.db import db
from app.domain.periods import Period, calendar_month
from app.models import Account, Invoice, Metric, Subscription
from app.services import events, invoices, metering
from tests import factories as make

OCTOBER = calendar_month("2026-10", "Asia/Kolkata")
NOVEMBER = calendar_month("2026-11", "Asia/Kolkata")
# 1 November and 1 December 2026, 09:30 in India.
IN_NOVEMBER = datetime(2026, 11, 1, 4, 0, tzinfo=UTC)
IN_DECEMBER = datetime(2026, 12, 1, 4, 0, tzinfo=UTC)
NOON = datetime(2026, 10, 15, 6, 30, tzinfo=UTC)

_ids = count(1)


def use(
    account: Account,
    metric: Metric,
    quantity: int = 1,
    *,
    at: datetime = NOON,
    meter: bool = True,
    **properties: str,
) -> None:
    """Send `quantity` events of a metric, a second apart from `at` on, and meter them."""
    sent = [
        {
            "event_id": f"event-{next(_ids)}",
            "account_id": str(account.id),
            "metric": metric.code,
            "timestamp": (at + timedelta(seconds=n)).isoformat(),
            "properties": properties,
        }
        for n in range(quantity)
    ]
    db.session.flush()
    results = events.ingest(sent, source="test", actor=make.ACTOR, max_age=None, at=IN_DECEMBER)
    assert {result.status for result in results} == {events.Status.accepted}
    if meter:
        drain()


def drain() -> None:
    """Meter everything that waits."""
    while metering.drain():
        pass
    db.session.expire_all()


def priced(*components: dict[str, Any], account: Account | None = None, **subscription: Any) -> Subscription:
    """Return the subscription of an account to a plan with these components."""
    return make.make_subscription(
        account or make.make_account(), make.make_plan(components=components), **subscription
    )


def issue_for(account: Account, period: Period = OCTOBER, *, at: datetime = IN_NOVEMBER) -> Invoice:
    """Draft and issue the invoice of an account for a period."""
    invoice = invoices.draft_for(account, period, at=at)
    assert invoice is not None
    return invoices.issue(invoice, at=at, actor=make.ACTOR)


def taxes_of(invoice: Invoice) -> list[tuple[str, str, Decimal]]:
    """Return the taxes of an invoice as (code, rate, amount)."""
    return [(tax["code"], tax["rate"], Decimal(tax["amount"])) for tax in invoice.taxes]
