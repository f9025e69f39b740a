"""Billing runs: a month billed for every account that owes, in the background (API.md §3)."""

from typing import Annotated
from uuid import UUID

from flask import Blueprint, Response
from sqlalchemy import select

from app import clock
from app.api import serializers
from app.api.body import Body, Meta, Page
from app.api.endpoint import endpoint
from app.api.envelope import decimal_text, paginate, success
from app.api.guards import current_actor, get_account, guard
from app.api.idempotency import idempotent
from app.api.serializers import need_staff
from app.errors import Invalid
from app.models import BillingRun, BillingRunItem
from app.models.invoices import ItemStatus
from app.services import billing

blueprint = Blueprint("billing_runs", __name__)

MOST_TRIED = 200


class NewRun(Body):
    """A month to be billed."""

    period: Annotated[str, Meta(pattern=r"^\d{4}-\d{2}$", description="A year and a month: 2026-10")]
    accounts: (
        Annotated[list[str], Meta(max_length=10_000, description="Only these, by id or external id")] | None
    ) = None
    dry_run: Annotated[bool, Meta(description="Only show what would be billed, for at most 200 accounts")] = (
        False
    )


class ItemQuery(Page):
    """Which accounts of a run."""

    status: str | None = None


@blueprint.get("/admin/billing-runs")
@guard("billing", "read")
@endpoint("List billing runs", query=Page, answers="billing_run", many=True)
def list_runs(query: Page) -> Response:
    """The newest first, with how many accounts stand where."""
    need_staff("Billing runs")
    rows, cursor = paginate(select(BillingRun), query, (BillingRun.id,))
    return success(
        [serializers.billing_run(row, billing.progress(row.id)) for row in rows], next_cursor=cursor
    )


@blueprint.post("/admin/billing-runs")
@guard("billing", "write")
@idempotent
@endpoint("Start a billing run", body=NewRun, answers="billing_run", status=202, also=(200,))
def start_run(body: NewRun) -> Response:
    """Workers bill the accounts; look at the run for how far they are. Started again, a run does what is
    left. A dry run answers at once and changes nothing.
    """
    need_staff("Billing runs")
    only = None if body.accounts is None else [get_account(reference).id for reference in body.accounts]
    if body.dry_run:
        return _try(body.period, only)
    row = billing.prepare(body.period, at=clock.now(), actor=current_actor(), accounts=only)
    billing.share_out(row.id)
    return success(serializers.billing_run(row, billing.progress(row.id)), 202)


@blueprint.get("/admin/billing-runs/<uuid:run_id>")
@guard("billing", "read")
@endpoint("Read a billing run", answers="billing_run")
def read_run(run_id: UUID) -> Response:
    """`counts` says how many accounts are pending, issued, parked, failed, or owed nothing."""
    need_staff("Billing runs")
    row = billing.get(run_id)
    return success(serializers.billing_run(row, billing.progress(row.id)))


@blueprint.get("/admin/billing-runs/<uuid:run_id>/accounts")
@guard("billing", "read")
@endpoint("List the accounts of a billing run", query=ItemQuery, answers="billing_run_item", many=True)
def list_run_accounts(run_id: UUID, query: ItemQuery) -> Response:
    """What became of each account, and why."""
    need_staff("Billing runs")
    chosen = select(BillingRunItem).where(BillingRunItem.run_id == billing.get(run_id).id)
    if query.status is not None:
        if query.status not in set(ItemStatus):
            message = f"Choose one of: {', '.join(ItemStatus)}."
            raise Invalid.at("/status", message, code="unknown_choice")
        chosen = chosen.where(BillingRunItem.status == ItemStatus(query.status))
    rows, cursor = paginate(chosen, query, (BillingRunItem.id,))
    return success([serializers.billing_run_item(row) for row in rows], next_cursor=cursor)


def _try(period: str, only: list[UUID] | None) -> Response:
    if only is None or len(only) > MOST_TRIED:
        message = f"Name at most {MOST_TRIED} accounts for a dry run; the command line tries all of them."
        raise Invalid.at("/accounts", message, code="too_many")
    steps = billing.run(period, at=clock.now(), actor=current_actor(), accounts=only, dry_run=True)
    shown = [
        {
            "account_id": str(step.account_id),
            "status": step.status,
            "total": decimal_text(step.total, step.currency),
            "currency": step.currency,
            "message": step.message,
        }
        for step in steps
    ]
    return success({"type": "billing_run_preview", "attributes": {"period": period, "accounts": shown}})
