"""Exports as people have to do with them: asking for one, finding it, fetching its file, stopping it."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Any, BinaryIO, TypeVar
from uuid import UUID

from sqlalchemy import Select, false, select

from app import clock
from app.config import current_settings
from app.db import db, lock
from app.errors import Conflict, Forbidden, Invalid, NotFound
from app.gateways.files import open_store
from app.models import Customer, Export, Wallet
from app.models.exports import ExportFormat, ExportStatus
from app.permissions import Actor, Role, Verb, allows, sees_personal
from app.queue import enqueue
from app.services import audit
from app.services.exports import lists, statements
from app.services.exports.kinds import ExportKind, Scope, kinds

T = TypeVar("T")

JOB = "jobs.exports.run"
UNDER_WAY = (ExportStatus.pending, ExportStatus.running)
CONTENT_TYPES = {
    ExportFormat.csv: "text/csv",
    ExportFormat.xlsx: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ExportFormat.pdf: "application/pdf",
}
# The modules whose import enters their kinds.
BUILDERS = (lists, statements)


def request(
    kind: str, form: str, *, scope: Scope, at: datetime, actor: Actor, label: str | None = None
) -> Export:
    """Have a file written; a worker does it. A customer gets the own rows only.

    Raises:
        Invalid: there is no such kind or format, or a field of the scope is missing or contradicts another.
        Forbidden: the caller may not read what it lists. NotFound: the customer or wallet is not there.
    """
    chosen = kind_of(kind)
    _check_reader(chosen, actor)
    if actor.customer_id is not None:
        scope = _narrowed(scope, UUID(actor.customer_id))
    _check(chosen, form, scope)
    export = Export(
        kind=kind,
        format=ExportFormat(form),
        status=ExportStatus.pending,
        parameters=_as_json(scope),
        customer_id=scope.customer_id,
        requested_by=label or actor.label,
        created_at=at,
    )
    db.session.add(export)
    db.session.flush()
    summary, after = f"{export} was asked for", dict(export.parameters)
    audit.record(actor, "export.requested", export, summary=summary, at=at, after=after)
    enqueue(JOB, str(export.id))
    return export


def visible(actor: Actor) -> Select[Any]:
    """Return the query of the exports that a caller may see: those of kinds the caller may read, a customer
    the own ones."""
    readable = [name for name, kind in kinds.items() if _may_read(kind, actor)]
    query = select(Export).where(Export.kind.in_(readable))
    if actor.customer_id is not None:
        own = [name for name, kind in kinds.items() if kind.own]
        query = query.where(Export.customer_id == UUID(actor.customer_id), Export.kind.in_(own))
    return query if actor.account_id is None else query.where(false())


def get(export_id: UUID, actor: Actor) -> Export:
    """Return one of the exports that a caller may see.

    Raises:
        NotFound: there is none with this id, or it is not for this caller.
    """
    export: Export | None = db.session.scalar(visible(actor).where(Export.id == export_id))
    if export is None:
        raise NotFound("There is no such export.")
    return export


@contextmanager
def lend(export: Export, *, actor: Actor) -> Iterator[Path]:
    """Lend the file of an export that is done; who took it is written down.

    Raises:
        Conflict: it is not done, or its days are over.
    """
    if export.status is not ExportStatus.done or export.file_key is None:
        raise Conflict(f"There is no file: the export is {export.status}.")
    audit.record(actor, "export.downloaded", export, summary=f"{export} was downloaded", at=clock.now())
    with open_store(current_settings()).lend(export.file_key) as path:
        yield path


def opened(export: Export, *, actor: Actor) -> BinaryIO:
    """Return the file of an export, open for reading from its start; it lives as long as it is open."""
    with lend(export, actor=actor) as path:
        return path.open("rb")


def file_name(export: Export) -> str:
    """Return the name a person saves the file under: `invoices-2026-10-01-2026-10-31.csv`."""
    days = [export.parameters[name] for name in ("first", "last") if export.parameters.get(name)]
    return "-".join([export.kind.replace("_", "-"), *days]) + f".{export.format}"


def content_type(export: Export) -> str:
    """Return the media type of the file."""
    return CONTENT_TYPES[export.format]


def cancel(export: Export, *, at: datetime, actor: Actor) -> None:
    """Stop an export that is under way.

    Raises:
        Conflict: it is over.
    """
    (export,) = lock(Export, [export.id])
    if export.status not in UNDER_WAY:
        raise Conflict("This export is over.")
    export.status, export.finished_at = ExportStatus.cancelled, at
    audit.record(actor, "export.cancelled", export, summary=f"{export} was stopped", at=at)


def kind_of(name: str) -> ExportKind:
    """Return a kind of export.

    Raises:
        Invalid: there is no such kind.
    """
    if name not in kinds:
        raise Invalid.at("/kind", f"Choose one of: {', '.join(sorted(kinds))}.", code="unknown_choice")
    return kinds[name]


def _check_reader(kind: ExportKind, actor: Actor) -> None:
    is_customer = actor.role is Role.customer
    if actor.account_id is not None or not _may_read(kind, actor):
        raise Forbidden(f"This caller may not export {kind.title.lower()}.")
    if is_customer and not kind.own:
        raise Forbidden(f"{kind.title} are for staff.")


def _may_read(kind: ExportKind, actor: Actor) -> bool:
    """Tell whether a caller may have such files: they hold personal data in full."""
    return sees_personal(actor.role) and allows(actor, kind.resource, Verb.read)


def _narrowed(scope: Scope, customer_id: UUID) -> Scope:
    if scope.customer_id not in (None, customer_id):
        raise NotFound("There is no such customer.")
    return replace(scope, customer_id=customer_id)


def _check(kind: ExportKind, form: str, scope: Scope) -> None:
    forms = [each for each in ExportFormat if each is not ExportFormat.pdf or kind.draw is not None]
    if form not in forms:
        raise Invalid.at("/format", f"Choose one of: {', '.join(forms)}.", code="unknown_choice")
    for name in kind.needs:
        if getattr(scope, name) is None:
            raise Invalid.at(f"/{name}", f"{kind.title} needs it.", code="required")
    for name in scope.filters:
        if name not in kind.filters:
            known = f"can be narrowed by {', '.join(kind.filters)}" if kind.filters else "has no filters"
            raise Invalid.at("/filters", f"{kind.title} {known}.", code="unknown_choice")
    if scope.first is not None and scope.last is not None and scope.last < scope.first:
        raise Invalid.at("/last", "The last day is before the first.")
    if scope.customer_id is not None and db.session.get(Customer, scope.customer_id) is None:
        raise NotFound("There is no such customer.")
    if scope.wallet_id is not None:
        wallet = db.session.get(Wallet, scope.wallet_id)
        if wallet is None or scope.customer_id not in (None, wallet.account.customer_id):
            raise NotFound("There is no such wallet.")


def _as_json(scope: Scope) -> dict[str, Any]:
    given = {
        "first": scope.first.isoformat() if scope.first else None,
        "last": scope.last.isoformat() if scope.last else None,
        "customer_id": str(scope.customer_id) if scope.customer_id else None,
        "wallet_id": str(scope.wallet_id) if scope.wallet_id else None,
        "currency": scope.currency,
        "filters": dict(scope.filters) or None,
    }
    return {name: value for name, value in given.items() if value is not None}


def scope_of(parameters: Mapping[str, Any]) -> Scope:
    """Return the scope that an export remembers."""
    first, last = (_read(date.fromisoformat, parameters.get(name)) for name in ("first", "last"))
    customer, wallet = (_read(UUID, parameters.get(name)) for name in ("customer_id", "wallet_id"))
    return Scope(first, last, customer, wallet, parameters.get("currency"), parameters.get("filters", {}))


def _read(read: Callable[[str], T], given: str | None) -> T | None:
    return None if given is None else read(given)
