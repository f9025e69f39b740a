"""What people see of billing runs and do to them: how far one is, its sums, trying again, stopping."""

import csv
import io
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import Select, func, select
from sqlalchemy.orm import joinedload

from app.config import current_settings
from app.db import db, lock
from app.domain.money import plain
from app.errors import Conflict, NotFound
from app.models import Account, BillingRun, BillingRunItem, Invoice
from app.models.billing_runs import ItemStatus, RunScope, RunStatus
from app.permissions import Actor
from app.queue import enqueue
from app.services import audit
from app.services.billing_candidates import Scope

LATEST = 12
JOB = "jobs.invoices.bill_accounts"
SHOWN_IN_SUMS = (ItemStatus.issued, ItemStatus.due, ItemStatus.parked, ItemStatus.nothing_owed)
HEADINGS = (
    "Account",
    "External id",
    "Customer",
    "Status",
    "Invoice",
    "Currency",
    "Total",
    "Month before",
    "Difference",
    "Percent",
    "Message",
)
# A cell that begins like this is a formula to a spreadsheet.
FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class Total:
    """The accounts of a run in one currency and state together: two currencies are never added."""

    currency: str
    status: ItemStatus
    accounts: int
    total: Decimal
    previous: Decimal

    @property
    def difference(self) -> Decimal:
        """What is more than in the month before, below zero less."""
        return self.total - self.previous


def get(run_id: UUID) -> BillingRun:
    """Return the run with this id.

    Raises:
        NotFound: there is none.
    """
    found = db.session.get(BillingRun, run_id)
    if found is None:
        raise NotFound("There is no such billing run.")
    return found


def find(period: str, scope: Scope) -> BillingRun:
    """Return the run of a month and scope.

    Raises:
        NotFound: it was never begun.
    """
    query = select(BillingRun).where(
        BillingRun.period == period, BillingRun.scope_key == scope.key, ~BillingRun.dry_run
    )
    found = db.session.scalar(query)
    if found is None:
        raise NotFound("There is no such billing run.")
    return found


def share_out(run_id: UUID) -> None:
    """Wake up workers to do what is pending in a run, side by side."""
    lanes = current_settings().billing_lanes
    for lane in range(lanes):
        enqueue(JOB, str(run_id), str(lane), str(lanes))


def progress(run_id: UUID) -> dict[ItemStatus, int]:
    """Return how many accounts of a run stand where."""
    return progress_of([run_id])[run_id]


def progress_of(run_ids: Collection[UUID]) -> dict[UUID, dict[ItemStatus, int]]:
    """Return how many accounts of each of these runs stand where."""
    found = {run_id: dict.fromkeys(ItemStatus, 0) for run_id in run_ids}
    of_run, status = BillingRunItem.run_id, BillingRunItem.status
    query = select(of_run, status, func.count()).where(of_run.in_(run_ids)).group_by(of_run, status)
    for run_id, where, count in db.session.execute(query):
        found[run_id][where] = count
    return found


def unfinished() -> list[UUID]:
    """Return the runs that were begun and have pending accounts, the oldest first."""
    query = select(BillingRun.id).where(BillingRun.status == RunStatus.running)
    return list(db.session.scalars(query.order_by(BillingRun.period, BillingRun.id)))


def has_unfinished() -> bool:
    """True when a run was begun and is not done."""
    return bool(unfinished())


def cancel(run: BillingRun, *, at: datetime, actor: Actor) -> BillingRun:
    """Stop a run: accounts that are being billed are billed, the others stay pending. What was issued stays
    issued. Started again it goes on.

    Raises:
        Conflict: it is not going on.
    """
    (row,) = lock(BillingRun, [run.id])
    if row.status is not RunStatus.running:
        raise Conflict(f"The run is {row.status} already.")
    row.status, row.finished_at = RunStatus.cancelled, at
    left = progress(row.id)[ItemStatus.pending]
    audit.record(
        actor,
        "billing_run.cancelled",
        row,
        summary=f"The run of {row} was stopped with {left:,} accounts left",
        at=at,
        before={"status": RunStatus.running},
        after={"status": row.status, "pending": left},
    )
    return row


def resume(run: BillingRun, *, at: datetime, actor: Actor) -> BillingRun:
    """Let a run that was stopped go on with the accounts that are left.

    Raises:
        Conflict: it was not stopped.
    """
    (row,) = lock(BillingRun, [run.id])
    if row.status is not RunStatus.cancelled:
        raise Conflict(f"The run is {row.status}: it was not stopped.")
    row.status, row.finished_at = RunStatus.running, None
    left = progress(row.id)[ItemStatus.pending]
    audit.record(
        actor,
        "billing_run.resumed",
        row,
        summary=f"The run of {row} goes on with {left:,} accounts left",
        at=at,
        before={"status": RunStatus.cancelled},
        after={"status": row.status, "pending": left},
    )
    share_out(row.id)
    return row


