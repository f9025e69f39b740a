"""The beginning: what is sold, and forty customers who subscribe to it."""

from collections.abc import Callable, Sequence

from sqlalchemy import select

from app.db import db, in_transaction
from app.domain.periods import day_start
from app.models import Metric, PricePlan
from app.permissions import Actor
from app.services import accounts, customers, exchange_rates, metrics, plans, subscriptions
from app.services.demo import catalog
from app.services.demo.customers import Buyer
from app.services.demo.timeline import ZONE, Timeline

# Kaveri has agreed on a limit, so that its portal shows how much of it is used.
LIMITS = {"kaveri": {"auth.otp": "2500000"}}


def load(
    everybody: Sequence[Buyer], timeline: Timeline, actor: Actor, advance: Callable[[int], None]
) -> None:
    """Make the metrics, the plans and the customers that are missing."""
    in_transaction(lambda: _make_catalog(timeline, actor))
    for buyer in everybody:
        in_transaction(lambda one=buyer: _make_buyer(one, timeline, actor))  # type: ignore[misc]
        advance(1)


def _make_catalog(timeline: Timeline, actor: Actor) -> None:
    known = set(db.session.scalars(select(Metric.code)))
    for values in catalog.METRICS:
        if values["code"] not in known:
            metrics.create(values, actor=actor)
    offered = set(db.session.scalars(select(PricePlan.code)))
    for values, prices in catalog.plans():
        if values["code"] not in offered:
            plan = plans.create(values, prices=prices, actor=actor)
            plans.publish(plan.versions[0], at=day_start(timeline.first_on, ZONE), actor=actor)
    for currency, rate in catalog.RUPEES_FOR_ONE.items():
        if exchange_rates.find(currency, timeline.first_on) is None:
            values = {"currency": currency, "rate": rate, "valid_from": timeline.first_on}
            exchange_rates.create({**values, "source": catalog.RATE_SOURCE}, actor=actor)


def _make_buyer(buyer: Buyer, timeline: Timeline, actor: Actor) -> None:
    if accounts.find(buyer.external_id) is not None:
        return
    customer = customers.create(buyer.customer(), actor=actor)
    values = {**buyer.account(), "settings": {"limits": LIMITS[buyer.key]} if buyer.key in LIMITS else {}}
    account = accounts.create(customer, values, actor=actor)
    start_at = day_start(timeline.first_on, buyer.timezone)
    subscriptions.start(account, buyer.plan, start_at=start_at, actor=actor)
