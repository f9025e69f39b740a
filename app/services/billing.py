"""Billing runs: one pass over the accounts for one month, each account in a transaction of its own.

A run is its rows: `prepare` writes one item per account that may owe, `work` does what is pending. So a
killed run is resumed by starting it again, two at once share the work, and doing it twice changes nothing.
"""

import logging
from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError
from sqlalchemy.orm import joinedload

from app.config import current_settings
from app.db import db, in_transaction
from app.errors import DomainError, NotFound
from app.ids import new_id
from app.models import Account, BillingRun, BillingRunItem, Invoice
from app.models.invoices import ItemStatus, RunStatus
from app.permissions import Actor
from app.queue import enqueue
from app.services import audit, billing_candidates, invoices, metering
from app.services.billing_steps import LAST_TO_END, Step, check_ended, month_of, note, step_of
from app.services.price_book import PriceBook

BEGUN_AGAIN = (ItemStatus.nothing_owed, ItemStatus.failed)
STEP_ITEMS = 1_000
# How many workers may share one run; more would find nothing to do.
LANES = 2

log = logging.getLogger(__name__)


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
    check_ended(period, at)
    made = insert(BillingRun).values(
        id=new_id(), period=period, status=RunStatus.pending, started_by=actor.label
    )
    new = db.session.scalar(made.on_conflict_do_nothing().returning(BillingRun.id))
    billing_run = db.session.scalars(
        select(BillingRun).where(BillingRun.period == period).with_for_update()
    ).one()
    found = billing_candidates.accounts(month_of(period, LAST_TO_END).end, accounts)
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
    """Bill the pending accounts of a run and yield a step for each, until none is left. What waits to be
    metered is metered first, so that usage which has arrived is billed now and not a month later.

    An account whose month has not ended in its own zone, or whose grace for late events is not over, stays
    pending.

    Raises:
        NotFound: there is no such run.
    """
    while in_transaction(metering.drain):
        pass
    period, pending = in_transaction(lambda: _pending(run_id))
    book = PriceBook()
    for done, item_id in enumerate(pending, 1):
        step = _bill(item_id, period, at=at, actor=actor, book=book)
        if step is not None:
            yield replace(step, done=done, of=len(pending))
    in_transaction(lambda: _finish(run_id, at))


def _bill(item_id: UUID, period: str, *, at: datetime, actor: Actor, book: PriceBook) -> Step | None:
    """Bill one account in a transaction of its own. What goes wrong is kept with its item, so that one
    account's trouble stops no other; a database that is away stops the run, which is then resumed.
    """
    try:
        return in_transaction(partial(bill_account, item_id, period, at=at, actor=actor, book=book))
    except DomainError as error:
        message = error.message
    except DBAPIError as error:
        if not isinstance(error, IntegrityError | DataError):
            raise
        log.exception("account not billed", extra={"item": str(item_id)})
        message = "The database refused the invoice: see the log."
    except (ArithmeticError, AssertionError, LookupError, TypeError, ValueError) as error:
        log.exception("account not billed", extra={"item": str(item_id)})
        message = f"{type(error).__name__}: see the log."
    return in_transaction(partial(_fail, item_id, message))


def share_out(run_id: UUID) -> None:
    """Wake up workers to do what is pending in a run, side by side."""
    for lane in range(LANES):
        enqueue("jobs.invoices.bill_accounts", str(run_id), str(lane))


def bill_account(
    item_id: UUID, period: str, *, at: datetime, actor: Actor, book: PriceBook | None = None
) -> Step | None:
    """Bill one account of a run in the open transaction; None where another process has it or had it, or its
    month has not ended.

    Raises:
        DomainError: it cannot be billed now; nothing is written.
    """
    item = _claim(item_id)
    if item is None:
        return None
    month = month_of(period, item.account.timezone)
    if month.end + timedelta(hours=current_settings().billing_grace_hours) > at:
        return None
    invoice = invoices.bill(item.account, month, at=at, actor=actor, book=book or PriceBook())
    note(item, invoice)
    return step_of(item, item.account, invoice)


def _claim(item_id: UUID) -> BillingRunItem | None:
    claim = (
        select(BillingRunItem)
        .where(BillingRunItem.id == item_id, BillingRunItem.status == ItemStatus.pending)
        .options(
            joinedload(BillingRunItem.account, innerjoin=True).joinedload(Account.customer, innerjoin=True)
        )
        .with_for_update(of=BillingRunItem, skip_locked=True)
    )
    return db.session.scalar(claim)


def _fail(item_id: UUID, message: str) -> Step | None:
    item = _claim(item_id)
    if item is None:
        return None
    item.status, item.message = ItemStatus.failed, message
    return step_of(item, item.account, None)


def progress(run_id: UUID) -> dict[ItemStatus, int]:
    """Return how many accounts of a run stand where."""
    query = select(BillingRunItem.status, func.count()).where(BillingRunItem.run_id == run_id)
    found = {row[0]: row[1] for row in db.session.execute(query.group_by(BillingRunItem.status))}
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
    check_ended(period, at)
    found = billing_candidates.accounts(month_of(period, LAST_TO_END).end, accounts)
    book = PriceBook()
    for done, account_id in enumerate(found, 1):
        step = in_transaction(partial(_try_account, account_id, period, at, book))
        yield replace(step, done=done, of=len(found))


def _try_account(account_id: UUID, period: str, at: datetime, book: PriceBook) -> Step:
    account = _account(account_id)
    item = BillingRunItem(account_id=account_id, status=ItemStatus.nothing_owed)

    def show(invoice: Invoice) -> Step:
        note(item, invoice)
        return step_of(item, account, invoice)

    try:
        step = invoices.preview(account, month_of(period, account.timezone), show, at=at, book=book)
    except DomainError as error:
        item.status, item.message = ItemStatus.failed, error.message
        step = None
    return step or step_of(item, account, None)


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


def _account(account_id: UUID) -> Account:
    query = select(Account).where(Account.id == account_id).options(joinedload(Account.customer))
    return db.session.scalars(query).one()
