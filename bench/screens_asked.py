"""What every screen is asked: each list by page, order, search and filter, the pages of records, the pages of
a big customer, and the lists of the API. All of it is derived from the registry of screens and the map of
addresses, so a new screen is asked as well.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from flask import Flask
from sqlalchemy import func, select

from admin_views.base import ModelScreen
from admin_views.filters import Filter
from admin_views.keys import encode, key_columns, key_of
from admin_views.listing import PAGE_SIZE
from admin_views.naming import local_key, mapper_of, relations
from admin_views.paging import COUNT_LIMIT, estimate
from app import clock
from app.db import Base, db
from app.models import Account, Customer, Invoice, InvoiceLine, Wallet

NOBODY = UUID(int=1)
MOST_CHOICES = 12
# Texts that a filter with a condition of its own understands.
WORDS = {
    "amount": ("0.25", "123456.78"),
    "property": ("country=AE",),
    "event_id": ("ev-0000000012", "ev-00000*"),
}
# Files, and pages that other people's programs draw.
NOT_PAGES = (
    "pdf",
    "csv",
    "/file",
    "download",
    "statement",
    "/rq/",
    "static",
    "openapi",
    "documents",
    "/mail/",
)


@dataclass(frozen=True, slots=True)
class Question:
    """One address, what is tried by it, the screen it belongs to, and who asks: `desk`, `portal` or `api`."""

    screen: str
    what: str
    path: str
    who: str = "desk"


@dataclass(frozen=True, slots=True)
class Big:
    """The account with the most of everything, and what belongs to it."""

    account: Account
    customer: Customer
    wallet: Wallet
    invoice: Invoice

    def rows(self) -> list[Base]:
        """Return the records whose pages have the most to say."""
        return [self.account, self.customer, self.wallet, self.invoice]


def find_big() -> Big:
    """Return the account with the most usage; its wallet and its longest invoice are the largest."""
    wallet = db.session.scalars(select(Wallet).order_by(Wallet.account_id).limit(1)).one()
    lines = select(InvoiceLine.invoice_id).join(Invoice).where(Invoice.account_id == wallet.account_id)
    longest = lines.group_by(InvoiceLine.invoice_id).order_by(func.count().desc()).limit(1)
    invoice = db.session.scalars(select(Invoice).where(Invoice.id.in_(longest.scalar_subquery()))).one()
    return Big(wallet.account, wallet.account.customer, wallet, invoice)


def of_all(app: Flask) -> list[Question]:
    """Return everything that is asked."""
    big = find_big()
    screens = sorted(app.extensions["admin_screens"].values(), key=lambda view: view.slug)
    found = [question for view in screens for question in of_screen(view, big)]
    return [*found, *_of_addresses(app, big)]


def of_screen(view: ModelScreen, big: Big) -> Iterator[Question]:
    """Yield what a list and the pages of its records are asked."""
    base = f"/admin/{view.slug}/"
    rows = _samples(view.model)

    def ask(what: str, **query: Any) -> Question:
        return Question(view.slug, what, f"{base}?{urlencode(query)}" if query else base)

    yield ask("first page")
    if view.big:
        for name, row in zip(("middle", "last"), rows[1:], strict=False):
            key = encode([getattr(row, key.key) for key in view.walk_keys({})])
            yield ask(f"page in the {name}", after=key)
            yield ask(f"page before the {name}", before=key)
    else:
        for number in (1, COUNT_LIMIT // PAGE_SIZE // 2, COUNT_LIMIT // PAGE_SIZE):
            yield ask(f"page {number}", page=number)
        for name in filter(view.is_orderable, view.columns):
            yield ask(f"order {name}", sort=name)
            yield ask(f"order {name} down", sort=name, desc=1)
    for term in _terms(view, rows):
        yield ask(f"search {term[:20]}", search=term)
    for one in view.asked_filters:
        for query in _answers(view, one, rows):
            yield ask("filter " + " ".join(f"{name}={value}" for name, value in query.items())[:60], **query)
    for name in view.lookups:
        for term in ("", "ka", "zzzz"):
            path = f"{base}ajax/lookup/?{urlencode({'name': name, 'query': term})}"
            yield Question(view.slug, f"look up {name} {term}", path)
    for row in [*rows[1:2], *(row for row in big.rows() if type(row) is view.model)]:
        yield Question(view.slug, "record", f"{base}details/?id={key_of(row)}")


def _samples(model: type[Base]) -> list[Any]:
    """Return the first, a middle and the last row of a table by key, fewer of a small one."""
    keys = [
        getattr(model, mapper_of(model).get_property_by_column(column).key) for column in key_columns(model)
    ]
    ways = [[key.asc() for key in keys], [key.desc() for key in keys]]
    ends = [db.session.scalars(select(model).order_by(*order).limit(1)).first() for order in ways]
    middle = (estimate(model) or 0) // 2
    halfway = select(model).order_by(*ways[0]).offset(min(middle, 100_000)).limit(1)
    found = [ends[0], db.session.scalars(halfway).first() or ends[1], ends[1]]
    return [row for row in found if row is not None]


def _terms(view: ModelScreen, rows: list[Any]) -> Iterator[str]:
    """Yield what the search box gets: a whole value, its start, a letter that many begin with, nothing's."""
    if not view.search:
        return
    seen: set[str] = {"zzzz", "k", str(getattr(rows[0], "id", NOBODY))} if rows else {"zzzz"}
    for path in view.search:
        for row in rows[1:2]:
            value: Any = row
            for name in path.lstrip("=").split("."):
                value = getattr(value, name, None)
            if value:
                seen |= {str(value), str(value)[:3]}
    yield from sorted(seen)


