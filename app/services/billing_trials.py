"""Dry runs: what a billing run would issue, beside the month before. The drafts are undone one by one."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from app.db import db
from app.domain.money import plain
from app.domain.periods import Period
from app.errors import DomainError
from app.models import Account, BillingRunItem
from app.models.billing_runs import ItemStatus
from app.models.invoices import InvoiceOrigin
from app.services import invoice_checks
from app.services.billing_steps import (
    BILLED_ALREADY,
    Step,
    billed,
    claim,
    month_of,
    note,
    previous_total,
    step_of,
)
from app.services.drafting import assemble
from app.services.invoice_checks import History
from app.services.price_book import PriceBook

NOTHING = Decimal(0)


def try_item(item_id: UUID, period: str, *, at: datetime, book: PriceBook) -> Step | None:
    """Write down with an item of a dry run what its account would be billed; None where another process has
    it. Nothing else is written.
    """
    item = claim(item_id)
    return None if item is None else try_account(item, item.account, period, at=at, book=book)


def try_account(
    item: BillingRunItem, account: Account, period: str, *, at: datetime, book: PriceBook
) -> Step:
    """Fill an item, stored or not, with what its account would be billed, and return it as a step."""
    month = month_of(period, account.timezone)
    made = billed(account, month)
    if made is not None:
        note(item, made)
        item.message = BILLED_ALREADY
        return step_of(item, made)
    before = invoice_checks.history(account)
    item.previous = previous_total(before, month)
    try:
        found = _draft(account, month, before, at=at, book=book)
    except DomainError as error:
        item.status, item.message = ItemStatus.failed, error.message
        return step_of(item, None)
    if found is None:
        _note_nothing(item, account)
    else:
        item.total, objections = found
        item.currency = account.currency
        item.status = ItemStatus.parked if objections else ItemStatus.due
        item.message = " ".join(objections) or None
    return step_of(item, None)


def _draft(
    account: Account, month: Period, before: History, *, at: datetime, book: PriceBook
) -> tuple[Decimal, list[str]] | None:
    """Return the total of a draft that is undone again, and why a person would have to look at it first."""
    attempt = db.session.begin_nested()
    try:
        draft = assemble(account, month, at=at, origin=InvoiceOrigin.run, book=book)
        if draft is None:
            return None
        invoice = draft.invoice
        faults = [*draft.problems, *invoice_checks.faults(invoice)]
        return invoice.total, [*faults, *invoice_checks.doubts(invoice, before)]
    finally:
        attempt.rollback()


def _note_nothing(item: BillingRunItem, account: Account) -> None:
    item.status, item.message = ItemStatus.nothing_owed, None
    if item.previous:
        item.total, item.currency = NOTHING, account.currency
        told = plain(item.previous)
        item.message = f"Nothing is owed; the month before came to {told} {account.currency}."
