"""Billing runs: one pass over accounts for one month, some accounts in each transaction.

A run is its rows: `prepare` writes one item per account that may owe, `work` does what is pending. So a
killed run is resumed by starting it again, two at once share the work, and doing it twice changes nothing.
A dry run is the same, but only its own rows are written (`billing_trials`).
"""

import logging
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError
from sqlalchemy.orm import joinedload

from app.db import db, in_transaction
from app.errors import DomainError
from app.failpoints import reach
from app.ids import new_id
from app.models import Account, BillingRun, BillingRunItem, PricePlan
from app.models.billing_runs import ItemStatus, RunStatus
from app.permissions import Actor
from app.services import audit, billing_candidates, billing_trials, metering
from app.services.billing_batches import TROUBLE, BilledAlready, bill
from app.services.billing_candidates import Scope
from app.services.billing_runs import get
from app.services.billing_steps import (
    Step,
    check_ended,
    note_billed,
    note_failure,
)
from app.services.price_book import PriceBook

BEGUN_AGAIN = (ItemStatus.nothing_owed, ItemStatus.failed)
STEP_ITEMS = 1_000
MOST_TOGETHER = 40
FEWEST_SHARES = 16
ONE_PER_PERIOD = "uq_invoices_one_per_period"

log = logging.getLogger(__name__)


def run(
    period: str,
    *,
    at: datetime,
    actor: Actor,
    plan: PricePlan | None = None,
    accounts: Collection[UUID] | None = None,
    dry_run: bool = False,
) -> Iterator[Step]:
    """Bill a month (`2026-10`): one invoice per account for all that ended by the end of that month in the
    account's zone and is not invoiced yet. Yield a step per account; a dry run writes nothing at all.

    `plan` or `accounts` limit it. Started again it does what is left; what came late is billed next month.

    Raises:
        Invalid: `period` is no month, or one that has not ended yet anywhere; both limits are given.
    """
    if dry_run:
        return _try(period, Scope.of(plan, accounts), at=at)
    run_id = in_transaction(lambda: prepare(period, at=at, actor=actor, plan=plan, accounts=accounts).id)
    return work(run_id, at=at, actor=actor)


def prepare(
    period: str,
    *,
    at: datetime,
    actor: Actor,
    plan: PricePlan | None = None,
    accounts: Collection[UUID] | None = None,
    dry_run: bool = False,
) -> BillingRun:
    """Return the run of a month and scope with a pending item for each account that may owe and that it has
    not billed; a dry run is always a new one.

    Raises:
        Invalid: as `run` says.
    """
    check_ended(period, at)
    scope = Scope.of(plan, accounts)
    billing_run, new = _run_of(period, scope, dry_run, actor)
    found = billing_candidates.accounts(period, scope)
    if dry_run:
        found = sorted({*found, *billing_candidates.billed_before(period, scope)})
    _add_items(billing_run, found)
    billing_run.status = RunStatus.running
    billing_run.finished_at = None
    verb = "started" if new else "resumed"
    summary = f"The {'dry' if dry_run else 'billing'} run of {period} was {verb}"
    after = {"accounts": len(found), "scope": scope.kind, "plan": plan.code if plan else None}
    audit.record(actor, f"billing_run.{verb}", billing_run, summary=summary, at=at, after=after)
    return billing_run


def _run_of(period: str, scope: Scope, dry_run: bool, actor: Actor) -> tuple[BillingRun, bool]:
    """Return the locked run of a month and scope, and whether it is new."""
    run_id = new_id()
    made = insert(BillingRun).values(
        id=run_id,
        period=period,
        scope=scope.kind,
        plan_id=scope.plan.id if scope.plan else None,
        scope_key=scope.key,
        dry_run=dry_run,
        status=RunStatus.pending,
        started_by=actor.label,
    )
    new = db.session.scalar(made.on_conflict_do_nothing().returning(BillingRun.id))
    query = select(BillingRun).with_for_update()
    if new is None:
        query = query.where(
            BillingRun.period == period, BillingRun.scope_key == scope.key, ~BillingRun.dry_run
        )
    else:
        query = query.where(BillingRun.id == run_id)
    return db.session.scalars(query.execution_options(populate_existing=True)).one(), new is not None


def _add_items(billing_run: BillingRun, accounts: list[UUID]) -> None:
    rows = [{"id": new_id(), "run_id": billing_run.id, "account_id": each} for each in accounts]
    for start in range(0, len(rows), STEP_ITEMS):
        items = insert(BillingRunItem).values(rows[start : start + STEP_ITEMS])
        again = items.on_conflict_do_update(
            index_elements=["run_id", "account_id"],
            set_={"status": ItemStatus.pending, "message": None},
            where=BillingRunItem.status.in_(BEGUN_AGAIN),
        )
        db.session.execute(again)


