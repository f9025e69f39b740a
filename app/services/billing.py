"""Billing runs: one pass over the accounts for one month, each account in a transaction of its own.

A run is its rows: `prepare` writes one item per account that may owe, `work` does what is pending. So a
killed run is resumed by starting it again, two at once share the work, and doing it twice changes nothing.
"""

import logging
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import joinedload

from app.config import current_settings
from app.db import db, in_transaction
from app.domain.periods import Period, calendar_month
from app.errors import DomainError, Invalid, NotFound
from app.ids import new_id
from app.models import Account, BillingRun, BillingRunItem, Invoice
from app.models.invoices import InvoiceStatus, ItemStatus, RunStatus
from app.permissions import Actor
from app.queue import enqueue
from app.services import audit, billing_candidates, invoices
from app.services.inputs import refusals
from app.services.price_book import PriceBook

FIRST_TO_END = "Pacific/Kiritimati"
LAST_TO_END = "Etc/GMT+12"
BEGUN_AGAIN = (ItemStatus.nothing_owed, ItemStatus.failed)
STEP_ITEMS = 1_000
# How many workers may share one run; more would find nothing to do.
LANES = 2

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Step:
    """What became of one account: `done` of `of` accounts are through, this one with `status`.

    `number`, `total` and `currency` are those of its invoice, if it has one; `message` says why it has none.
    """

    done: int
    of: int
    account_id: UUID
    account: str
    status: ItemStatus
    number: str | None = None
    total: Decimal | None = None
    currency: str | None = None
    message: str | None = None


def run(
    period: str,
    *,
    at: datetime,
    actor: Actor,
    accounts: Collection[UUID] | None = None,
    dry_run: bool = False,
) -> Iterator[Step]:
    """Bill a month (`2026-10`): one invoice per account for all that ended by the end of that month in the
    account's zone and is not invoiced yet. Yield a step per account; a dry run writes nothing.

    `accounts` limits it to these. Started again it does what is left; what came late is billed next month.

    Raises:
        Invalid: `period` is no month, or one that has not ended yet anywhere.
    """
    if dry_run:
        return _try(period, at=at, accounts=accounts)
    run_id = in_transaction(lambda: prepare(period, at=at, actor=actor, accounts=accounts).id)
    return work(run_id, at=at, actor=actor)


def prepare(
    period: str, *, at: datetime, actor: Actor, accounts: Collection[UUID] | None = None
) -> BillingRun:
    """Return the run of a month with a pending item for each account that may owe and has no invoice of it.

    Raises:
        Invalid: as `run` says.
    """
    _check_ended(period, at)
    made = insert(BillingRun).values(
        id=new_id(), period=period, status=RunStatus.pending, started_by=actor.label
    )
    new = db.session.scalar(made.on_conflict_do_nothing().returning(BillingRun.id))
    billing_run = db.session.scalars(
        select(BillingRun).where(BillingRun.period == period).with_for_update()
    ).one()
    found = billing_candidates.accounts(_month(period, LAST_TO_END).end, accounts)
    rows = [{"id": new_id(), "run_id": billing_run.id, "account_id": each} for each in found]
    for start in range(0, len(rows), STEP_ITEMS):
        items = insert(BillingRunItem).values(rows[start : start + STEP_ITEMS])
        again = items.on_conflict_do_update(
            index_elements=["run_id", "account_id"],
            set_={"status": ItemStatus.pending, "message": None},
            where=BillingRunItem.status.in_(BEGUN_AGAIN),
        )
        db.session.execute(again)
    billing_run.status = RunStatus.running
    billing_run.finished_at = None
    verb = "started" if new else "resumed"
    summary = f"The billing run of {period} was {verb}"
    after = {"accounts": len(rows)}
    audit.record(actor, f"billing_run.{verb}", billing_run, summary=summary, at=at, after=after)
    return billing_run


def work(run_id: UUID, *, at: datetime, actor: Actor) -> Iterator[Step]:
    """Bill the pending accounts of a run and yield a step for each, until none is left.

    An account whose month has not ended in its own zone, or whose grace for late events is not over, stays
    pending.

    Raises:
        NotFound: there is no such run.
    """
    period, pending = in_transaction(lambda: _pending(run_id))
    book = PriceBook()
    for done, item_id in enumerate(pending, 1):
        bill = partial(
            bill_account, item_id, period, at=at, actor=actor, book=book, done=done, of=len(pending)
        )
        step = in_transaction(bill)
        if step is not None:
            yield step
    in_transaction(lambda: _finish(run_id, at))


def share_out(run_id: UUID) -> None:
    """Wake up workers to do what is pending in a run, side by side."""
    for lane in range(LANES):
        enqueue("jobs.invoices.bill_accounts", str(run_id), str(lane))


