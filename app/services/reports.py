"""What is told about the whole: the figures of the dashboard, read from rollups, invoices and wallets, never
from events.

Two currencies are never added: every figure of money comes once per currency.
"""

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Numeric, Select, Text, case, cast, exists, func, select, text
from sqlalchemy.orm import joinedload

from app.db import db
from app.domain.periods import ONE_DAY, local_date
from app.models import (
    Account,
    AuditRecord,
    Customer,
    DeadLetter,
    Invoice,
    OutboxMessage,
    PricePlan,
    Subscription,
    UsageDelta,
    User,
    Verification,
    Wallet,
)
from app.models.customers import CustomerStatus
from app.models.invoices import InvoiceKind, InvoiceStatus
from app.models.usage import DeadLetterStatus
from app.permissions import STAFF
from app.services import usage_charts, verifications
from app.services.usage_charts import Days

OPEN = (InvoiceStatus.issued, InvoiceStatus.partially_paid, InvoiceStatus.overdue)
UNNUMBERED = (InvoiceStatus.draft, InvoiceStatus.parked)
COUNT_LIMIT = 10_000
DAYS_SHOWN = 30
# What people do that changes nothing: it stands in the audit trail, and is no news.
NO_CHANGES = ("user.signed%", "access.%", "%.viewed", "document.opened", "list.exported")
HUNDRED = Decimal(100)


@dataclass(frozen=True, slots=True)
class Revenue:
    """What was invoiced before tax in one currency: this month so far, and last month up to the same day."""

    currency: str
    amount: Decimal
    before: Decimal

    @property
    def change(self) -> Decimal | None:
        """The change in percent with one decimal; None where there was nothing before."""
        if not self.before:
            return None
        return ((self.amount - self.before) / abs(self.before) * HUNDRED).quantize(Decimal("0.1"))


@dataclass(frozen=True, slots=True)
class Pending:
    """Invoices that wait for money, in one currency."""

    currency: str
    count: int
    overdue: int
    due: Decimal


@dataclass(frozen=True, slots=True)
class Customers:
    """How many customers there are, and how many of them are active."""

    active: int
    total: int


@dataclass(frozen=True, slots=True)
class LowWallets:
    """How many wallets are below their threshold (counted up to 10,000), and the first of them."""

    count: int
    wallets: list[Wallet]


@dataclass(frozen=True, slots=True)
class Health:
    """How the machinery does. Counts stop at 10,000."""

    backlog: int
    oldest_at: datetime | None
    dead_letters: int
    outbox_waiting: int
    verified: Verification | None


@dataclass(frozen=True, slots=True)
class Series:
    """The figures of a chart: one label per point, and named lines over them."""

    labels: list[str]
    lines: list[tuple[str, list[Decimal]]]
    unit: str = ""

    @property
    def series(self) -> list[dict[str, Any]]:
        """The lines as a chart takes them: `{"name", "values"}`, values as decimal strings."""
        return [{"name": name, "values": [f"{value:f}" for value in values]} for name, values in self.lines]


def revenue(today: date) -> list[Revenue]:
    """Return the revenue of the month of `today` per currency, the largest number of invoices first."""
    start = today.replace(day=1)
    before = (start - timedelta(days=1)).replace(day=1)
    same_day = before + timedelta(days=min(today.day, (start - before).days) - 1)
    this_month = Invoice.issued_on >= start
    in_before = Invoice.issued_on.between(before, same_day)
    query = (
        select(Invoice.currency, _sum_when(this_month), _sum_when(in_before))
        .where(_counts(), Invoice.issued_on >= before, Invoice.issued_on <= today)
        .group_by(Invoice.currency)
        .order_by(func.count().desc(), Invoice.currency)
    )
    return [Revenue(currency, amount, earlier) for currency, amount, earlier in db.session.execute(query)]


def revenue_by_month(currency: str, today: date, months: int = 6) -> Series:
    """Return what was invoiced before tax in one currency, by month up to that of `today`."""
    starts = [today.replace(day=1)]
    while len(starts) < months:
        starts.insert(0, (starts[0] - timedelta(days=1)).replace(day=1))
    # By day, as the index has them: finding the month of every invoice costs more than reading it.
    query = (
        select(Invoice.issued_on, func.sum(_signed()).label("amount"))
        .where(
            _counts(),
            Invoice.currency == currency,
            Invoice.issued_on >= starts[0],
            Invoice.issued_on <= today,
        )
        .group_by(Invoice.issued_on)
    )
    found: defaultdict[date, Decimal] = defaultdict(Decimal)
    for row in db.session.execute(query):
        found[row.issued_on.replace(day=1)] += row.amount
    amounts = [found[start] for start in starts]
    return Series([f"{start:%b %Y}" for start in starts], [(currency, amounts)])


def refresh_usage(at: datetime) -> int:
    """Make the days of `usage_by_day` anew for the time zones of the staff; return how many zones.

    Done before what is kept expires, so that nobody waits for it.
    """
    query = select(User.timezone).where(User.active, User.role.in_(STAFF)).distinct()
    zones = list(db.session.scalars(query))
    for zone in zones:
        usage_charts.of_all(_last_days(local_date(at, zone), zone, DAYS_SHOWN), anew=True)
    return len(zones)


def _last_days(today: date, zone: str, days: int) -> Days:
    return Days(today - timedelta(days=days - 1), today + ONE_DAY, zone)


