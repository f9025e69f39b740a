"""Which price usage falls under: the subscriptions of accounts, their periods and components, looked up once
a run."""

import json
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import select

from app.db import db
from app.domain import rating
from app.domain.aggregations import aggregations
from app.domain.periods import Cycle, Period, local_date, period_containing
from app.domain.pricing import Charge, Terms, Usage, parse_terms, price
from app.models import Account, Metric, PlanVersion, PriceComponent, Subscription
from app.models.customers import BillingMode
from app.models.plans import Anchor, ComponentKind


@dataclass(frozen=True, slots=True)
class UsagePrice:
    """A usage component of a published version, its terms read. `adds`: its metric's quantities add."""

    id: UUID
    code: str
    metric_id: UUID
    metric: str
    aggregation: str
    adds: bool
    currency: str
    filters: Mapping[str, Any]
    position: int
    terms: Terms
    charge_zero_first_tier: bool

    def charge(self, quantity: Decimal, events: int) -> Charge:
        """Return what the cumulative usage of a period costs so far; a least amount is left to the period's
        last run."""
        return price(
            self.terms,
            Usage(quantity, count=events),
            self.currency,
            charge_zero_first_tier=self.charge_zero_first_tier,
            apply_minimum=False,
        )


@dataclass(frozen=True, slots=True)
class Coverage:
    """A subscription as rating sees it: the instants `[start_at, end_at)` of an account under one plan
    version."""

    subscription_id: UUID
    account_id: UUID
    version_id: UUID
    start_at: datetime
    end_at: datetime | None
    cycle: Cycle
    currency: str
    prepaid: bool

    def holds(self, bucket_at: datetime) -> bool:
        """True when usage of the bucket starting then falls under this subscription."""
        return self.start_at <= bucket_at and (self.end_at is None or bucket_at < self.end_at)


class Place(NamedTuple):
    """Where some usage is charged: a component of a subscription in one whole billing period."""

    coverage: Coverage
    price: UsagePrice
    period: Period

    @property
    def key(self) -> tuple[UUID, UUID, datetime]:
        """The key of the charge position: subscription, component, start of the period."""
        return self.coverage.subscription_id, self.price.id, self.period.start


@lru_cache(maxsize=65536)
def period_of(cycle: Cycle, bucket_at: datetime) -> Period:
    """Return the billing period that holds a bucket; buckets come again and again."""
    return period_containing(bucket_at, cycle)


def cycle_of(anchor: Anchor, start_at: datetime, timezone: str, interval: str) -> Cycle:
    """Return how the time of a subscription is cut into billing periods."""
    anchor_on = local_date(start_at, timezone) if anchor is Anchor.anniversary else None
    return Cycle(interval, timezone, anchor_on)


class Tariffs:
    """Prices for usage. Versions are frozen once published and stay in memory; subscriptions are read anew by
    `load`."""

    def __init__(self) -> None:
        self.prices: dict[UUID, UsagePrice] = {}
        self._by_version: dict[UUID, list[UsagePrice]] = {}
        self._coverages: dict[UUID, list[Coverage]] = {}
        self._matches: dict[tuple[object, ...], tuple[int, UsagePrice] | None] = {}

    def load(self, account_ids: Collection[UUID]) -> None:
        """Read the subscriptions of these accounts as they are now, and the prices of versions not seen
        before."""
        self._coverages = _read_coverages(account_ids)
        versions = {each.version_id for found in self._coverages.values() for each in found}
        for version_id, prices in prices_of(versions - self._by_version.keys()).items():
            self._by_version[version_id] = prices
            self.prices.update((each.id, each) for each in prices)

    def coverages(self, account_id: UUID) -> list[Coverage]:
        """Return the subscriptions of a loaded account, by their start."""
        return self._coverages.get(account_id, [])

    def place(self, account_id: UUID, metric_id: UUID, bucket_at: datetime, dimensions: str) -> Place | None:
        """Return where usage of a loaded account is charged, or None where no price fits.

        `dimensions` is the canonical JSON text of the dimension values. Among all subscriptions that cover
        the bucket the most specific component wins, so usage is charged once.
        """
        covering = [each for each in self.coverages(account_id) if each.holds(bucket_at)]
        if not covering:
            return None
        key = (*(each.version_id for each in covering), metric_id, covering[0].currency, dimensions)
        if key not in self._matches:
            self._matches[key] = self._match(covering, metric_id, dimensions)
        found = self._matches[key]
        if found is None:
            return None
        coverage = covering[found[0]]
        return Place(coverage, found[1], period_of(coverage.cycle, bucket_at))

    def _match(
        self, covering: list[Coverage], metric_id: UUID, dimensions: str
    ) -> tuple[int, UsagePrice] | None:
        offered = [
            (n, each)
            for n, coverage in enumerate(covering)
            for each in self._by_version[coverage.version_id]
            if each.metric_id == metric_id and each.currency == coverage.currency
        ]
        chosen = rating.match([each for _, each in offered], json.loads(dimensions))
        return next(((n, each) for n, each in offered if each is chosen), None)


def _read_coverages(account_ids: Collection[UUID]) -> dict[UUID, list[Coverage]]:
    query = (
        select(
            Subscription.id,
            Subscription.account_id,
            Subscription.plan_version_id,
            Subscription.start_at,
            Subscription.end_at,
            Subscription.anchor,
            PlanVersion.interval,
            Account.timezone,
            Account.currency,
            Account.billing_mode,
        )
        .join(Account, Account.id == Subscription.account_id)
        .join(PlanVersion, PlanVersion.id == Subscription.plan_version_id)
        .where(Subscription.account_id.in_(account_ids))
        .order_by(Subscription.start_at, Subscription.id)
    )
    found: defaultdict[UUID, list[Coverage]] = defaultdict(list)
    for row in db.session.execute(query):
        cycle = cycle_of(row.anchor, row.start_at, row.timezone, row.interval)
        prepaid = row.billing_mode is BillingMode.prepaid
        coverage = Coverage(
            row.id,
            row.account_id,
            row.plan_version_id,
            row.start_at,
            row.end_at,
            cycle,
            row.currency,
            prepaid,
        )
        found[row.account_id].append(coverage)
    return found


def prices_of(version_ids: Collection[UUID]) -> dict[UUID, list[UsagePrice]]:
    """Return the usage prices of these plan versions, in their order."""
    if not version_ids:
        return {}
    found: dict[UUID, list[UsagePrice]] = {version_id: [] for version_id in version_ids}
    query = (
        select(PriceComponent, Metric.id, Metric.code, Metric.aggregation, PlanVersion.charge_zero_first_tier)
        .join(Metric, Metric.id == PriceComponent.metric_id)
        .join(PlanVersion, PlanVersion.id == PriceComponent.plan_version_id)
        .where(PriceComponent.plan_version_id.in_(version_ids), PriceComponent.kind == ComponentKind.usage)
        .order_by(PriceComponent.position, PriceComponent.id)
    )
    for component, metric_id, metric, aggregation, charge_zero_first_tier in db.session.execute(query):
        usage_price = UsagePrice(
            id=component.id,
            code=component.code,
            metric_id=metric_id,
            metric=metric,
            aggregation=aggregation,
            adds=aggregations[aggregation].adds,
            currency=component.currency,
            filters=component.filters,
            position=component.position,
            terms=parse_terms(component.model, component.terms),
            charge_zero_first_tier=charge_zero_first_tier,
        )
        found[component.plan_version_id].append(usage_price)
    return found
