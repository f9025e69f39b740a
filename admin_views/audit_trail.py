"""The audit trail: a list that answers who, what, when and from where, and the page of one record with what
changed, what else the same request did, and its place in the chain.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import urlencode

from flask import g, request, url_for
from markupsafe import Markup
from sqlalchemy import select

from admin_views import audit_diff, formatters, paging
from admin_views.base import ModelScreen
from admin_views.filters import Filter
from admin_views.listing import PAGE_SIZE
from admin_views.naming import noun_called
from admin_views.registry import screen
from app.db import Base, db
from app.models import AuditRecord, AuditSeal
from app.permissions import Role
from app.services import audit_chain, audit_search
from app.services.audit_chain import ChainState
from app.templating import words

MOST_OF_A_REQUEST = 50
# What records are about that are no rows: addresses, lists and files.
NO_ROWS = ("Route", "List", "GstReturn")
ACTOR_KINDS = ("user", "api_key", "system")


def record_cell(entry: AuditRecord) -> Markup:
    """Return what it happened to, linked to its page."""
    kind, found = words(audit_diff.kind_of(entry)), audit_diff.record_address(entry)
    return formatters.LINK % (found, kind) if found else Markup("{}").format(kind)


def choices(names: Iterable[str], called: Callable[[str], str] = str) -> tuple[tuple[str, str], ...]:
    """Return the choices of a filter, in the words of a person."""
    return tuple((name, words(called(name))) for name in names)


def kinds_of_record() -> tuple[tuple[str, str], ...]:
    """Return every kind of record that the trail can speak of."""
    names = sorted({mapper.class_.__name__ for mapper in Base.registry.mappers} | set(NO_ROWS))
    return choices(names, noun_called)


@screen(
    AuditRecord,
    category="Operations",
    resource="audit",
    slug="audit",
    title="Audit trail",
    icon="shield-check",
    place=1,
)
class AuditScreen(ModelScreen):
    """Who changed what, when, from where, and how it was before."""

    column_list = ("at", "summary", "actor", "role", "action", "resource_type", "ip")
    labels = {
        "at": "When",
        "resource_type": "Record",
        "resource_id": "Record ID",
        "actor": "Who",
        "actor_kind": "Kind of caller",
        "request_id": "Request",
    }
    formats = {"resource_type": record_cell, "role": lambda entry: Markup("{}").format(words(entry.role))}
    search = ("=resource_id", "=request_id", "=action")
    filters = (
        Filter("actor", kind="text", where=audit_search.acted_by, hint="Name, e-mail or id"),
        Filter("actor_kind", kind="choice", choices=choices(ACTOR_KINDS)),
        Filter("role", kind="choice", choices=choices(tuple(Role))),
        Filter("action", kind="text", hint="invoice.issued"),
        Filter("resource_type", kind="choice", choices=kinds_of_record()),
        "resource_id",
        "ip",
        "request_id",
        "at",
    )
    big = True
    walk = ("at", "id")
    parts = ("admin/parts/audit_record.html",)
    details = ("at", "actor_kind", "role", "ip", "action")
    list_parts = ("admin/parts/audit_chain.html",)
    intro = "Append-only and sealed into a chain: a record that is changed or deleted is found by the checks."
    none_yet = "Nothing is recorded yet"
    empty = "Every change that a person or a job makes shows here."

    def page(self, args: Mapping[str, str]) -> paging.Page:
        """Return one page of the list; how many there are is known from the chain, which is shown as well."""
        narrowed = any(args.get(name) for name in args if name not in ("after", "before"))
        g.audit_chain = state = audit_chain.state()
        total = None if narrowed else (state.seq or 0) + state.waiting
        after, before = args.get("after", ""), args.get("before", "")
        found = paging.by_key(self.listed(args), self.walk_keys(args), after, before, PAGE_SIZE, total)
        for row in found.rows:
            self.attach(row)
        return found

    def export_address(self) -> str:
        """Return where a worker is asked for everything that the filters of this list leave."""
        given = {name: request.args.get(name, "").strip() for name in audit_search.FILTERS}
        asked = urlencode({name: value for name, value in given.items() if value})
        days = {"first": request.args.get("at_from", ""), "last": request.args.get("at_until", "")}
        wanted = {name: value for name, value in {**days, "filters": asked}.items() if value}
        return url_for("admin_exports.operation_view", operation="new", kind="audit", **wanted)  # type: ignore[arg-type]

    def chain(self) -> ChainState:
        """Return where the chain ends."""
        state: ChainState = g.audit_chain
        return state

    def changes(self, entry: AuditRecord) -> list[audit_diff.Change]:
        """Return what a record says has changed."""
        model = audit_diff.model_named(entry.resource_type)
        keyed = model is not None and hasattr(model, "currency") and "|" not in entry.resource_id
        record = db.session.get(model, entry.resource_id) if model is not None and keyed else None
        return audit_diff.changes(entry, record)

    def record_of(self, entry: AuditRecord) -> tuple[str, str | None]:
        """Return what kind of record something happened to, and the address of its page."""
        return audit_diff.kind_of(entry), audit_diff.record_address(entry)

    def trail_address(self, **asked: str) -> str:
        """Return the list, narrowed."""
        return audit_diff.trail_address(**asked)

    def same_request(self, entry: AuditRecord) -> list[AuditRecord]:
        """Return what else the same request left, in its order."""
        if entry.request_id is None:
            return []
        query = select(AuditRecord).where(
            AuditRecord.request_id == entry.request_id, AuditRecord.id != entry.id
        )
        ordered = query.order_by(AuditRecord.at, AuditRecord.id)
        return list(db.session.scalars(ordered.limit(MOST_OF_A_REQUEST)))

    def seal_of(self, entry: AuditRecord) -> AuditSeal | None:
        """Return the seal of a record, None while it waits for it."""
        found: AuditSeal | None = db.session.scalar(select(AuditSeal).where(AuditSeal.record_id == entry.id))
        return found

    def person_address(self, entry: AuditRecord) -> Any:
        """Return what the trail says of whoever did this."""
        return audit_diff.trail_address(actor=entry.actor_id)
