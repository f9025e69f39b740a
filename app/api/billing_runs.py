"""Billing runs: a month billed for every account that owes, in the background (docs/api/billing-runs.md)."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any
from uuid import UUID

from flask import Blueprint, Response
from sqlalchemy import select
from sqlalchemy.orm import joinedload

from app import clock
from app.api.attachments import attachment
from app.api.body import Body, Meta, Page
from app.api.endpoint import endpoint
from app.api.envelope import decimal_text, instant_text, paginate, related, resource, success
from app.api.guards import current_actor, get_account, guard
from app.api.idempotency import idempotent
from app.api.serializers import need_staff
from app.errors import Invalid
from app.models import BillingRun, BillingRunItem
from app.models.billing_runs import ItemStatus
from app.services import billing, billing_runs, plans
from app.services.billing_runs import Total

blueprint = Blueprint("billing_runs", __name__)

CSV = "text/csv"
References = Annotated[list[str], Meta(max_length=10_000, description="Only these, by id or external id")]


class NewRun(Body):
    """A month to be billed, for every account that owes, or only for these."""

    period: Annotated[str, Meta(pattern=r"^\d{4}-\d{2}$", description="A year and a month: 2026-10")]
    plan: (
        Annotated[str, Meta(max_length=100, description="Only accounts on this plan in the month")] | None
    ) = None
    accounts: References | None = None
    dry_run: Annotated[bool, Meta(description="Only show what would be billed, beside the month before")] = (
        False
    )


class Again(Body):
    """Which failed accounts are tried again: all of them where none is named."""

    accounts: References | None = None


class ItemQuery(Page):
    """Which accounts of a run."""

    status: str | None = None


@blueprint.get("/admin/billing-runs")
@guard("billing", "read")
@endpoint("List billing runs", query=Page, answers="billing_run", many=True)
def list_runs(query: Page) -> Response:
    """The newest first, with how many accounts stand where."""
    need_staff("Billing runs")
    chosen = select(BillingRun).options(joinedload(BillingRun.plan))
    rows, cursor = paginate(chosen, query, (BillingRun.id,))
    return success(_runs(rows), next_cursor=cursor)


@blueprint.post("/admin/billing-runs")
@guard("billing", "write")
@idempotent
@endpoint("Start a billing run", body=NewRun, answers="billing_run", status=202)
def start_run(body: NewRun) -> Response:
    """Workers bill the accounts; look at the run for how far they are. Started again for the same month and
    choice, a run does what is left. An account gets one invoice for a month, whichever run makes it. A dry
    run is new each time and changes nothing: its accounts end as `due`, `parked`, `nothing_owed` or `failed`.
    """
    need_staff("Billing runs")
    row = billing.prepare(
        body.period,
        at=clock.now(),
        actor=current_actor(),
        plan=None if body.plan is None else plans.get(body.plan),
        accounts=_accounts(body.accounts),
        dry_run=body.dry_run,
    )
    billing_runs.share_out(row.id)
    return success(_told(row), 202)


@blueprint.get("/admin/billing-runs/<uuid:run_id>")
@guard("billing", "read")
@endpoint("Read a billing run", answers="billing_run")
def read_run(run_id: UUID) -> Response:
    """`counts` says how many accounts stand where, `totals` what they come to by currency, beside the month
    before.
    """
    need_staff("Billing runs")
    return success(_told(billing_runs.get(run_id)))


@blueprint.get("/admin/billing-runs/<uuid:run_id>/accounts")
@guard("billing", "read")
@endpoint("List the accounts of a billing run", query=ItemQuery, answers="billing_run_item", many=True)
def list_run_accounts(run_id: UUID, query: ItemQuery) -> Response:
    """What became of each account, and why; `difference` and `percent` are against the month before."""
    need_staff("Billing runs")
    chosen = billing_runs.items(billing_runs.get(run_id).id)
    if query.status is not None:
        if query.status not in set(ItemStatus):
            message = f"Choose one of: {', '.join(ItemStatus)}."
            raise Invalid.at("/status", message, code="unknown_choice")
        chosen = chosen.where(BillingRunItem.status == ItemStatus(query.status))
    rows, cursor = paginate(chosen, query, (BillingRunItem.id,))
    return success([_item(row) for row in rows], next_cursor=cursor)


@blueprint.get("/admin/billing-runs/<uuid:run_id>/csv")
@guard("billing", "read")
@endpoint("Download a billing run", media=CSV)
def download_run(run_id: UUID) -> Response:
    """A row for each account, by name."""
    need_staff("Billing runs")
    found = billing_runs.get(run_id)
    return attachment(billing_runs.sheet(found), billing_runs.sheet_name(found), CSV)


@blueprint.post("/admin/billing-runs/<uuid:run_id>/retry")
@guard("billing", "write")
@idempotent
@endpoint("Retry failed accounts of a billing run", body=Again, answers="billing_run", status=202)
def retry_run(run_id: UUID, body: Again) -> Response:
    """Workers try again what failed. 409 where none of the accounts failed, or the run was cancelled."""
    need_staff("Billing runs")
    row = billing_runs.retry(
        billing_runs.get(run_id), accounts=_accounts(body.accounts), at=clock.now(), actor=current_actor()
    )
    return success(_told(row), 202)


@blueprint.post("/admin/billing-runs/<uuid:run_id>/cancel")
@guard("billing", "write")
@idempotent
@endpoint("Cancel a billing run", answers="billing_run")
def cancel_run(run_id: UUID) -> Response:
    """What was issued stays issued; started again, the run goes on. 409 where it is not going on."""
    need_staff("Billing runs")
    row = billing_runs.cancel(billing_runs.get(run_id), at=clock.now(), actor=current_actor())
    return success(_told(row))


def _accounts(references: list[str] | None) -> set[UUID] | None:
    return None if references is None else {get_account(reference).id for reference in references}


def _told(row: BillingRun) -> dict[str, Any]:
    return _runs([row])[0]


def _runs(rows: Sequence[BillingRun]) -> list[dict[str, Any]]:
    run_ids = [row.id for row in rows]
    counts, totals = billing_runs.progress_of(run_ids), billing_runs.totals_of(run_ids)
    return [_run(row, counts[row.id], totals[row.id]) for row in rows]


def _run(row: BillingRun, counts: Mapping[ItemStatus, int], totals: Sequence[Total]) -> dict[str, Any]:
    attributes = {
        "period": row.period,
        "scope": row.scope,
        "plan_code": row.plan.code if row.plan else None,
        "dry_run": row.dry_run,
        "status": row.status,
        "started_by": row.started_by,
        "created_at": instant_text(row.created_at),
        "finished_at": instant_text(row.finished_at),
        "accounts": sum(counts.values()),
        "counts": {str(status): count for status, count in counts.items()},
        "totals": [_total(total) for total in totals],
    }
    return resource("billing_run", row.id, attributes)


def _total(total: Total) -> dict[str, Any]:
    amounts = {"total": total.total, "previous": total.previous, "difference": total.difference}
    told = {name: decimal_text(amount, total.currency) for name, amount in amounts.items()}
    return {"currency": total.currency, "status": total.status, "accounts": total.accounts, **told}


def _item(row: BillingRunItem) -> dict[str, Any]:
    amounts = {"total": row.total, "previous": row.previous, "difference": row.difference}
    attributes = {
        "account_id": str(row.account_id),
        "account": row.account.name,
        "external_id": row.account.external_id,
        "status": row.status,
        "currency": row.currency,
        **{name: decimal_text(amount, row.account.currency) for name, amount in amounts.items()},
        "percent": decimal_text(row.percent),
        "message": row.message,
    }
    links = {"account": related("account", row.account_id), "invoice": related("invoice", row.invoice_id)}
    return resource("billing_run_item", row.id, attributes, links)
