"""May an account use a metric now? Services ask before they serve (docs/api/README.md)."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Select, or_, select
from sqlalchemy.orm import aliased, joinedload

from app.db import db
from app.domain.aggregations import Window
from app.domain.periods import calendar_month, local_date
from app.models import Account, Metric, PlanVersion, PriceComponent, Subscription, UsageRollup
from app.models.customers import AccountStatus, BillingMode, CustomerStatus
from app.models.plans import Ending
from app.models.wallets import WalletStatus
from app.services import caps, rollups, wallets
from app.services.movements import available_in

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Entitlement:
    """The answer: allowed or not, why in one word, what the wallet has left, and how much of the account's
    limit of the metric for this month (None where there is none)."""

    allowed: bool
    reason: str
    remaining: Decimal | None
    remaining_quantity: Decimal | None = None


def check(account: Account, metric: Metric, *, at: datetime) -> Entitlement:
    """Tell whether the account may use the metric at `at`.

    Denied for `account_suspended`, `paused`, `no_subscription`, `not_in_plan`, `limit_reached`,
    `spending_cap` (one of the wallet), and, where the plan suspends an empty prepaid account,
    `insufficient_funds`. Usage that arrives nevertheless is always counted and owed. `trialing` allows what
    nothing is charged for. Nothing is read from a cache.
    """
    wallet = wallets.find_for(account) if account.billing_mode is BillingMode.prepaid else None
    remaining = None if wallet is None else available_in(wallet)
    if account.status is not AccountStatus.active or account.customer.status is not CustomerStatus.active:
        return Entitlement(False, "account_suspended", remaining)
    covering = _covering(account, at)
    versions = [each.version for each in covering]
    if not versions:
        return Entitlement(False, "paused" if _is_paused(account, at) else "no_subscription", remaining)
    if not _priced(versions, account, metric):
        return Entitlement(False, "not_in_plan", remaining)
    in_trial = all(each.trial_end_at is not None and at < each.trial_end_at for each in covering)
    prepaid = account.billing_mode is BillingMode.prepaid and not in_trial
    if prepaid and any(version.suspend_when_empty for version in versions):
        usable = wallet is not None and wallet.status is WalletStatus.active and wallet.receivable == 0
        if not usable or remaining is None or remaining <= ZERO:
            return Entitlement(False, "insufficient_funds", remaining)
    if wallet is not None and not in_trial and caps.is_reached(wallet, at=at):
        return Entitlement(False, "spending_cap", remaining)
    rest = _rest_of_limit(account, metric, at)
    if rest is not None and rest <= ZERO:
        return Entitlement(False, "limit_reached", remaining, ZERO)
    return Entitlement(True, "trialing" if in_trial else "ok", remaining, rest)


def _rest_of_limit(account: Account, metric: Metric, at: datetime) -> Decimal | None:
    """Return what is left of the account's limit (`settings.limits`) in its month, None without a limit."""
    limit = account.settings.get("limits", {}).get(metric.code)
    if limit is None:
        return None
    month = calendar_month(f"{local_date(at, account.timezone):%Y-%m}", account.timezone)
    window = Window(month.start, month.end)
    query = select(rollups.TOTAL, rollups.STATES).where(
        UsageRollup.account_id == account.id,
        UsageRollup.metric_id == metric.id,
        UsageRollup.bucket_at >= window.start,
        UsageRollup.bucket_at < window.end,
    )
    total, states = db.session.execute(query).one()
    return Decimal(str(limit)) - rollups.quantity_of(metric.aggregation, total, states, window)


def _covering(account: Account, at: datetime) -> list[Subscription]:
    query = (
        select(Subscription)
        .where(
            Subscription.account_id == account.id,
            Subscription.start_at <= at,
            or_(Subscription.end_at.is_(None), Subscription.end_at > at),
        )
        .options(joinedload(Subscription.version, innerjoin=True))
    )
    return list(db.session.scalars(query))


def _is_paused(account: Account, at: datetime) -> bool:
    """True when a subscription of the account, which nothing covers at `at`, rests by then."""
    query = select(Subscription.id).where(
        Subscription.account_id == account.id,
        Subscription.start_at < Subscription.end_at,
        Subscription.end_at <= at,
        Subscription.ended_by == Ending.pause,
        ~_follower(at).exists(),
    )
    return bool(db.session.scalar(select(query.exists())))


def _follower(at: datetime) -> Select[Any]:
    """Return the segments that begin after a pause and by `at`."""
    later = aliased(Subscription)
    return select(later.id).where(
        later.origin_id == Subscription.origin_id,
        later.start_at >= Subscription.end_at,
        later.start_at <= at,
        later.id != Subscription.id,
        or_(later.end_at.is_(None), later.end_at > later.start_at),
    )


def _priced(versions: list[PlanVersion], account: Account, metric: Metric) -> bool:
    query = select(PriceComponent.id).where(
        PriceComponent.plan_version_id.in_([version.id for version in versions]),
        PriceComponent.metric_id == metric.id,
        PriceComponent.currency == account.currency,
    )
    return bool(db.session.scalar(select(query.exists())))
