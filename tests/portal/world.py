"""Two customers with a wallet, usage and an invoice each, and the first one signed in."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from flask.testing import FlaskClient
from sqlalchemy import select

from app import clock
from app.db import db
from app.domain.periods import calendar_month, local_date
from app.models import Account, Customer, Invoice, Metric, PricePlan, Wallet
from app.permissions import Role
from app.services import billing, events, metering, wallet_limits, wallets
from tests.auth.people import make_user, sign_in
from tests.factories import (
    ACTOR,
    make_account,
    make_customer,
    make_metric,
    make_plan,
    make_seller,
    make_subscription,
    make_tax_rate,
    per_unit,
)

ZONE = "Asia/Kolkata"


@dataclass(frozen=True, slots=True)
class Half:
    """What belongs to one customer."""

    customer: Customer
    prepaid: Account
    wallet: Wallet
    postpaid: Account
    invoice: Invoice


@dataclass(frozen=True, slots=True)
class World:
    """The customer who looks, and another one."""

    own: Half
    foreign: Half
    metric: Metric


def make_world(client: FlaskClient) -> World:
    """Make both customers and sign the first one's person in."""
    make_seller()
    make_tax_rate()
    metric = make_metric("auth.otp", aggregation="sum", dimensions=["channel"], name="One-time passwords")
    plan = make_plan("starter", components=[per_unit(metric, "0.25", name="Passwords by any channel")])
    world = World(
        _make_half("Lotus Retail", "lotus", plan), _make_half("Sahyadri Travel", "sahyadri", plan), metric
    )
    user = make_user(Role.customer, email="asha@lotus.example", customer=world.own.customer, name="Asha Rao")
    sign_in(client, user)
    return world


def _make_half(name: str, key: str, plan: PricePlan) -> Half:
    """A wallet with 1,000.00 of which 400 messages took 100.00 today, and an invoice over 1,000 messages."""
    now = clock.now()
    last_month = f"{local_date(now, ZONE).replace(day=1) - timedelta(days=1):%Y-%m}"
    start_at = calendar_month(last_month, ZONE).start
    customer = make_customer(name)
    prepaid = make_account(customer, prepaid=True, external_id=f"{key}-prepaid")
    postpaid = make_account(customer, external_id=f"{key}-postpaid")
    for account in (prepaid, postpaid):
        make_subscription(account, plan, start_at=start_at)
    wallet = wallets.find_for(prepaid)
    assert wallet is not None
    wallets.top_up(wallet, Decimal(1000), at=now, actor=ACTOR, reason="Bank transfer")
    wallet_limits.set_limits(wallet, {"low_balance_threshold": "950"}, actor=ACTOR)
    use(prepaid, "400", now)
    use(postpaid, "1000", start_at + timedelta(days=3))
    list(billing.run(last_month, at=now, actor=ACTOR, accounts=[postpaid.id]))
    invoice = db.session.scalars(select(Invoice).where(Invoice.account_id == postpaid.id)).one()
    return Half(customer, prepaid, wallet, postpaid, invoice)


def use(account: Account, quantity: str, at: datetime) -> None:
    """Send so many messages by SMS and meter them."""
    event = {
        "event_id": f"{account.external_id}-{at:%d%H%M%S%f}",
        "account_id": account.external_id,
        "metric": "auth.otp",
        "timestamp": at.isoformat(),
        "quantity": quantity,
        "properties": {"channel": "sms"},
    }
    (result,) = events.ingest([event], source="test", actor=ACTOR, at=clock.now())
    assert result.status is events.Status.accepted, result
    while metering.drain(at=at):
        pass