def usage_by_day(today: date, zone: str, days: int = DAYS_SHOWN, most: int = 5) -> Series:
    """Return the quantity of the busiest metrics by day in `zone`, from the 15-minute rollups.

    Only metrics counted in the unit of the one with the most events: messages and bytes have no common axis.
    """
    found = usage_charts.of_all(_last_days(today, zone, days))
    metrics = usage_charts.busiest(found, most)
    by_day = {on: {total.metric: total.quantity for total in totals} for on, totals in found.items()}
    return Series(
        [f"{on.day} {on:%b}" for on in by_day],
        [(metric.name, [used.get(metric, Decimal(0)) for used in by_day.values()]) for metric in metrics],
        unit=metrics[0].unit if metrics else "",
    )


def customers() -> Customers:
    """Return how many customers there are."""
    active = func.count().filter(Customer.status == CustomerStatus.active)
    row = db.session.execute(select(active, func.count()).select_from(Customer)).one()
    return Customers(active=row[0], total=row[1])


def pending_invoices(today: date) -> list[Pending]:
    """Return the invoices that wait for money, per currency; overdue is what was due before `today`."""
    overdue = func.count().filter(Invoice.due_on < today)
    due = func.sum(Invoice.total - Invoice.amount_paid - Invoice.amount_credited)
    query = (
        select(Invoice.currency, func.count(), overdue, due)
        .where(Invoice.status.in_(OPEN), Invoice.kind != InvoiceKind.credit_note)
        .group_by(Invoice.currency)
        .order_by(func.count().desc(), Invoice.currency)
    )
    return [Pending(*row) for row in db.session.execute(query)]


def low_wallets(limit: int = 5) -> LowWallets:
    """Return the wallets whose free balance is below their threshold."""
    low = is_low()
    count = _bounded(select(Wallet.id).where(low))
    query = select(Wallet).where(low).options(joinedload(Wallet.account))
    newest = query.order_by(Wallet.updated_at.desc(), Wallet.id.desc())
    return LowWallets(count, list(db.session.scalars(newest.limit(limit))))


def recent_activity(limit: int = 8) -> list[AuditRecord]:
    """Return the latest changes, without people coming and going, being refused, and looking."""
    changes = select(AuditRecord).where(*(AuditRecord.action.not_like(each) for each in NO_CHANGES))
    newest = changes.order_by(AuditRecord.at.desc(), AuditRecord.id.desc())
    return list(db.session.scalars(newest.limit(limit)))


def health() -> Health:
    """Return how far metering is behind, what waits for a person, and when the books were last verified."""
    return Health(
        backlog=_bounded(select(UsageDelta.id)),
        oldest_at=db.session.scalar(select(func.min(UsageDelta.created_at))),
        dead_letters=_bounded(select(DeadLetter.id).where(DeadLetter.status == DeadLetterStatus.open)),
        outbox_waiting=_bounded(select(OutboxMessage.id).where(OutboxMessage.done_at.is_(None))),
        verified=verifications.latest(),
    )


def is_low() -> ColumnElement[bool]:
    """Return the condition that a wallet is below its threshold, as its index says it."""
    return Wallet.balance - Wallet.held < Wallet.low_balance_threshold


def plans_of_customer() -> ColumnElement[Any]:
    """Return, for a list of customers, the names of the plans that each is on, as text."""
    query = (
        select(func.string_agg(PricePlan.name.distinct(), cast(", ", Text)))
        .select_from(Account)
        .join(Subscription, Subscription.account_id == Account.id)
        .join(PricePlan, PricePlan.id == Subscription.plan_id)
        .where(Account.customer_id == Customer.id, _running())
    )
    return query.correlate(Customer).scalar_subquery()


def balances_of_customer() -> ColumnElement[Any]:
    """Return, for a list of customers, each wallet as `{"currency", "balance", "low"}`, amounts as decimal
    strings.
    """
    low = func.coalesce(is_low(), text("false"))
    pair = func.jsonb_build_object(
        "currency", Wallet.currency, "balance", cast(Wallet.balance, Text), "low", low
    )
    query = (
        select(func.jsonb_agg(pair))
        .select_from(Wallet)
        .join(Account, Account.id == Wallet.account_id)
        .where(Account.customer_id == Customer.id)
    )
    return query.correlate(Customer).scalar_subquery()


def customer_is_on_plan(plan_id: UUID) -> ColumnElement[bool]:
    """Return the condition that a customer has an account on this plan now."""
    return exists(
        select(1)
        .select_from(Account)
        .join(Subscription, Subscription.account_id == Account.id)
        .where(Account.customer_id == Customer.id, Subscription.plan_id == plan_id, _running())
        .correlate(Customer)
    )


def _running() -> ColumnElement[bool]:
    started = Subscription.start_at <= func.now()
    return started & (Subscription.end_at.is_(None) | (Subscription.end_at > func.now()))


def _counts() -> ColumnElement[bool]:
    return Invoice.status.not_in(UNNUMBERED)


def _signed() -> ColumnElement[Decimal]:
    """A credit note takes back what an invoice charged."""
    return case((Invoice.kind == InvoiceKind.credit_note, -Invoice.subtotal), else_=Invoice.subtotal)


def _sum_when(condition: ColumnElement[bool]) -> ColumnElement[Decimal]:
    return func.coalesce(func.sum(_signed()).filter(condition), cast(0, Numeric))


def _bounded(query: Select[Any]) -> int:
    return db.session.scalar(select(func.count()).select_from(query.limit(COUNT_LIMIT).subquery())) or 0
