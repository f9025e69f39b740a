"""A customer who used something last month, for the flows of an invoice."""

from datetime import timedelta

from sqlalchemy import select

from app import clock
from app.db import db, transaction
from app.domain.periods import Period, calendar_month, local_date
from app.models import Account, Metric
from tests.factories import (
    a_gstin,
    make_account,
    make_customer,
    make_metric,
    make_plan,
    make_seller,
    make_subscription,
    make_tax_rate,
    per_unit,
)
from tests.services.invoicing import use
from tests.support.own import OwnDatabase

ZONE = "Asia/Kolkata"


def last_month() -> str:
    """Return the month before this one, such as `2026-10`."""
    return f"{local_date(clock.now(), ZONE).replace(day=1) - timedelta(days=1):%Y-%m}"


def sell_last_month(database: OwnDatabase) -> None:
    """Let an account use 300 messages last month, which nobody has billed."""
    month: Period = calendar_month(last_month(), ZONE)
    with database.app():
        with transaction():
            make_seller()
            make_tax_rate("18")
            metric = make_metric(
                "auth.otp", name="One-time passwords", unit="message", dimensions=["channel"]
            )
            account = make_account(
                make_customer("Godavari Credit", gstin=a_gstin("29")), external_id="godavari"
            )
            make_subscription(account, make_plan(components=[per_unit(metric, "1")]), start_at=month.start)
        with transaction():
            account = db.session.scalars(select(Account).where(Account.external_id == "godavari")).one()
            metric = db.session.scalars(select(Metric).where(Metric.code == "auth.otp")).one()
            use(account, metric, 300, at=month.start + timedelta(days=9, hours=7), channel="sms")