def work(
    run_id: UUID, *, at: datetime, actor: Actor, lane: int = 0, lanes: int = 1, together: int | None = None
) -> Iterator[Step]:
    """Do the pending accounts of a run and yield a step for each, until none is left. What waits to be
    metered is metered first, so that usage which has arrived is billed now and not a month later.

    Each of several `lanes` begins elsewhere and helps with the others' share in the end. `together` accounts
    share a transaction: by default few in a small run and many in a large one. An account whose month has not
    ended in its own zone, or whose grace for late events is not over, stays pending.

    Raises:
        NotFound: there is no such run.
    """
    reach("billing.prepared")
    period, dry_run, pending = in_transaction(lambda: _pending(run_id))
    if not dry_run:
        while in_transaction(metering.drain):
            pass
        reach("billing.metered")
    first, book = len(pending) * lane // lanes, PriceBook()
    ordered = (*pending[first:], *pending[:first])
    size = 1 if dry_run else together or in_one_transaction(len(pending), lanes)
    for start in range(0, len(ordered), size):
        share = ordered[start : start + size]
        steps = _do(share, period, dry_run, at=at, actor=actor, book=book)
        for done, item_id in enumerate(share, start + 1):
            step = steps.get(item_id)
            if step is not None:
                yield replace(step, done=done, of=len(pending))
    in_transaction(lambda: _finish(run_id, at))


def in_one_transaction(pending: int, lanes: int) -> int:
    """Return how many accounts share a transaction: each lane has many of them, so that none waits long for
    another and a kill undoes little."""
    return min(MOST_TOGETHER, max(1, pending // (lanes * FEWEST_SHARES)))


def _do(
    item_ids: Sequence[UUID], period: str, dry_run: bool, *, at: datetime, actor: Actor, book: PriceBook
) -> dict[UUID, Step | None]:
    """Do accounts in one transaction, and those that cannot be done with the others in one of their own."""
    if dry_run or len(item_ids) == 1:
        return {each: _do_one(each, period, dry_run, at=at, actor=actor, book=book) for each in item_ids}
    try:
        steps, alone = in_transaction(partial(bill, item_ids, period, at=at, actor=actor, book=book))
    except (*TROUBLE, IntegrityError, DataError):
        steps, alone = {}, list(item_ids)
    for _ in steps:
        reach("billing.after_commit")
    one_by_one = {each: _do_one(each, period, dry_run, at=at, actor=actor, book=book) for each in alone}
    return {**steps, **one_by_one}


def _do_one(
    item_id: UUID, period: str, dry_run: bool, *, at: datetime, actor: Actor, book: PriceBook
) -> Step | None:
    """Do one account in a transaction of its own. What goes wrong is kept with its item, so that one
    account's trouble stops no other; a database that is away stops the run, which is then resumed.
    """
    try:
        if dry_run:
            return in_transaction(partial(billing_trials.try_item, item_id, period, at=at, book=book))
        steps, _ = in_transaction(partial(bill, [item_id], period, at=at, actor=actor, book=book))
        reach("billing.after_commit")
        return steps.get(item_id)
    except BilledAlready:
        return in_transaction(partial(note_billed, item_id, period))
    except DomainError as error:
        message = error.message
    except DBAPIError as error:
        if not isinstance(error, IntegrityError | DataError):
            raise
        if ONE_PER_PERIOD in str(error.orig):
            return in_transaction(partial(note_billed, item_id, period))
        log.exception("account not billed", extra={"item": str(item_id)})
        message = "The database refused the invoice: see the log."
    except TROUBLE as error:
        log.exception("account not billed", extra={"item": str(item_id)})
        message = f"{type(error).__name__}: see the log."
    return in_transaction(partial(note_failure, item_id, message))


def _try(period: str, scope: Scope, *, at: datetime) -> Iterator[Step]:
    check_ended(period, at)
    found = billing_candidates.accounts(period, scope)
    book = PriceBook()
    for done, account_id in enumerate(found, 1):
        step = in_transaction(partial(_try_account, account_id, period, at, book))
        yield replace(step, done=done, of=len(found))


def _try_account(account_id: UUID, period: str, at: datetime, book: PriceBook) -> Step:
    query = select(Account).where(Account.id == account_id).options(joinedload(Account.customer))
    account = db.session.scalars(query).one()
    item = BillingRunItem(account_id=account_id, account=account, status=ItemStatus.pending)
    return billing_trials.try_account(item, account, period, at=at, book=book)


def _pending(run_id: UUID) -> tuple[str, bool, list[UUID]]:
    billing_run = get(run_id)
    waiting = select(BillingRunItem.id).where(
        BillingRunItem.run_id == run_id, BillingRunItem.status == ItemStatus.pending
    )
    found = db.session.scalars(waiting.order_by(BillingRunItem.account_id))
    ids = list(found) if billing_run.status is RunStatus.running else []
    return billing_run.period, billing_run.dry_run, ids


def _finish(run_id: UUID, at: datetime) -> None:
    left = select(BillingRunItem.id).where(
        BillingRunItem.run_id == run_id, BillingRunItem.status == ItemStatus.pending
    )
    over = update(BillingRun).where(
        BillingRun.id == run_id, BillingRun.status == RunStatus.running, ~left.exists()
    )
    db.session.execute(over.values(status=RunStatus.done, finished_at=at))
