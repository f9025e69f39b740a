"""The proof that the books balance: the last one, all before it, and a new one."""

from typing import Any
from uuid import UUID

from flask import Blueprint, Response
from sqlalchemy import select

from app import clock
from app.api.body import Page
from app.api.endpoint import endpoint
from app.api.envelope import instant_text, paginate, resource, success
from app.api.guards import current_actor, guard
from app.api.idempotency import idempotent
from app.api.serializers import need_staff
from app.db import db, in_transaction, is_isolated
from app.models import Verification
from app.services import verifications, verify

blueprint = Blueprint("verifications", __name__, url_prefix="/api/v1/admin/verify")

BOOKS = "The books"


@blueprint.get("")
@guard("operations", "read")
@endpoint("Read whether the books balance", answers="verification")
def read_verify() -> Response:
    """The result of the last run, with what each check counted and found. Where there has been none, every
    check runs now, on one unchanging view; nothing is written."""
    need_staff(BOOKS)
    last = verifications.latest()
    if last is not None:
        return success(_run(last))
    if not is_isolated():
        # Who calls was read in a transaction of its own; the checks need one that begins with them.
        db.session.close()
    return success({"type": "verification", "attributes": in_transaction(verify.run).as_json()})


@blueprint.post("")
@guard("operations", "write")
@idempotent
@endpoint("Check the books now", answers="verification", status=202)
def start_verify() -> Response:
    """A worker does it; read the run until its `status` is `done`. The answer is the run that is under way
    where there is one."""
    need_staff(BOOKS)
    return success(_run(verifications.start(at=clock.now(), actor=current_actor())), 202)


@blueprint.get("/runs")
@guard("operations", "read")
@endpoint("List the checks of the books", query=Page, answers="verification", many=True)
def list_runs(query: Page) -> Response:
    """The newest first, without what each check found."""
    need_staff(BOOKS)
    key = (Verification.created_at, Verification.id)
    rows, cursor = paginate(select(Verification), query, key)
    return success([_run(row, with_checks=False) for row in rows], next_cursor=cursor)


@blueprint.get("/runs/<uuid:run_id>")
@guard("operations", "read")
@endpoint("Read a check of the books", answers="verification")
def read_run(run_id: UUID) -> Response:
    """How far it is, or what it found."""
    need_staff(BOOKS)
    return success(_run(verifications.get(run_id)))


def _run(row: Verification, *, with_checks: bool = True) -> dict[str, Any]:
    report = row.report or {}
    attributes = {
        "at": report.get("at"),
        "ok": row.ok,
        "status": row.status,
        "started_by": row.started_by,
        "created_at": instant_text(row.created_at),
        "started_at": instant_text(row.started_at),
        "finished_at": instant_text(row.finished_at),
        "checks_total": row.checks,
        "checks_done": row.done,
        "checks_failed": row.failures,
        "error": row.error,
    }
    if with_checks:
        attributes["checks"] = report.get("checks", [])
    return resource("verification", row.id, attributes)
