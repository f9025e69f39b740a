"""What the page of a customer tells at once: what is owed, and what all accounts together used day by day."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from sqlalchemy import func, select

from app.db import db
from app.domain.periods import ONE_DAY, local_date
from app.models import Account, Customer, Invoice
from app.models.invoices import InvoiceKind
from app.services import usage_charts
from app.services.reports import OPEN
from app.services.usage_charts import Days, Trend

DAYS_SHOWN = 30
# Of a customer with more accounts than this the chart shows the oldest; each has a chart of its own.
MOST_ACCOUNTS = 200


@dataclass(frozen=True, slots=True)
class Owed:
    """What a customer owes in one currency: by how many invoices, and how many of them are late."""

    currency: str
    amount: Decimal
    invoices: int
    overdue: int


@dataclass(frozen=True, slots=True)
class Usage:
    """The usage of the last days by metric; the accounts that it is of."""

    trends: list[Trend]
    accounts: list[UUID]


def figures(customer: Customer, today: date) -> list[Owed]:
    """Return what is owed by `today`, per currency: two are never added."""
    due = func.sum(Invoice.total - Invoice.amount_paid - Invoice.amount_credited)
    query = (
        select(Invoice.currency, due, func.count(), func.count().filter(Invoice.due_on < today))
        .where(
            Invoice.customer_id == customer.id,
            Invoice.status.in_(OPEN),
            Invoice.kind != InvoiceKind.credit_note,
        )
        .group_by(Invoice.currency)
        .order_by(Invoice.currency)
    )
    return [Owed(*row) for row in db.session.execute(query)]


def usage(customer: Customer, *, at: datetime, zone: str) -> Usage:
    """Return what the accounts of a customer used in the last 30 days of a time zone, from the rollups."""
    query = (
        select(Account.id)
        .where(Account.customer_id == customer.id)
        .order_by(Account.created_at, Account.id)
        .limit(MOST_ACCOUNTS)
    )
    accounts = list(db.session.scalars(query))
    today = local_date(at, zone)
    days = Days(today - timedelta(days=DAYS_SHOWN - 1), today + ONE_DAY, zone)
    return Usage(usage_charts.trends(accounts, days) if accounts else [], accounts)
