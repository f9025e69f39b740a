"""Minimum commitments: the least that a subscription pays per billing period, and the true-up that bills what
is missing (docs/api/contracts.md).

The last run of a period asks for max(0, the commitment's part of the period − what the subscription was
charged in it), before tax and before discounts. Usage that comes late, or is taken back, moves that figure,
and the next invoice asks for the difference, so what was asked for in all is always exactly it: late usage
lowers a true-up down to nothing, never below.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from psycopg.errors import ExclusionViolation
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from app.db import db, lock
from app.domain.contracts import true_up
from app.domain.invoicing import describe
from app.domain.money import parse_amount, plain
from app.domain.periods import Period, day_start, periods_between
from app.domain.proration import share, split
from app.errors import NotFound, Overlapping
from app.models import Account, Commitment, Invoice, InvoiceLine, Subscription
from app.models.invoices import LineKind
from app.permissions import Actor
from app.services import audit, segments
from app.services.charges import Due, Extra, explained, invoiced_row, still_billed
from app.services.components import SAC
from app.services.contracts import check_order, check_unbilled, next_border
from app.services.fee_charges import covered_days
from app.services.inputs import a_day, optional, refusals
from app.services.price_book import PriceBook
from app.services.rating import Coverage

NOTHING = Decimal(0)
CHARGES = (LineKind.usage, LineKind.fixed, LineKind.adjustment)
Place = tuple[UUID, datetime]
Agreed = Mapping[UUID, list[Commitment]]
Charges = defaultdict[UUID, list[tuple[datetime, Decimal]]]


def agree(
    subscription: Subscription,
    amount: Any,
    *,
    start_on: Any = None,
    end_on: Any = None,
    reason: str | None = None,
    actor: Actor,
) -> Commitment:
    """Agree on the least that a subscription pays per whole billing period, in its account's currency, before
    tax and discounts. `start_on` is by default the first day of the next period, or of the subscription where
    that is still to come; a period in which it begins or ends counts by its days.

    Raises:
        Invalid: the amount or a day cannot be used, or a period from then on was billed.
        Overlapping: there is a commitment for some of those days.
    """
    origin = segments.of(subscription)[0]
    account = subscription.account
    with refusals():
        value = parse_amount(amount, account.currency, pointer="/amount")
        first = optional(a_day)(start_on, "/start_on") or next_border(subscription).start_on
        after = optional(a_day)(end_on, "/end_on")
        check_order(first, after, "/end_on")
        check_unbilled(subscription, None, day_start(first, account.timezone), "/start_on")
    made = Commitment(
        subscription=origin,
        amount=value,
        currency=account.currency,
        start_on=first,
        end_on=after,
        reason=reason,
    )
    try:
        with db.session.begin_nested():
            db.session.add(made)
    except IntegrityError as error:
        if isinstance(error.orig, ExclusionViolation):
            raise Overlapping.at("/start_on", "There is a commitment for some of these days.") from None
        raise
    summary = f"{account.name} is committed to {plain(value)} {account.currency} a period"
    told = {"amount": value, "start_on": first, "end_on": after, "reason": reason}
    audit.record(actor, "subscription.committed", subscription, summary=summary, after=told)
    return made


def end(agreed: Commitment, *, on: Any, actor: Actor) -> Commitment:
    """Let a commitment hold no longer from a day on.

    Raises:
        Invalid: the day cannot be used, is not after the start, or a period from then on was billed.
    """
    subscription = agreed.subscription
    segments.of(subscription)
    with refusals():
        after = a_day(on, "/on")
        check_order(agreed.start_on, after, "/on")
        check_unbilled(subscription, None, day_start(after, subscription.account.timezone), "/on")
    before, agreed.end_on = agreed.end_on, after
    audit.record(
        actor,
        "subscription.commitment_ended",
        subscription,
        summary=f"The commitment of {subscription.account.name} ends",
        before={"end_on": before},
        after={"end_on": after},
    )
    return agreed


def of(subscription: Subscription) -> list[Commitment]:
    """Return the commitments of a subscription by their start."""
    query = select(Commitment).where(Commitment.subscription_id == subscription.origin_id)
    return list(db.session.scalars(query.order_by(Commitment.start_on)))


def get(subscription: Subscription, commitment_id: UUID) -> Commitment:
    """Return a commitment of a subscription by its id.

    Raises:
        NotFound: there is none.
    """
    found = next((each for each in of(subscription) if each.id == commitment_id), None)
    if found is None:
        raise NotFound("There is no such commitment.")
    return found


def due(account: Account, until: datetime, dues: Sequence[Due], *, book: PriceBook) -> list[Extra]:
    """Return the true-ups of all periods that ended by `until`, the oldest first, beside the charges `dues`.

    `book` has the account's subscriptions loaded; those with a commitment stay locked.
    """
    coverages = book.tariffs.coverages(account.id)
    agreed = by_origin({each.origin_id for each in coverages})
    committed = [each for each in coverages if each.origin_id in agreed]
    if not committed:
        return []
    lock(Subscription, [each.subscription_id for each in committed])
    charges = charged(account.id)
    for one in dues:
        charges[one.subscription_id].append((one.period.start, one.amount))
    before = asked(account.id)
    found = []
    for coverage in committed:
        for period in periods_between(coverage.start_at, until, coverage.cycle):
            if period.end <= until:
                used = spent(charges, coverage, period)
                invoiced = before.get((coverage.subscription_id, period.start), NOTHING)
                found.append(_extra(coverage, period, agreed[coverage.origin_id], used, invoiced, book))
    return [one for one in found if one is not None]


def committed_in(
    coverage: Coverage, period: Period, agreed: Sequence[Commitment]
) -> tuple[Decimal, Commitment | None]:
    """Return what a segment is committed to in a period, for the days of both, and the last commitment of
    them.

    It is what the days until its end exceed those until its start, each rounded: the segments of a period add
    up to the whole.
    """
    first, after = covered_days(coverage, period)
    total, last = NOTHING, None
    for each in agreed:
        start_on = max(first, each.start_on)
        part = share(period, start_on, min(after, each.end_on or after))
        if part:
            ahead = share(period, period.start_on, start_on)
            total += split(each.amount, (ahead, part), coverage.currency)[1]
            last = each
    return total, last


def charged(account_id: UUID) -> Charges:
    """Return what issued invoices charged for usage and fees by subscription: (start of the period,
    amount)."""
    found: Charges = defaultdict(list)
    rows = _issued(account_id, CHARGES, InvoiceLine.subscription_id, InvoiceLine.period_start)
    for subscription_id, start, amount in rows:
        found[subscription_id].append((start, amount))
    return found


def spent(charges: Charges, coverage: Coverage, period: Period) -> Decimal:
    """Return what a segment was charged for in a period."""
    rows = charges.get(coverage.subscription_id, [])
    return sum((amount for start, amount in rows if period.start <= start < period.end), NOTHING)


def asked(account_id: UUID) -> dict[Place, Decimal]:
    """Return the true-ups that issued invoices asked for, by subscription and start of the period."""
    place = (InvoiceLine.subscription_id, InvoiceLine.period_start)
    return {tuple(row[:2]): row[2] for row in _issued(account_id, (LineKind.commitment,), *place)}


def _issued(account_id: UUID, kinds: Sequence[LineKind], *key: Any) -> Sequence[Any]:
    query = (
        select(*key, func.sum(InvoiceLine.amount))
        .join(Invoice, Invoice.id == InvoiceLine.invoice_id)
        .where(
            Invoice.account_id == account_id,
            still_billed(),
            InvoiceLine.subscription_id.is_not(None),
            InvoiceLine.kind.in_(kinds),
        )
        .group_by(*key)
    )
    return db.session.execute(query).all()


def by_origin(origins: Collection[UUID]) -> Agreed:
    """Return the commitments of these subscriptions by their first segment, by their start."""
    found: defaultdict[UUID, list[Commitment]] = defaultdict(list)
    query = select(Commitment).where(Commitment.subscription_id.in_(origins))
    for row in db.session.scalars(query.order_by(Commitment.start_on)):
        found[row.subscription_id].append(row)
    return found


def _extra(
    coverage: Coverage,
    period: Period,
    agreed: Sequence[Commitment],
    used: Decimal,
    invoiced: Decimal,
    book: PriceBook,
) -> Extra | None:
    total, last = committed_in(coverage, period, agreed)
    amount = true_up(total, used) - invoiced
    if not amount:
        return None
    first, after = covered_days(coverage, period)
    days = Period(period.start, period.end, first, after) if first < after else period
    rows = [explained("commitment", total), explained("charged", -min(used, total))]
    if invoiced:
        rows.append(invoiced_row(NOTHING, invoiced))
    listed = book.of(coverage.version_id)
    return Extra(
        kind=LineKind.commitment,
        description=describe("True-up to the minimum commitment", days),
        amount=amount,
        sac=next((one.sac for one in listed if one.currency == coverage.currency), SAC),
        breakdown=rows,
        source_id=(last or agreed[-1]).id,
        subscription_id=coverage.subscription_id,
        version_id=coverage.version_id,
        period=period,
    )
