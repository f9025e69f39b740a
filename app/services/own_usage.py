"""What one customer used: this month by metric, day by day, and by what they are charged for."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import contains_eager, joinedload

from app.db import db
from app.domain.periods import ONE_DAY, calendar_month, day_start, local_date
from app.models import Account, ChargePosition, PriceComponent
from app.models.plans import ComponentKind
from app.services import usage_charts
from app.services.rating import Tariffs
from app.services.usage_charts import Counted, Days, Trend

HUNDRED = Decimal(100)
DAYS_SHOWN = 30
MONTHS_SHOWN = 6


@dataclass(frozen=True, slots=True)
class Used:
    """How much of a metric was used this month, and the limit that the account has for it, if any."""

    metric: Counted
    quantity: Decimal
    limit: Decimal | None

    @property
    def percent(self) -> int | None:
        """The whole percent of the limit that is used."""
        return int(self.quantity / self.limit * HUNDRED) if self.limit else None


@dataclass(frozen=True, slots=True)
class Window:
    """The local days `[first_on, after_on)` of a zone; `month` where they are a billing month."""

    key: str
    label: str
    first_on: date
    after_on: date
    month: bool

    def days(self, zone: str) -> Days:
        """Return its days as those of a time zone."""
        return Days(self.first_on, self.after_on, zone)


@dataclass(frozen=True, slots=True)
class Charged:
    """One price component's share of a month: what was used and what it costs so far."""

    name: str
    metric: str
    unit: str
    quantity: Decimal
    amount: Decimal
    currency: str
    percent: Decimal | None


def windows(at: datetime, zone: str) -> list[Window]:
    """Return the periods that usage can be looked at by: the last 30 days and the last months."""
    today = local_date(at, zone)
    recent = Window(
        "30d", "Last 30 days", today - timedelta(days=DAYS_SHOWN - 1), today + ONE_DAY, month=False
    )
    months, first = [], today.replace(day=1)
    for _ in range(MONTHS_SHOWN):
        period = calendar_month(f"{first:%Y-%m}", zone)
        months.append(Window(f"{first:%Y-%m}", f"{first:%B %Y}", first, period.end_on, month=True))
        first = (first - ONE_DAY).replace(day=1)
    return [*months[:1], recent, *months[1:]]


def this_month(accounts: Sequence[Account], *, at: datetime, zone: str) -> list[Used]:
    """Return the usage of the current month by metric, the most used first."""
    found = usage_charts.totals([account.id for account in accounts], windows(at, zone)[0].days(zone))
    return [Used(each.metric, each.quantity, _limit(accounts, each.metric)) for each in found]


def trends(accounts: Sequence[Account], window: Window, zone: str) -> list[Trend]:
    """Return the usage of each metric by local day, split by the metric's first dimension."""
    return usage_charts.trends([account.id for account in accounts], window.days(zone))


def charged(accounts: Sequence[Account], window: Window) -> list[Charged]:
    """Return what each price component charges for a month so far, the dearest first, per currency."""
    query = (
        select(ChargePosition)
        .join(ChargePosition.component)
        .options(
            contains_eager(ChargePosition.component).joinedload(PriceComponent.metric),
            joinedload(ChargePosition.account),
        )
        .where(
            ChargePosition.account_id.in_([account.id for account in accounts]),
            PriceComponent.kind == ComponentKind.usage,
        )
    )
    tariffs, found = Tariffs(), dict[tuple[str, str], list[Any]]()
    tariffs.load([account.id for account in accounts])
    for position in db.session.scalars(query.where(*_overlapping(window, accounts))):
        component = position.component
        key = (component.name, position.currency)
        row = found.setdefault(key, [component, Decimal(0), Decimal(0)])
        row[1] += position.quantity
        row[2] += tariffs.place_of(position).charge(position, whole=True).amount
    totals: dict[str, Decimal] = {}
    for (_name, currency), (_component, _quantity, amount) in found.items():
        totals[currency] = totals.get(currency, Decimal(0)) + amount
    rows = [
        Charged(
            name,
            one.metric.name,
            one.metric.unit,
            quantity,
            amount,
            currency,
            _share(amount, totals[currency]),
        )
        for (name, currency), (one, quantity, amount) in found.items()
    ]
    return sorted(rows, key=lambda row: (row.currency, -row.amount, row.name))


def _overlapping(window: Window, accounts: Sequence[Account]) -> tuple[Any, ...]:
    zone = accounts[0].timezone if accounts else "UTC"
    start, end = day_start(window.first_on, zone), day_start(window.after_on, zone)
    return ChargePosition.period_start >= start, ChargePosition.period_start < end


def _limit(accounts: Sequence[Account], metric: Counted) -> Decimal | None:
    """Return the sum of the accounts' monthly limits (`settings.limits`) of a metric, None without any."""
    limits = [account.settings.get("limits", {}).get(metric.code) for account in accounts]
    stated = [Decimal(str(limit)) for limit in limits if limit is not None]
    return sum(stated, Decimal(0)) if stated else None


def _share(amount: Decimal, total: Decimal) -> Decimal | None:
    return (amount / total * HUNDRED).quantize(Decimal("0.1")) if total else None