def retry(
    run: BillingRun, *, accounts: Collection[UUID] | None = None, at: datetime, actor: Actor
) -> BillingRun:
    """Let workers try the accounts of a run again that failed, or those of them that are named.

    Raises:
        Conflict: none of them failed; the run was cancelled: start it again.
    """
    (row,) = lock(BillingRun, [run.id])
    if row.status is RunStatus.cancelled:
        raise Conflict("The run was stopped: start it again, and it does what is left.")
    chosen = select(BillingRunItem.id).where(
        BillingRunItem.run_id == row.id, BillingRunItem.status == ItemStatus.failed
    )
    if accounts is not None:
        chosen = chosen.where(BillingRunItem.account_id.in_(accounts))
    items = lock(BillingRunItem, list(db.session.scalars(chosen)))
    failed = [item for item in items if item.status is ItemStatus.failed]
    if not failed:
        raise Conflict("None of these accounts failed.")
    for item in failed:
        item.status, item.message = ItemStatus.pending, None
    row.status, row.finished_at = RunStatus.running, None
    summary = f"{len(failed):,} accounts of the run of {row} are tried again"
    after = {"accounts": sorted(str(item.account_id) for item in failed)[:100], "count": len(failed)}
    audit.record(actor, "billing_run.retried", row, summary=summary, at=at, after=after)
    share_out(row.id)
    return row


def retry_item(item: BillingRunItem, *, at: datetime, actor: Actor) -> None:
    """Let a worker try one account again.

    Raises:
        Conflict: as `retry` says.
    """
    retry(get(item.run_id), accounts=[item.account_id], at=at, actor=actor)


def totals(run_id: UUID) -> list[Total]:
    """Return the sums of a run by currency and state, beside those of the month before."""
    return totals_of([run_id])[run_id]


def totals_of(run_ids: Collection[UUID]) -> dict[UUID, list[Total]]:
    """Return the sums of each of these runs by currency and state, beside those of the month before."""
    item = BillingRunItem
    sums = (func.count(), *(func.coalesce(func.sum(each), 0) for each in (item.total, item.previous)))
    query = (
        select(item.run_id, item.currency, item.status, *sums)
        .where(item.run_id.in_(run_ids), item.currency.is_not(None), item.status.in_(SHOWN_IN_SUMS))
        .group_by(item.run_id, item.currency, item.status)
        .order_by(item.currency, item.status)
    )
    found: dict[UUID, list[Total]] = {run_id: [] for run_id in run_ids}
    for run_id, *sums_of_run in db.session.execute(query):
        found[run_id].append(Total(*sums_of_run))  # type: ignore[arg-type]
    return found


def reasons(run_id: UUID) -> list[tuple[ItemStatus, str, int]]:
    """Return why accounts failed or wait for a person, each with how many, the commonest first."""
    query = (
        select(BillingRunItem.status, BillingRunItem.message, func.count())
        .where(
            BillingRunItem.run_id == run_id,
            BillingRunItem.status.in_((ItemStatus.failed, ItemStatus.parked)),
        )
        .group_by(BillingRunItem.status, BillingRunItem.message)
        .order_by(func.count().desc(), BillingRunItem.message)
        .limit(20)
    )
    return [(row[0], row[1] or "", row[2]) for row in db.session.execute(query)]


def items(run_id: UUID) -> Select[BillingRunItem]:
    """Return the query of the accounts of a run."""
    account = joinedload(BillingRunItem.account, innerjoin=True).joinedload(Account.customer, innerjoin=True)
    invoice = joinedload(BillingRunItem.invoice).load_only(Invoice.number, Invoice.status)
    return select(BillingRunItem).where(BillingRunItem.run_id == run_id).options(account, invoice)


def latest(run_id: UUID) -> list[BillingRunItem]:
    """Return the accounts of a run that were done last."""
    done = items(run_id).where(BillingRunItem.status != ItemStatus.pending)
    return list(db.session.scalars(done.order_by(BillingRunItem.updated_at.desc()).limit(LATEST)))


def scope_in_words(run: BillingRun) -> str:
    """Return whom a run bills, as people say it."""
    if run.scope is RunScope.plan:
        assert run.plan
        return f"accounts on {run.plan.code}"
    return "every account that owes" if run.scope is RunScope.all else "accounts that were named"


def sheet(run: BillingRun) -> str:
    """Return the accounts of a run as CSV by their names. A text that a spreadsheet would take for a formula
    is quoted."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(HEADINGS)
    order = (Account.name, BillingRunItem.id)
    query = items(run.id).join(Account, Account.id == BillingRunItem.account_id).order_by(*order)
    for item in db.session.scalars(query.execution_options(yield_per=500)):
        writer.writerow([_safe(cell) for cell in _cells(item)])
    return "\ufeff" + text.getvalue()


def sheet_name(run: BillingRun) -> str:
    """Return how the file of a run is called."""
    what = f"-{run.plan.code}" if run.plan else ""
    return f"{'dry' if run.dry_run else 'billing'}-run-{run.period}{what}.csv"


def _cells(item: BillingRunItem) -> Iterator[str]:
    account = item.account
    yield from (account.name, account.external_id or "", account.customer.name, str(item.status))
    yield (item.invoice.number or "") if item.invoice else ""
    yield item.currency or ""
    for figure in (item.total, item.previous, item.difference, item.percent):
        yield "" if figure is None else plain(figure)
    yield item.message or ""


def _safe(cell: str) -> str:
    return f"'{cell}" if cell.startswith(FORMULA) and not _is_number(cell) else cell


def _is_number(cell: str) -> bool:
    return cell.lstrip("-").replace(".", "", 1).isdigit()
