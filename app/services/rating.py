"""Which price usage falls under: the subscriptions of accounts, their periods and components, looked up once
a run."""

import json
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import select

from app.db import db
from app.domain import groups, rating
from app.domain.aggregations import aggregations
from app.domain.groups import Counted
from app.domain.periods import Cycle, Period, local_date, period_containing
from app.domain.pricing import Charge, Row, Terms, parse_terms
from app.models import Account, ChargePosition, Metric, PlanVersion, PriceComponent, Subscription
from app.models.customers import BillingMode
from app.models.plans import ComponentKind
from app.services import overrides
from app.services.overrides import Override

NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True)
class UsagePrice:
    """A usage component of a published version, its terms read. `adds`: its metric's quantities add.
    `group_by`: the dimension each value of which is priced by itself."""

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
    group_by: str | None = None

    def group_of(self, dimensions: str) -> str:
        """Return the group of usage with these dimension values (canonical JSON text); "" where all usage is
        one."""
        return "" if self.group_by is None else groups.value_of(dimensions, self.group_by)

    def charge(self, used: Counted, *, whole: bool = False) -> Charge:
        """Return what the cumulative usage of a period costs so far; a least amount is left to the period's
        last run, in which the period is `whole`."""
        return groups.charge(
            self.terms,
            used,
            self.currency,
            group_by=self.group_by,
            charge_zero_first_tier=self.charge_zero_first_tier,
            apply_minimum=whole,
        )


@dataclass(frozen=True, slots=True)
class Coverage:
    """A segment of a subscription as rating sees it: the instants `[start_at, end_at)` of an account under
    one plan version; until `trial_end_at` for nothing. `origin_id` is the same for all segments of one
    subscription: what is agreed for it, and outlives a pause, hangs there."""

    subscription_id: UUID
    account_id: UUID
    version_id: UUID
    start_at: datetime
    end_at: datetime | None
    cycle: Cycle
    currency: str
    prepaid: bool
    trial_end_at: datetime | None
    origin_id: UUID
    overrides: tuple[Override, ...] = ()

    def holds(self, bucket_at: datetime) -> bool:
        """True when usage of the bucket starting then falls under this subscription."""
        return self.start_at <= bucket_at and (self.end_at is None or bucket_at < self.end_at)

    def in_trial(self, instant: datetime) -> bool:
        """True when nothing is charged at that instant."""
        return self.trial_end_at is not None and instant < self.trial_end_at

    def period_at(self, instant: datetime) -> Period:
        """Return the billing period that holds an instant. The end of a trial cuts one in two, so that usage
        for nothing and usage that is charged are never counted together."""
        whole, cut = period_of(self.cycle, instant), self.trial_end_at
        if cut is None or not whole.start < cut < whole.end:
            return whole
        on = local_date(cut, self.cycle.zone_name)
        if instant < cut:
            return Period(whole.start, cut, whole.start_on, on)
        return Period(cut, whole.end, on, whole.end_on)

    def override_of(self, component_id: UUID, period_start: datetime) -> Override | None:
        """Return the terms that the contract sets for a component in the period starting then."""
        return next((each for each in self.overrides if each.holds(component_id, period_start)), None)

    def priced(self, listed: UsagePrice, period_start: datetime) -> UsagePrice:
        """Return a price of the plan as it is for this subscription in the period starting then."""
        own = self.override_of(listed.id, period_start) if self.overrides else None
        return listed if own is None else replace(listed, terms=own.terms)


class Place(NamedTuple):
    """Where some usage is charged: a component of a subscription in one whole billing period."""

    coverage: Coverage
    price: UsagePrice
    period: Period

    @property
    def key(self) -> tuple[UUID, UUID, datetime]:
        """The key of the charge position: subscription, component, start of the period."""
        return self.coverage.subscription_id, self.price.id, self.period.start

    def charge(self, used: Counted, *, whole: bool = False) -> Charge:
        """Return what this cumulative usage costs so far, or as that of the `whole` period: nothing in a
        trial."""
        if self.coverage.in_trial(self.period.start):
            return for_nothing(used.quantity)
        return self.price.charge(used, whole=whole)


def for_nothing(quantity: Decimal) -> Charge:
    """Return the price of usage in a trial: 0, with a row that says why."""
    return Charge(NOTHING, NOTHING, (Row("trial", 0, quantity, NOTHING, NOTHING, NOTHING),))


@lru_cache(maxsize=65536)
def period_of(cycle: Cycle, bucket_at: datetime) -> Period:
    """Return the billing period that holds a bucket; buckets come again and again."""
    return period_containing(bucket_at, cycle)


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

    def place_of(self, position: ChargePosition) -> Place:
        """Return the place of a position of a loaded account."""
        covering = self.coverages(position.account_id)
        coverage = next(each for each in covering if each.subscription_id == position.subscription_id)
        price = coverage.priced(self.prices[position.component_id], position.period_start)
        return Place(coverage, price, coverage.period_at(position.period_start))

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
        period = coverage.period_at(bucket_at)
        return Place(coverage, coverage.priced(found[1], period.start), period)

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
            Subscription.anchor_on,
            Subscription.trial_end_at,
            Subscription.origin_id,
            PlanVersion.interval,
            Account.timezone,
            Account.currency,
            Account.billing_mode,
            overrides.exist(Subscription.origin_id).label("has_own_terms"),
        )
        .join(Account, Account.id == Subscription.account_id)
        .join(PlanVersion, PlanVersion.id == Subscription.plan_version_id)
        .where(Subscription.account_id.in_(account_ids))
        .order_by(Subscription.start_at, Subscription.id)
    )
    rows = db.session.execute(query).all()
    contracts = overrides.of({row.origin_id for row in rows if row.has_own_terms})
    found: defaultdict[UUID, list[Coverage]] = defaultdict(list)
    for row in rows:
        cycle = Cycle(row.interval, row.timezone, row.anchor_on)
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
            row.trial_end_at,
            row.origin_id,
            contracts.get(row.origin_id, ()),
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
            group_by=component.group_by,
        )
        found[component.plan_version_id].append(usage_price)
    return found
