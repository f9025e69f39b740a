"""Which accounts a billing run looks at: those that may owe. Whether they do is decided one by one."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from sqlalchemy import or_, select, union

from app.db import db
from app.models import ChargePosition, Commitment, PlanVersion, PriceComponent, Subscription, TermsOverride
from app.models.plans import ComponentKind


def accounts(until: datetime, only: Collection[UUID] | None = None) -> list[UUID]:
    """Return the accounts with usage of a period that ended by `until` and is not invoiced or is priced by
    groups (which may have moved), or with a price that is charged without usage, in id order; `only` of
    them, if given.
    """
    unbilled = ChargePosition.quantity != ChargePosition.invoiced_quantity
    used = select(ChargePosition.account_id).where(
        ChargePosition.period_end <= until, unbilled | ChargePosition.groups.is_not(None)
    )
    without_usage = or_(
        PriceComponent.kind == ComponentKind.fixed,
        PriceComponent.model == "flat",
        PriceComponent.terms.has_key("minimum"),
        PlanVersion.charge_zero_first_tier,
    )
    paying = (
        select(Subscription.account_id)
        .join(PlanVersion, PlanVersion.id == Subscription.plan_version_id)
        .join(PriceComponent, PriceComponent.plan_version_id == PlanVersion.id)
        .where(Subscription.start_at <= until, without_usage)
    )
    contracts = union(select(Commitment.subscription_id), select(TermsOverride.subscription_id))
    agreed = select(Subscription.account_id).where(
        Subscription.start_at <= until, Subscription.origin_id.in_(contracts)
    )
    if only is not None:
        agreed = agreed.where(Subscription.account_id.in_(only))
        used = used.where(ChargePosition.account_id.in_(only))
        paying = paying.where(Subscription.account_id.in_(only))
    return sorted(db.session.scalars(union(used, paying, agreed)))
