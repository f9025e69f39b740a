"""Plans: versions that are edited as drafts, frozen when published, and found by the day they hold for
(docs/api/plans.md)."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import contains_eager, joinedload, selectinload

from app.db import db, lock
from app.domain.periods import local_date
from app.domain.states import move
from app.errors import Conflict, Frozen, NotFound
from app.models import PlanVersion, PriceComponent, PricePlan
from app.models.plans import Interval, VersionStatus
from app.permissions import Actor
from app.services import audit, components, inputs, plan_contents, publication
from app.services.inputs import a_day, optional, refusals, text
from app.services.metrics import code
from app.services.publication import INDIA_TIME

PLAN_READERS: dict[str, inputs.Reader] = {
    "code": code,
    "name": text(300),
    "description": optional(text(10_000)),
    "active": inputs.yes_or_no,
}
VERSION_READERS: dict[str, inputs.Reader] = {
    "interval": inputs.choice(Interval),
    "effective_on": optional(a_day),
    "charge_zero_first_tier": inputs.yes_or_no,
    "suspend_when_empty": inputs.yes_or_no,
}


def create(
    values: Mapping[str, Any],
    *,
    version: Mapping[str, Any] | None = None,
    prices: Sequence[Mapping[str, Any]] = (),
    actor: Actor,
) -> PricePlan:
    """Make a plan with a draft first version: `values` are its own attributes, `version` those of the
    version, `prices` the components as `components.parse` reads them.

    Raises:
        Invalid: with the attribute that cannot be used, such as `/components/0/tiers/1/up_to`.
        Conflict: the code is taken.
    """
    found = inputs.read(values, PLAN_READERS, required=("code",))
    plan = PricePlan(**{"name": found["code"], "active": True, **found})
    try:
        with db.session.begin_nested():
            db.session.add(plan)
    except IntegrityError:
        raise Conflict.at("/code", f"There is a plan {plan.code} already.", code="taken") from None
    made = _new_version(plan, 1, version or {})
    _replace(made, components.parse(prices))
    summary = f"Plan {plan.code} was made"
    audit.record(
        actor, "plan.created", plan, summary=summary, after={**found, "components": len(made.components)}
    )
    return plan


def add_version(
    plan: PricePlan,
    values: Mapping[str, Any] | None = None,
    *,
    prices: Sequence[Mapping[str, Any]] | None = None,
    base: PlanVersion | None = None,
    actor: Actor,
) -> PlanVersion:
    """Add a draft version to a plan; without `prices` it starts with the components of `base`, by default the
    last version, and so do the attributes that `values` leaves out (but not the day it takes effect).

    Raises:
        Invalid: with the attribute that cannot be used.
    """
    lock(PricePlan, [plan.id])
    last = db.session.scalar(
        select(PlanVersion).where(PlanVersion.plan_id == plan.id).order_by(PlanVersion.number.desc()).limit(1)
    )
    base = base or last
    version = _new_version(
        plan, last.number + 1 if last else 1, {**(_inherited(base) if base else {}), **(values or {})}
    )
    listed = components.as_prices(base) if prices is None and base else prices or ()
    _replace(version, components.parse(listed))
    audit.record(actor, "plan_version.created", version, summary=f"{version.label} was drafted")
    return version


def clone(version: PlanVersion, values: Mapping[str, Any], *, actor: Actor) -> PricePlan:
    """Make another plan, its draft first version with the components and the attributes of `version` (but not
    the day it takes effect). `values` are the attributes of the plan; its code is needed.

    Raises:
        Invalid, Conflict: as `create`.
    """
    own = {"name": version.plan.name, "description": version.plan.description, **values}
    return create(own, version=_inherited(version), prices=components.as_prices(version), actor=actor)


def update_version(
    version: PlanVersion,
    values: Mapping[str, Any],
    *,
    prices: Sequence[Mapping[str, Any]] | None = None,
    seen: str | None = None,
    actor: Actor,
) -> PlanVersion:
    """Change a draft: the attributes that `values` states, and with `prices` all components. `seen` is the
    `plan_contents.mark` of what the editor had before its eyes.

    Raises:
        Frozen: the version is not a draft.
        Conflict: it is no longer what was seen.
        Invalid: with every field that cannot be used.
    """
    (version,) = lock(PlanVersion, [version.id])
    _check_draft(version)
    if seen is not None and seen != plan_contents.mark(version):
        raise Conflict("Somebody else changed this draft since you opened it. Load it again to see how.")
    before = plan_contents.of(version)
    attributes, made = inputs.together(
        lambda: inputs.read(values, VERSION_READERS),
        lambda: None if prices is None else components.parse(prices),
    )
    for name, value in attributes.items():
        setattr(version, name, value)
    if made is not None:
        _replace(version, made)
    db.session.flush()
    audit.record(
        actor,
        "plan_version.edited",
        version,
        summary=f"The draft {version.label} was edited",
        before=before,
        after=plan_contents.of(version),
    )
    return version


def set_components(version: PlanVersion, prices: Sequence[Mapping[str, Any]], *, actor: Actor) -> PlanVersion:
    """Replace all components of a draft version.

    Raises:
        Frozen: the version is not a draft.
        Invalid: with the field that cannot be used, such as `/components/0/tiers/1/up_to`.
    """
    _check_draft(version)
    before = components.as_prices(version)
    _replace(version, components.parse(prices))
    after = components.as_prices(version)
    audit.record(
        actor,
        "plan_version.priced",
        version,
        summary=f"The prices of {version.label} were set",
        before={"components": before},
        after={"components": after},
    )
    return version


def publish(version: PlanVersion, *, at: datetime, actor: Actor) -> PlanVersion:
    """Freeze a draft version and offer it from its effective day on; one published already stays as it is.

    Raises:
        Invalid: it has no component, a currency lacks one, or its days clash with another version's.
        IllegalTransition: it is retired.
    """
    (version,) = lock(PlanVersion, [version.id])
    if version.status is VersionStatus.published:
        return version
    with refusals():
        published = VersionStatus(move("plan_version", version.status, VersionStatus.published))
    publication.check(version, at)
    version.status = published
    version.published_at = at
    audit.record(actor, "plan_version.published", version, at=at, summary=f"{version.label} was published")
    return version


def retire(version: PlanVersion, *, at: datetime, actor: Actor) -> PlanVersion:
    """Offer a published version no longer; who subscribes to it stays on it.

    Raises:
        IllegalTransition: it is not published.
    """
    (version,) = lock(PlanVersion, [version.id])
    with refusals():
        version.status = VersionStatus(move("plan_version", version.status, VersionStatus.retired))
    audit.record(actor, "plan_version.retired", version, at=at, summary=f"{version.label} was retired")
    return version


def find_active(plan: PricePlan | str, at: datetime) -> PlanVersion | None:
    """Return the newest published version of a plan (or its code) in effect at `at`, by the day in India."""
    in_effect = or_(
        PlanVersion.effective_on.is_(None), PlanVersion.effective_on <= local_date(at, INDIA_TIME)
    )
    named = PricePlan.code == plan if isinstance(plan, str) else PricePlan.id == plan.id
    query = (
        select(PlanVersion)
        .join(PlanVersion.plan)
        .where(named, PlanVersion.status == VersionStatus.published, in_effect)
        .options(contains_eager(PlanVersion.plan))
        .order_by(PlanVersion.number.desc())
    )
    return db.session.scalar(query.limit(1))


def has_price_in(version: PlanVersion, currency: str) -> bool:
    """Tell whether a version has a component in this currency."""
    priced = select(PriceComponent.id).where(
        PriceComponent.plan_version_id == version.id, PriceComponent.currency == currency
    )
    return bool(db.session.scalar(select(priced.exists())))


def get(plan_code: str) -> PricePlan:
    """Return the plan with this code, its versions and components loaded.

    Raises:
        NotFound: there is none.
    """
    loaded = (
        selectinload(PricePlan.versions)
        .selectinload(PlanVersion.components)
        .joinedload(PriceComponent.metric)
    )
    plan = db.session.scalar(select(PricePlan).where(PricePlan.code == plan_code).options(loaded))
    if plan is None:
        raise NotFound(f"There is no plan {plan_code!r}.")
    return plan


def get_version(plan_code: str, number: int) -> PlanVersion:
    """Return a version of a plan by number.

    Raises:
        NotFound: there is none.
    """
    version = db.session.scalar(
        select(PlanVersion)
        .join(PlanVersion.plan)
        .where(PricePlan.code == plan_code, PlanVersion.number == number)
        .options(joinedload(PlanVersion.plan))
    )
    if version is None:
        raise NotFound(f"There is no version {number} of a plan {plan_code!r}.")
    return version


def _new_version(plan: PricePlan, number: int, values: Mapping[str, Any]) -> PlanVersion:
    found = inputs.read(values, VERSION_READERS)
    defaults = {"interval": Interval.month, "charge_zero_first_tier": False, "suspend_when_empty": False}
    version = PlanVersion(plan=plan, number=number, status=VersionStatus.draft, **{**defaults, **found})
    db.session.add(version)
    db.session.flush()
    return version


def _inherited(version: PlanVersion) -> dict[str, Any]:
    return {name: getattr(version, name) for name in VERSION_READERS if name != "effective_on"}


def _check_draft(version: PlanVersion) -> None:
    if version.status is not VersionStatus.draft:
        raise Frozen(f"{version.label} is {version.status} and cannot change: make a new version.")


def _replace(version: PlanVersion, made: Sequence[PriceComponent]) -> None:
    version.components.clear()
    db.session.flush()
    version.components.extend(made)
    db.session.flush()
