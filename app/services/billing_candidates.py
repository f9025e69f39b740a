"""Which accounts a billing run looks at: those that may owe. Whether they do is decided one by one."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, time
from hashlib import sha256
from uuid import UUID

from sqlalchemy import Select, func, literal, or_, select, union

from app.db import db
from app.domain.periods import add_months
from app.errors import Invalid
from app.models import (
    Account,
    ChargePosition,
    Commitment,
    Invoice,
    PlanVersion,
    PriceComponent,
    PricePlan,
    Subscription,
    TermsOverride,
)
from app.models.billing_runs import RunScope
from app.models.invoices import InvoiceOrigin, InvoiceStatus
from app.models.plans import ComponentKind
from app.services.billing_steps import FIRST_TO_END, LAST_TO_END, month_of


@dataclass(frozen=True, slots=True)
class Scope:
    """Whom a run bills: everybody, or who was on `plan` in the month, or these `accounts`."""

    plan: PricePlan | None = None
    accounts: frozenset[UUID] | None = None

    @classmethod
    def of(cls, plan: PricePlan | None, accounts: Collection[UUID] | None) -> "Scope":
        """Return the scope that was asked for.

        Raises:
            Invalid: both were, or no account.
        """
        if accounts is not None and plan is not None:
            raise Invalid.at("/accounts", "Choose a plan or accounts, not both.", code="conflicting")
        if accounts is not None and not accounts:
            raise Invalid.at("/accounts", "Name at least one account.", code="required")
        return cls(plan, None if accounts is None else frozenset(accounts))

    @property
    def kind(self) -> RunScope:
        """Which of the three it is."""
        if self.plan is not None:
            return RunScope.plan
        return RunScope.all if self.accounts is None else RunScope.accounts

    @property
    def key(self) -> str:
        """A text that is the same for the same choice, whatever the order."""
        if self.plan is not None:
            return f"plan:{self.plan.id}"
        if self.accounts is None:
            return ""
        return "accounts:" + sha256("\n".join(sorted(map(str, self.accounts))).encode()).hexdigest()


def accounts(period: str, scope: Scope) -> list[UUID]:
    """Return the accounts of a scope with usage of a period that ended with the month and is not invoiced or
    is priced by groups (which may have moved), or with a price that is charged without usage, in id order.
    """
    until = month_of(period, LAST_TO_END).end
    parts = (_with_usage(until), _with_fees(until), _with_contract(until))
    found = union(*(_within(part, period, scope) for part in parts))
    return sorted(db.session.scalars(found))


def billed_before(period: str, scope: Scope) -> list[UUID]:
    """Return the accounts of a scope that the run of the month before has billed: a dry run shows them too
    where they owe nothing now.
    """
    before = add_months(month_of(period, LAST_TO_END).start_on, -1).strftime("%Y-%m")
    first, last = (month_of(before, zone).start for zone in (FIRST_TO_END, LAST_TO_END))
    query = select(Invoice.account_id).where(
        Invoice.origin == InvoiceOrigin.run,
        Invoice.status != InvoiceStatus.cancelled,
        Invoice.period_start.between(first, last),
    )
    return sorted(set(db.session.scalars(_narrowed(query, Invoice.account_id, period, scope))))


def _with_usage(until: datetime) -> Select[UUID]:
    unbilled = ChargePosition.quantity != ChargePosition.invoiced_quantity
    return select(ChargePosition.account_id.label("account_id")).where(
        ChargePosition.period_end <= until, unbilled | ChargePosition.groups.is_not(None)
    )


def _with_fees(until: datetime) -> Select[UUID]:
    without_usage = or_(
        PriceComponent.kind == ComponentKind.fixed,
        PriceComponent.model == "flat",
        PriceComponent.terms.has_key("minimum"),
        PlanVersion.charge_zero_first_tier,
    )
    return (
        select(Subscription.account_id.label("account_id"))
        .join(PlanVersion, PlanVersion.id == Subscription.plan_version_id)
        .join(PriceComponent, PriceComponent.plan_version_id == PlanVersion.id)
        .where(Subscription.start_at <= until, without_usage)
    )


def _with_contract(until: datetime) -> Select[UUID]:
    contracts = union(select(Commitment.subscription_id), select(TermsOverride.subscription_id))
    return select(Subscription.account_id.label("account_id")).where(
        Subscription.start_at <= until, Subscription.origin_id.in_(contracts)
    )


def _within(part: Select[UUID], period: str, scope: Scope) -> Select[UUID]:
    found = part.subquery()
    return _narrowed(select(found.c.account_id), found.c.account_id, period, scope)


def _narrowed(query: Select[UUID], account_id: object, period: str, scope: Scope) -> Select[UUID]:
    """Return a query limited to a scope. A plan counts where the account was on it in its local month."""
    if scope.accounts is not None:
        return query.where(account_id.in_(scope.accounts))  # type: ignore[attr-defined]
    if scope.plan is None:
        return query
    month = month_of(period, LAST_TO_END)
    first, after = (
        func.timezone(Account.timezone, literal(datetime.combine(day, time())))
        for day in (month.start_on, month.end_on)
    )
    on_plan = (
        select(Subscription.account_id)
        .join(Account, Account.id == Subscription.account_id)
        .where(
            Subscription.plan_id == scope.plan.id,
            Subscription.start_at < after,
            or_(
                Subscription.end_at.is_(None),
                (Subscription.end_at > first) & (Subscription.end_at > Subscription.start_at),
            ),
        )
    )
    return query.where(account_id.in_(on_plan))  # type: ignore[attr-defined]