def _answers(view: ModelScreen, one: Filter, rows: list[Any]) -> Iterator[dict[str, Any]]:
    """Yield the arguments that a filter gets: what many rows have, what few have, and what none has."""
    today = clock.now().date()
    if one.kind == "period":
        for first, last in ((today - timedelta(days=30), today), (today - timedelta(days=300),) * 2):
            yield {f"{one.name}_from": first, f"{one.name}_until": last}
        yield {f"{one.name}_from": today + timedelta(days=4000)}
    elif one.kind == "choice":
        yield from ({one.name: value} for value, _ in one.choices[:MOST_CHOICES])
    elif one.kind == "lookup":
        found = {str(NOBODY), *_ids(view, one, rows)}
        yield from ({one.name: value} for value in sorted(found))
    elif one.where is not None and one.name in WORDS:
        yield from ({one.name: value} for value in WORDS[one.name])
    else:
        found = {str(getattr(row, one.name, None) or "none such") for row in rows}
        yield from ({one.name: value} for value in sorted({*found, "none such"}))


def _ids(view: ModelScreen, one: Filter, rows: list[Any]) -> Iterator[str]:
    """Yield ids of records that a look-up filter may ask for."""
    if one.where is None and one.name in relations(view.model):
        values = [getattr(row, local_key(view.model, one.name)) for row in rows]
        yield from (str(value) for value in values if value is not None)
    if one.target is not None:
        yield from (str(row.id) for row in _samples(one.target)[:2] if hasattr(row, "id"))
        yield from (key_of(row) for row in find_big().rows() if type(row) is one.target)


def _of_addresses(app: Flask, big: Big) -> Iterator[Question]:
    """Yield the pages that are no lists of a model, the portal's pages of the big customer and the API's."""
    named: dict[str, Any] = {
        "reference": big.account.id,
        "account_id": big.account.id,
        "customer_id": big.customer.id,
        "wallet_id": big.wallet.id,
        "invoice_id": big.invoice.id,
        "n": 1001,
    }
    lists = {view.endpoint for view in app.extensions["admin_screens"].values()}
    adapter = app.url_map.bind("localhost")
    for rule in sorted(app.url_map.iter_rules(), key=str):
        who = (
            "portal"
            if str(rule).startswith("/portal/")
            else "api"
            if str(rule).startswith("/api/v1/")
            else "desk"
        )
        foreign = who == "desk" and not str(rule).startswith("/admin/")
        own = rule.endpoint.split(".")[0] in lists
        if (
            "GET" not in (rule.methods or ())
            or foreign
            or own
            or any(part in str(rule) for part in NOT_PAGES)
        ):
            continue
        if rule.arguments <= named.keys():
            given = {name: named[name] for name in rule.arguments}
            path = adapter.build(rule.endpoint, given, method="GET")
            yield from _asked_of(str(rule), path, who, big)


def _asked_of(rule: str, path: str, who: str, big: Big) -> Iterator[Question]:
    month = f"{clock.now():%Y-%m}"
    more: dict[str, list[dict[str, Any]]] = {
        "/admin/gst-returns/": [{"month": month}],
        "/portal/usage": [{"period": "30d"}, {"period": "12m"}],
        "/portal/wallets/<uuid:wallet_id>": [{"page": 2}, {"page": 1000}],
        "/portal/invoices": [{"page": 2}, {"page": 100}],
        "/api/v1/usage": [{"account_id": big.account.id}],
        "/api/v1/entitlements": [{"account_id": big.account.id, "metric": "auth.otp"}],
        "/api/v1/admin/gst-returns": [{"month": month}],
    }
    many = {"limit": 200} if who == "api" and "<" not in rule else {}
    for query in ({}, *more.get(rule, []), *([many] if many else [])):
        asked = f"{path}?{urlencode(query)}" if query else path
        yield Question(
            rule, " ".join(f"{name}={value}" for name, value in query.items()) or "page", asked, who
        )
