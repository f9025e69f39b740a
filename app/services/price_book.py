"""The prices of plan versions as frozen values, read once per use: what billing works with instead of
rows."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import joinedload, selectinload

from app.db import db
from app.domain import groups
from app.domain.groups import NO_USAGE, Counted
from app.domain.places import INDIA
from app.domain.pricing import Charge, Terms
from app.models import Account, ChargePosition, PlanVersion, PriceComponent
from app.models.plans import ComponentKind, Timing
from app.services import exchange_rates, taxes
from app.services.components import terms_of
from app.services.exchange_rates import Rate
from app.services.overrides import Override
from app.services.rating import Coverage, Tariffs
from app.services.taxes import Rates, Seller


@dataclass(frozen=True, slots=True)
class Price:
    """One component of a version in one currency, with its terms read.

    `charged_without_usage` tells that a period without usage costs something too: a minimum, a flat price, a
    first tier that is charged for nothing. `override_id` names the contract whose terms these are.
    """

    component_id: UUID
    version_id: UUID
    version_label: str
    plan_code: str
    code: str
    name: str
    kind: ComponentKind
    currency: str
    terms: Terms
    charge_zero_first_tier: bool
    timing: Timing
    prorated: bool
    sac: str
    position: int
    filters: Mapping[str, Any]
    metric_id: UUID | None
    metric_code: str | None
    unit: str | None
    group_by: str | None = None
    charged_without_usage: bool = False
    override_id: UUID | None = None

    def charge(self, used: Counted) -> Charge:
        """Return what a whole period with this usage costs."""
        return groups.charge(
            self.terms,
            used,
            self.currency,
            group_by=self.group_by,
            charge_zero_first_tier=self.charge_zero_first_tier,
        )

    def noting_unused(self) -> "Price":
        """Return this price with `charged_without_usage` worked out."""
        return replace(self, charged_without_usage=bool(self.charge(NO_USAGE).amount))

    def under(self, contract: Override) -> "Price":
        """Return this price with the terms of a contract."""
        return replace(self, terms=contract.terms, override_id=contract.id).noting_unused()


class PriceBook:
    """What billing looks up again and again, read once: keep one for as long as a billing run takes.

    Published versions never change. `tariffs` is what metering goes by: which component charges which usage.
    """

    def __init__(self) -> None:
        self.tariffs = Tariffs()
        self._versions: dict[UUID, tuple[Price, ...]] = {}
        self._sellers: dict[date, tuple[Seller, ...]] = {}
        self._rates: dict[tuple[date, str], Rates] = {}
        self._exchange: dict[tuple[str, date], Rate | None] = {}

    def of(self, version_id: UUID) -> tuple[Price, ...]:
        """Return the prices of a version in their declared order."""
        if version_id not in self._versions:
            self._versions[version_id] = _read(version_id)
        return self._versions[version_id]

    def price(self, version_id: UUID, component_id: UUID) -> Price:
        """Return one price of a version."""
        return next(one for one in self.of(version_id) if one.component_id == component_id)

    def in_period(self, coverage: Coverage, period_start: datetime) -> tuple[Price, ...]:
        """Return the prices of a subscription in the period that starts then, its contract's terms among
        them.
        """
        listed = self.of(coverage.version_id)
        if not coverage.overrides:
            return listed
        found = ((one, coverage.override_of(one.component_id, period_start)) for one in listed)
        return tuple(one if contract is None else one.under(contract) for one, contract in found)

    def price_in(self, coverage: Coverage, component_id: UUID, period_start: datetime) -> Price:
        """Return one price of a subscription in the period that starts then."""
        prices = self.in_period(coverage, period_start)
        return next(one for one in prices if one.component_id == component_id)

    def rate(self, position: ChargePosition) -> Charge:
        """Return what a position of a loaded account costs as a whole period: nothing in a trial."""
        return self.tariffs.place_of(position).charge(position, whole=True)

    def seller(self, on: date, account: Account) -> Seller:
        """Return who issues the documents of an account on a day.

        Raises:
            Conflict: no registration is valid on that day, or not the one that is chosen for the account.
        """
        if on not in self._sellers:
            self._sellers[on] = taxes.sellers(on)
        return taxes.choose(self._sellers[on], on, account)

    def rates(self, on: date, jurisdiction: str = INDIA) -> Rates:
        """Return the tax rates of a country on a day."""
        if (on, jurisdiction) not in self._rates:
            self._rates[on, jurisdiction] = taxes.rates(on, jurisdiction)
        return self._rates[on, jurisdiction]

    def exchange_rate(self, currency: str, on: date) -> Rate | None:
        """Return what a currency is in rupees on a day; None for rupees, and where nobody has entered it."""
        if currency == exchange_rates.RUPEES:
            return None
        if (currency, on) not in self._exchange:
            self._exchange[currency, on] = exchange_rates.find(currency, on)
        return self._exchange[currency, on]


def _read(version_id: UUID) -> tuple[Price, ...]:
    version = db.session.scalars(
        select(PlanVersion)
        .where(PlanVersion.id == version_id)
        .options(
            joinedload(PlanVersion.plan),
            selectinload(PlanVersion.components).joinedload(PriceComponent.metric),
        )
    ).one()
    return tuple(_price(version, component) for component in version.components)


def _price(version: PlanVersion, component: PriceComponent) -> Price:
    metric = component.metric
    return Price(
        component_id=component.id,
        version_id=version.id,
        version_label=version.label,
        plan_code=version.plan.code,
        code=component.code,
        name=component.name,
        kind=component.kind,
        currency=component.currency,
        terms=terms_of(component),
        charge_zero_first_tier=version.charge_zero_first_tier,
        timing=component.timing,
        prorated=component.prorated,
        sac=component.sac,
        position=component.position,
        filters=component.filters,
        metric_id=metric.id if metric else None,
        metric_code=metric.code if metric else None,
        unit=metric.unit if metric else None,
        group_by=component.group_by,
    ).noting_unused()