def bill_account(
    item_id: UUID,
    period: str,
    *,
    at: datetime,
    actor: Actor,
    book: PriceBook | None = None,
    done: int = 1,
    of: int = 1,
) -> Step | None:
    """Bill one account of a run in the open transaction; None where another process has it or had it.

    What goes wrong is kept with the item, so that one account's trouble stops no other.
    """
    claim = select(BillingRunItem).where(
        BillingRunItem.id == item_id, BillingRunItem.status == ItemStatus.pending
    )
    item = db.session.scalar(claim.with_for_update(skip_locked=True))
    if item is None:
        return None
    account = _account(item.account_id)
    invoice = None
    month = _month(period, account.timezone)
    if month.end + timedelta(hours=current_settings().billing_grace_hours) > at:
        return None
    try:
        with db.session.begin_nested():
            invoice = invoices.draft_for(account, month, at=at, book=book)
            if invoice is not None and invoice.status is InvoiceStatus.draft:
                invoices.issue(invoice, at=at, actor=actor, book=book)
    except DBAPIError:
        raise
    except Exception as error:
        known = isinstance(error, DomainError)
        log.log(logging.WARNING if known else logging.ERROR, "account not billed", exc_info=not known)
        invoice, item.status = None, ItemStatus.failed
        item.message = str(error) if known else f"{type(error).__name__}: see the log."
    else:
        _note(item, invoice)
    return _step(item, account, invoice, done, of)


def progress(run_id: UUID) -> dict[ItemStatus, int]:
    """Return how many accounts of a run stand where."""
    query = select(BillingRunItem.status, func.count()).where(BillingRunItem.run_id == run_id)
    found = dict(db.session.execute(query.group_by(BillingRunItem.status)).tuples().all())
    return {status: found.get(status, 0) for status in ItemStatus}


def unfinished() -> list[UUID]:
    """Return the runs that were begun and have pending accounts, the oldest first."""
    query = select(BillingRun.id).where(BillingRun.status == RunStatus.running).order_by(BillingRun.period)
    return list(db.session.scalars(query))


def has_unfinished() -> bool:
    """True when a run was begun and is not done."""
    return bool(unfinished())


def get(run_id: UUID) -> BillingRun:
    """Return the run with this id.

    Raises:
        NotFound: there is none.
    """
    found = db.session.get(BillingRun, run_id)
    if found is None:
        raise NotFound("There is no such billing run.")
    return found


def _try(period: str, *, at: datetime, accounts: Collection[UUID] | None) -> Iterator[Step]:
    _check_ended(period, at)
    found = billing_candidates.accounts(_month(period, LAST_TO_END).end, accounts)
    book = PriceBook()
    for done, account_id in enumerate(found, 1):
        yield in_transaction(partial(_try_account, account_id, period, at, book, done, len(found)))


def _try_account(account_id: UUID, period: str, at: datetime, book: PriceBook, done: int, of: int) -> Step:
    account = _account(account_id)
    item = BillingRunItem(account_id=account_id, status=ItemStatus.nothing_owed)

    def show(invoice: Invoice) -> Step:
        _note(item, invoice)
        return _step(item, account, invoice, done, of)

    try:
        step = invoices.preview(account, _month(period, account.timezone), show, at=at, book=book)
    except DomainError as error:
        item.status, item.message = ItemStatus.failed, error.message
        step = None
    return step or _step(item, account, None, done, of)


def _pending(run_id: UUID) -> tuple[str, list[UUID]]:
    waiting = select(BillingRunItem.id).where(
        BillingRunItem.run_id == run_id, BillingRunItem.status == ItemStatus.pending
    )
    return get(run_id).period, list(db.session.scalars(waiting.order_by(BillingRunItem.id)))


def _finish(run_id: UUID, at: datetime) -> None:
    left = select(BillingRunItem.id).where(
        BillingRunItem.run_id == run_id, BillingRunItem.status == ItemStatus.pending
    )
    over = update(BillingRun).where(BillingRun.id == run_id, ~left.exists())
    db.session.execute(over.values(status=RunStatus.done, finished_at=at))


def _note(item: BillingRunItem, invoice: Invoice | None) -> None:
    item.message = None
    if invoice is None:
        item.status = ItemStatus.nothing_owed
        return
    parked = invoice.status is InvoiceStatus.parked
    item.status = ItemStatus.parked if parked else ItemStatus.issued
    item.invoice_id, item.message = invoice.id, invoice.parked_reason


def _step(item: BillingRunItem, account: Account, invoice: Invoice | None, done: int, of: int) -> Step:
    return Step(
        done=done,
        of=of,
        account_id=account.id,
        account=account.name,
        status=item.status,
        number=invoice.number if invoice else None,
        total=invoice.total if invoice else None,
        currency=invoice.currency if invoice else None,
        message=item.message,
    )


def _account(account_id: UUID) -> Account:
    query = select(Account).where(Account.id == account_id).options(joinedload(Account.customer))
    return db.session.scalars(query).one()


def _month(period: str, zone_name: str) -> Period:
    with refusals():
        return calendar_month(period, zone_name)


def _check_ended(period: str, at: datetime) -> None:
    if _month(period, FIRST_TO_END).end > at:
        raise Invalid.at("/period", f"{period} has not ended yet.", code="not_ended")
