"""Whose usage of which months a simulation looks at."""

from collections.abc import Collection
from datetime import date, datetime
from functools import lru_cache
from uuid import UUID

from sqlalchemy import ColumnElement, func, select

from app.db import db
from app.domain.periods import Period, add_months
from app.errors import Invalid
from app.models import Account, Simulation, Subscription
from app.models.simulations import SimulationScope
from app.services.billing_steps import FIRST_TO_END, LAST_TO_END, month_of

DEFAULT_MONTHS = 3
MOST_MONTHS = 24


def check_months(first: str | None, last: str | None, at: datetime) -> tuple[str, str]:
    """Return the first and the last month of a simulation, where one is missing by the default: the last
    three that have ended everywhere.

    Raises:
        Invalid: a month that is none, has not ended or comes before the first; more than 24 months.
    """
    if last is None:
        last = f"{_before(at, LAST_TO_END):%Y-%m}"
    ended = month_of(last, LAST_TO_END)
    if ended.end > at:
        raise Invalid.at("/last_month", f"{last} has not ended yet.", code="not_ended")
    if first is None:
        first = f"{add_months(ended.start_on, 1 - DEFAULT_MONTHS):%Y-%m}"
    begun = month_of(first, LAST_TO_END)
    number = _number(ended.start_on) - _number(begun.start_on) + 1
    if number < 1:
        raise Invalid.at("/first_month", "The first month comes after the last.", code="bad_period")
    if number > MOST_MONTHS:
        raise Invalid.at("/first_month", f"At most {MOST_MONTHS} months are compared.", code="bad_period")
    return first, last


def _before(at: datetime, zone_name: str) -> date:
    """Return the first day of the last month that has ended in a zone."""
    this = month_of(f"{at:%Y-%m}", zone_name)
    ended = add_months(this.start_on, -1)
    return ended if this.start <= at else add_months(ended, -1)


def _number(on: date) -> int:
    return on.year * 12 + on.month


def months_of(simulation: Simulation, zone_name: str) -> tuple[Period, ...]:
    """Return the local months of a simulation in a zone."""
    return months_between(simulation.first_month, simulation.last_month, zone_name)


@lru_cache(maxsize=1024)
def months_between(first_month: str, last_month: str, zone_name: str) -> tuple[Period, ...]:
    """Return the local months from one to another, both named such as `2026-08`."""
    first = month_of(first_month, zone_name).start_on
    last = month_of(last_month, zone_name).start_on
    names = [f"{add_months(first, n):%Y-%m}" for n in range(_number(last) - _number(first) + 1)]
    return tuple(month_of(name, zone_name) for name in names)


def accounts_of(simulation: Simulation, named: Collection[UUID] = ()) -> list[tuple[UUID, str]]:
    """Return the accounts of a simulation's scope with their currencies, in id order; `named` are those that
    were chosen one by one."""
    query = select(Account.id, Account.currency).where(_within(simulation, named)).order_by(Account.id)
    return [(account_id, currency) for account_id, currency in db.session.execute(query)]


def _within(simulation: Simulation, accounts: Collection[UUID]) -> ColumnElement[bool]:
    if simulation.scope is SimulationScope.accounts:
        return Account.id.in_(accounts)
    if simulation.scope is SimulationScope.customer:
        return Account.customer_id == simulation.customer_id
    # Days differ by zone: this is the widest reading, and who had nothing then is skipped.
    since = month_of(simulation.first_month, FIRST_TO_END).start
    until = month_of(simulation.last_month, LAST_TO_END).end
    then = [
        Subscription.account_id == Account.id,
        Subscription.start_at < until,
        func.coalesce(Subscription.end_at, until) > since,
    ]
    if simulation.scope is SimulationScope.plan:
        then.append(Subscription.plan_id == simulation.version.plan_id)
    return select(Subscription.id).where(*then).exists()
