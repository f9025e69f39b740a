"""The global search: whatever a person has in hand, a name, a number, an id of ours or of a gateway, leads to
the record.

Every kind is found by an index, exactly or by its beginning, and all of them in one statement. Event ids have
no index over all accounts, which ingest would pay for: they are looked for a quarter of a second, where
nothing else was found.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Text, cast, func, literal, null, or_, select, text, union_all
from sqlalchemy.exc import OperationalError

from app.db import db
from app.models import (
    Account,
    ApiKey,
    AuditRecord,
    Customer,
    EventKey,
    Invoice,
    Payment,
    PricePlan,
    Subscription,
    Voucher,
)
from app.services.explorer import QUERY_CANCELED

SHORTEST, LONGEST = 2, 200
MOST = 5
EVENT_MS = 250
EVENT = "event"

# (the term, as an id where it is one) → rows of id, title and detail; None where it cannot be of this kind.
Finder = Callable[[str, UUID | None], Select[Any] | None]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of record: its title above the group, the resource that guards it, and how it is found."""

    name: str
    title: str
    resource: str
    find: Finder


@dataclass(frozen=True, slots=True)
class Hit:
    """A record that was found."""

    kind: str
    id: str
    title: str
    detail: str | None


@dataclass(frozen=True, slots=True)
class Group:
    """The records of one kind; `more` tells that there are others."""

    kind: Kind
    hits: list[Hit]
    more: bool


@dataclass(frozen=True, slots=True)
class Found:
    """What a term leads to. `unsure` tells that event ids were not looked through to the end."""

    term: str
    groups: list[Group]
    unsure: bool = False

    @property
    def count(self) -> int:
        """How many records are shown."""
        return sum(len(group.hits) for group in self.groups)


def find(term: str, *, allowed: Callable[[str], bool], most: int = MOST) -> Found:
    """Return what a term leads to, at most `most` records of each kind whose resource is `allowed`.

    A term of fewer than two characters leads nowhere.
    """
    term = term.replace("\x00", "").strip()[:LONGEST]
    if len(term) < SHORTEST:
        return Found(term, [])
    key = _as_id(term)
    kinds = [kind for kind in KINDS if allowed(kind.resource)]
    parts = [(kind, query) for kind in kinds if (query := kind.find(term, key)) is not None]
    hits = _all(parts, most + 1)
    groups = [
        Group(kind, mine[:most], len(mine) > most)
        for kind, _ in parts
        if (mine := [hit for hit in hits if hit.kind == kind.name])
    ]
    if groups or not allowed("usage") or " " in term or "@" in term:
        return Found(term, groups)
    events, unsure = _events(term, most)
    return Found(term, [Group(EVENTS, events, False)] if events else [], unsure)


def _all(parts: list[tuple[Kind, Select[Any]]], limit: int) -> list[Hit]:
    if not parts:
        return []
    limited = [
        select(literal(kind.name).label("kind"), *(query.limit(limit).subquery().c)) for kind, query in parts
    ]
    return [Hit(*row) for row in db.session.execute(union_all(*limited))]


def _events(term: str, most: int) -> tuple[list[Hit], bool]:
    """Return the events of this id, and whether the time was over before all accounts were looked at."""
    query = (
        select(EventKey.account_id, EventKey.occurred_at, Account.name)
        .join(Account, Account.id == EventKey.account_id)
        .where(EventKey.event_id == term)
        .limit(most)
    )
    savepoint = db.session.begin_nested()
    try:
        db.session.execute(text(f"SET LOCAL statement_timeout = {EVENT_MS}"))
        rows = db.session.execute(query).all()
    except OperationalError as error:
        if getattr(error.orig, "sqlstate", None) != QUERY_CANCELED:
            raise
        return [], True
    finally:
        savepoint.rollback()
    return [Hit(EVENT, term, term, f"{name}, {at:%Y-%m-%d %H:%M} UTC") for _, at, name in rows], False


def _as_id(term: str) -> UUID | None:
    try:
        return UUID(term)
    except ValueError:
        return None


def _row(model: Any, title: Any, detail: Any, *conditions: ColumnElement[bool] | None) -> Select[Any]:
    found = or_(*(condition for condition in conditions if condition is not None))
    columns: list[ColumnElement[Any]] = [
        cast(model.id, Text).label("id"),
        cast(title, Text).label("title"),
        cast(detail, Text).label("detail"),
    ]
    return select(*columns).where(found)


def _starts(column: Any, term: str) -> ColumnElement[bool]:
    found: ColumnElement[bool] = func.lower(column).startswith(term.lower(), autoescape=True)
    return found


def _is(model: Any, key: UUID | None) -> ColumnElement[bool] | None:
    return None if key is None else model.id == key


def _customers(term: str, key: UUID | None) -> Select[Any]:
    return _row(
        Customer,
        Customer.name,
        Customer.email,
        _starts(Customer.name, term),
        _starts(Customer.email, term),
        Customer.gstin == term.upper(),
        Customer.external_id == term,
        _is(Customer, key),
    )


def _accounts(term: str, key: UUID | None) -> Select[Any]:
    conditions = (_starts(Account.name, term), Account.external_id == term, _is(Account, key))
    return _row(Account, Account.name, Account.external_id, *conditions)


def _invoices(term: str, key: UUID | None) -> Select[Any]:
    title = func.coalesce(Invoice.number, "draft")
    return _row(Invoice, title, Invoice.status, _starts(Invoice.number, term), _is(Invoice, key))


def _vouchers(term: str, key: UUID | None) -> Select[Any]:
    begins = Voucher.number.startswith(term.upper(), autoescape=True)
    return _row(Voucher, Voucher.number, Voucher.issued_on, begins, _is(Voucher, key))


def _payments(term: str, key: UUID | None) -> Select[Any]:
    title = func.coalesce(Payment.gateway_ref, Payment.gateway_payment_ref, cast(Payment.id, Text))
    references = (Payment.gateway_ref == term, Payment.gateway_payment_ref == term)
    return _row(Payment, title, Payment.status, *references, _is(Payment, key))


def _subscriptions(term: str, key: UUID | None) -> Select[Any] | None:
    if key is None:
        return None
    found = _row(Subscription, PricePlan.name, Account.name, _is(Subscription, key))
    return found.join(PricePlan, PricePlan.id == Subscription.plan_id).join(
        Account, Account.id == Subscription.account_id
    )


def _keys(term: str, key: UUID | None) -> Select[Any]:
    return _row(ApiKey, ApiKey.name, ApiKey.prefix, ApiKey.prefix == term, _is(ApiKey, key))


def _requests(term: str, key: UUID | None) -> Select[Any]:
    """One record stands for all of its request: its page leads to the others."""
    found = _row(AuditRecord, AuditRecord.summary, AuditRecord.request_id, AuditRecord.request_id == term)
    return found.order_by(AuditRecord.id)


def _nothing(term: str, key: UUID | None) -> Select[Any]:
    columns: list[ColumnElement[Any]] = [null(), null(), null()]
    return select(*columns).where(text("false"))


KINDS = (
    Kind("customer", "Customers", "customers", _customers),
    Kind("account", "Accounts", "customers", _accounts),
    Kind("invoice", "Invoices and credit notes", "billing", _invoices),
    Kind("voucher", "Vouchers", "billing", _vouchers),
    Kind("payment", "Payments", "payments", _payments),
    Kind("subscription", "Subscriptions", "billing", _subscriptions),
    Kind("api_key", "API keys", "api_keys", _keys),
    Kind("request", "Requests", "audit", _requests),
)
EVENTS = Kind(EVENT, "Events", "usage", _nothing)
