"""Some accounts of a billing run, billed together in one transaction: what they owe is read and locked for
all of them in the same statements, each is drafted by itself, and all are written and numbered at once.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from app.config import current_settings
from app.db import db
from app.errors import DomainError
from app.failpoints import reach
from app.models import Account, BillingRunItem
from app.models.customers import BillingMode
from app.models.invoices import InvoiceOrigin
from app.permissions import Actor
from app.services import reductions
from app.services.billing_steps import Step, claim_all, month_of, note, previous_total, step_of
from app.services.drafting import Draft, Owed, gather, make
from app.services.issuing import issue_new
from app.services.price_book import PriceBook


class BilledAlready(Exception):
    """Another run has made the invoice of the account and month."""


# What may be wrong with one account.
TROUBLE = (BilledAlready, DomainError, ArithmeticError, AssertionError, LookupError, TypeError, ValueError)


def bill(
    item_ids: Sequence[UUID], period: str, *, at: datetime, actor: Actor, book: PriceBook
) -> tuple[dict[UUID, Step], list[UUID]]:
    """Bill accounts of a run in the open transaction. Return the steps of those that are done, by item, and
    the items of those that have to be done alone. Left out is what another process has or had, and whose
    month has not ended.

    Raises:
        DomainError: the only account cannot be billed now, or none of them as they share a series of numbers;
            nothing is written.
    """
    items = [item for item in claim_all(item_ids) if _is_over(item.account, period, at)]
    alone = _alone(items) if len(item_ids) > 1 else set()
    wanted = [item for item in items if item.id not in alone]
    owing = gather([(item.account, month_of(period, item.account.timezone)) for item in wanted], book=book)
    steps: dict[UUID, Step] = {}
    drafts: list[tuple[BillingRunItem, Draft]] = []
    for item, owed in zip(wanted, owing, strict=True):
        try:
            draft = _draft(owed, at=at, book=book)
        except TROUBLE:
            if len(item_ids) == 1:
                raise
            alone.add(item.id)
            continue
        if draft is None:
            note(item, None)
            steps[item.id] = step_of(item, None)
        else:
            drafts.append((item, draft))
    issue_new([draft for _, draft in drafts], at=at, actor=actor, book=book)
    for item, draft in drafts:
        note(item, draft.invoice, previous_total(draft.before, draft.period))
        steps[item.id] = step_of(item, draft.invoice)
    db.session.flush()
    for _ in drafts:
        reach("billing.before_commit")
    return steps, [item.id for item in items if item.id in alone]


def _is_over(account: Account, period: str, at: datetime) -> bool:
    """True when the account's month has ended and the grace for late events is over."""
    grace = timedelta(hours=current_settings().billing_grace_hours)
    return month_of(period, account.timezone).end + grace <= at


def _draft(owed: Owed, *, at: datetime, book: PriceBook) -> Draft | None:
    draft = make(owed, at=at, origin=InvoiceOrigin.run, book=book)
    if draft is None:
        return None
    if owed.before.billed_until == owed.period.end:
        raise BilledAlready
    reach("billing.drafted")
    return draft


def _alone(items: Collection[BillingRunItem]) -> set[UUID]:
    """Return the items of accounts that pay from a wallet or have a contract. Their invoices lock what other
    accounts share, as coupons and the advances of a customer, in an order that is that of one account only.
    """
    agreed = reductions.with_contract([item.account_id for item in items])
    return {
        item.id
        for item in items
        if item.account_id in agreed or item.account.billing_mode is BillingMode.prepaid
    }
