"""Publishing a plan version: what must hold before, and what it will do, for whom and from when."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import func, or_, select

from app.db import db
from app.domain.periods import local_date
from app.errors import Invalid
from app.formatting import format_date, format_quantity
from app.models import PlanVersion, PriceComponent, Subscription
from app.models.plans import VersionStatus

INDIA_TIME = "Asia/Kolkata"


@dataclass(frozen=True, slots=True)
class Publication:
    """What publishing a version does: new subscriptions get it from `starts_on` on, in `currencies`, in place
    of `before`; `staying` subscriptions keep the versions that they are on.
    """

    version: PlanVersion
    starts_on: date
    begins_later: bool
    currencies: tuple[str, ...]
    before: PlanVersion | None
    staying: int

    @property
    def sentences(self) -> list[str]:
        """What will happen, for who is asked whether to publish."""
        wait = ", not before" if self.begins_later else ""
        currencies = " or ".join(self.currencies) or "no currency"
        told = [
            f"New subscriptions get {self.version.label} from {format_date(self.starts_on)} on{wait}. "
            f"They are billed by the {self.version.interval}, in {currencies}."
        ]
        if self.before is not None:
            told.append(f"It takes the place of {self.before.label} for them.")
        if self.staying:
            stay = (
                "1 subscription of this plan stays"
                if self.staying == 1
                else (f"{format_quantity(self.staying)} subscriptions of this plan stay")
            )
            told.append(f"{stay} on the version of today: moving them is an act of its own.")
        return [*told, "Published prices can never change again: a change is a new version."]


def foresee(version: PlanVersion, at: datetime) -> Publication:
    """Return what publishing a draft at `at` would do."""
    today = local_date(at, INDIA_TIME)
    starts_on = version.effective_on or today
    return Publication(
        version=version,
        starts_on=starts_on,
        begins_later=starts_on > today,
        currencies=tuple(dict.fromkeys(component.currency for component in version.components)),
        before=_in_force(version, starts_on),
        staying=db.session.scalar(
            select(func.count(Subscription.origin_id.distinct())).where(
                Subscription.plan_id == version.plan_id,
                or_(Subscription.end_at.is_(None), Subscription.end_at > at),
            )
        )
        or 0,
    )


def check(version: PlanVersion, at: datetime) -> None:
    """Return if a version can be published at `at`.

    Raises:
        Invalid: at `/components`: it has none, or a currency lacks one that another currency has, so that an
            account in it would use something for nothing. At `/effective_on`: a version that is published
            takes effect on the same day, or one of the two would never be in effect.
    """
    if not version.components:
        raise Invalid.at("/components", "A version without prices cannot be published.", code="required")
    _check_currencies(version.components)
    _check_days(version, local_date(at, INDIA_TIME))


def _check_currencies(components: Sequence[PriceComponent]) -> None:
    codes: dict[str, set[str]] = {}
    for component in components:
        codes.setdefault(component.currency, set()).add(component.code)
    for component in components:
        for currency, has in codes.items():
            if component.code not in has:
                message = (
                    f"{component.code} has a price in {component.currency} and none in {currency}: every "
                    "currency needs the whole list. Add the price, or leave that currency out."
                )
                raise Invalid.at("/components", message, code="incomplete_currency")


def _published(version: PlanVersion) -> Sequence[PlanVersion]:
    query = select(PlanVersion).where(
        PlanVersion.plan_id == version.plan_id,
        PlanVersion.id != version.id,
        PlanVersion.status == VersionStatus.published,
    )
    return db.session.scalars(query.order_by(PlanVersion.number)).all()


def _first_day(version: PlanVersion) -> date:
    """Return the day that a published version is in effect from: without one it is at any time."""
    return version.effective_on or date.min


def _in_force(version: PlanVersion, on: date) -> PlanVersion | None:
    return max(
        (one for one in _published(version) if _first_day(one) <= on),
        key=lambda one: one.number,
        default=None,
    )


def _check_days(version: PlanVersion, today: date) -> None:
    day = version.effective_on or today
    for other in _published(version):
        theirs = _first_day(other)
        same = version.effective_on is not None and version.effective_on == other.effective_on
        if same or (other.number < version.number and theirs > day):
            message = (
                f"{other.label} takes effect on {theirs.isoformat()} and would never be in effect: choose a "
                f"later day, or retire {other.label} first."
            )
        elif other.number > version.number and theirs <= day:
            message = (
                f"{other.label} is in effect then, so this version never would be: make a new version of it."
            )
        else:
            continue
        raise Invalid.at("/effective_on", message, code="overlapping")
