"""What the audit trail hears of besides changes: access that was denied, and looks at what is sensitive.

Both are seen from the finished answer, whoever gave it: an edge, a screen, a service. So a refusal is written
after its transaction was rolled back, and a new route is watched without a word; what is sensitive stands in
`LOOKS` and nowhere else. A reader of their own data, a customer in the portal, is not noted. Exports leave
their records themselves (`services/exports`), and a key's secret is shown by what makes it, which has one.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from flask import Flask, Response, g, request
from flask_login import current_user
from sqlalchemy.exc import SQLAlchemyError

from app.db import db, in_transaction
from app.permissions import Actor, Role
from app.services import audit, audit_throttle

log = logging.getLogger(__name__)

DENIED = frozenset({401, 403})
SEEN = frozenset({200, 206})
# An answer of the API tells the id of what was asked for by another name.
IN_ANSWER = "data.id"


@dataclass(frozen=True, slots=True)
class Look:
    """A look that leaves a record: what it is called, at what, and the argument with the record's key."""

    action: str
    model: str
    key: str


CUSTOMER, PERSON = Look("customer.viewed", "Customer", "id"), Look("user.viewed", "User", "id")
# endpoint → what looking at it is
LOOKS: dict[str, Look] = {
    "admin_customers.details_view": CUSTOMER,
    "admin_customers.edit_view": CUSTOMER,
    "admin_users.details_view": PERSON,
    "admin_users.edit_view": PERSON,
    "admin_invoices.download_view": Look("document.opened", "Invoice", "id"),
    "admin_vouchers.download_view": Look("document.opened", "Voucher", "id"),
    "admin_e-invoices.download_view": Look("document.opened", "EInvoice", "id"),
    "admin_billing-runs.download_view": Look("list.exported", "BillingRun", "id"),
    "admin_simulations.download_view": Look("list.exported", "Simulation", "id"),
    "api.customers.read_customer": Look("customer.viewed", "Customer", IN_ANSWER),
    "api.invoices.download": Look("document.opened", "Invoice", "invoice_id"),
    "api.vouchers.download": Look("document.opened", "Voucher", "voucher_id"),
    "api.einvoices.download": Look("document.opened", "Invoice", "invoice_id"),
    "api.einvoices.download_many": Look("list.exported", "EInvoice", ""),
    "api.billing_runs.download_run": Look("list.exported", "BillingRun", "run_id"),
    "api.simulations.download_simulation": Look("list.exported", "Simulation", "simulation_id"),
    "api.gst_returns.read_csv": Look("list.exported", "GstReturn", ""),
}
# The addresses that the specification names lead to the same views.
ALIASES = {
    f"aliases.{endpoint.removeprefix('api.').replace('.', '_')}": look
    for endpoint, look in LOOKS.items()
    if endpoint.startswith("api.")
}
DONE = {"viewed": "looked at", "opened": "opened the document of", "exported": "took a file of"}
LONGEST_PATH = 200
# Every list of the back office can be had as a file by this view.
LIST_AS_FILE = ".export"


def init_app(app: Flask) -> None:
    """Look at every answer before it leaves."""
    app.after_request(_watch)


def _watch(response: Response) -> Response:
    if request.endpoint is not None:
        if response.status_code in DENIED:
            _guarded(_note_denied, response)
        elif response.status_code in SEEN and request.method == "GET":
            _watch_look(_look_of(request.endpoint), response)
    return response


def _watch_look(look: Look | None, response: Response) -> None:
    if look is not None:
        _guarded(lambda seen: _note_look(look, seen), response)


def _guarded(note: Callable[[Response], None], response: Response) -> None:
    """Write a note; where the database is away the answer leaves all the same, and the log tells."""
    try:
        # What the request left unfinished is none of the note's.
        db.session.rollback()
        in_transaction(lambda: note(response))
    except SQLAlchemyError as error:
        db.session.rollback()
        log.warning("not audited", extra={"path": request.path, "reason": type(error).__name__})


def _note_denied(response: Response) -> None:
    actor, route = _who(), request.endpoint or ""
    if actor is None or not audit_throttle.is_first("denied", actor.kind, actor.id, request.method, route):
        return
    path = request.path[:LONGEST_PATH]
    audit.note(
        actor,
        "access.denied",
        "Route",
        route,
        summary=f"{actor.label} was refused {request.method} {path}",
        after={"status": response.status_code, "method": request.method, "path": path},
    )


def _note_look(look: Look, response: Response) -> None:
    actor, key = _who(), _key_of(look, response)
    if actor is None or actor.role is Role.customer:
        return
    if not audit_throttle.is_first("seen", actor.kind, actor.id, look.action, look.model, key):
        return
    done = look.action.partition(".")[2]
    summary = f"{actor.label} {DONE[done]} {look.model.lower()} {key}".rstrip()
    asked = {name: value[:LONGEST_PATH] for name, value in request.args.items() if name != look.key}
    audit.note(actor, look.action, look.model, key, summary=summary, after=asked or None)


def _look_of(endpoint: str) -> Look | None:
    if endpoint.startswith("admin_") and endpoint.endswith(LIST_AS_FILE):
        return Look("list.exported", "List", "")
    return LOOKS.get(endpoint) or ALIASES.get(endpoint)


def _key_of(look: Look, response: Response) -> str:
    """Return the key of what was looked at; of a list, the name of its screen."""
    if look.model == "List":
        return (request.blueprint or "").removeprefix("admin_")
    if look.key == IN_ANSWER:
        return str(response.get_json()["data"]["id"])
    given = {**request.args, **(request.view_args or {})}
    return str(given.get(look.key, "")) or (request.endpoint or "")


def _who() -> Actor | None:
    """Return who asked: as a guard found them, or turned them away, or the person of the session."""
    actor: Actor | None = g.get("actor") or g.get("turned_away")
    if actor is None and current_user.is_authenticated:
        actor = current_user.actor()
    return actor and actor.at(ip=request.remote_addr, request_id=g.get("request_id"))
