"""Re-rating: what a billed line comes to now, from the rollups and the frozen versions, beside what was
billed (docs/api/simulations.md).

It is the arithmetic of billing on what is known today. So an untouched invoice shows no difference, and late
usage exactly what the next invoice asks for. The result has one spelling: the same inputs, the same bytes.
Lines that no price stands behind (by hand, discounts, credits, commitments) stay as they are; taxes are not
looked at.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from app.db import db
from app.domain.groups import NO_USAGE
from app.domain.invoicing import canonical_json, sha256_hex
from app.domain.money import add_up, quantize
from app.domain.periods import Period, periods_between
from app.errors import Conflict
from app.models import Account, Invoice, InvoiceLine
from app.models.invoices import InvoiceKind
from app.models.plans import ComponentKind
from app.permissions import Actor
from app.services import audit, invoices
from app.services.charges import (
    INVOICED,
    Key,
    invoiced_before,
    invoiced_row,
    period_between,
    still_billed,
)
from app.services.fee_charges import Wholes, fee_of
from app.services.price_book import PriceBook
from app.services.rating import Coverage, Place, for_nothing
from app.services.rollups import tally_places

NOTHING = Decimal(0)
BILLS = (InvoiceKind.tax_invoice, InvoiceKind.export_invoice)


@dataclass(frozen=True, slots=True)
class Rerating:
    """A document of plain values, its one spelling as JSON, and the SHA-256 of that."""

    document: dict[str, Any]
    content: bytes
    sha256: str

    @classmethod
    def of(cls, document: dict[str, Any]) -> "Rerating":
        """Return a document with its bytes and their hash."""
        content = canonical_json(document)
        return cls(document, content, sha256_hex(content))


@dataclass(frozen=True, slots=True)
class Rated:
    """What a component comes to in a whole billing period now."""

    amount: Decimal
    quantity: Decimal
    breakdown: list[dict[str, Any]]


def rerate(invoice: Invoice, book: PriceBook | None = None) -> Rerating:
    """Return each line of an invoice as it was billed and as it comes to now. Nothing is written.

    `difference` is what it comes to now less what was billed; `adjusted` what later invoices have asked for
    the same; `open` the rest, which the next invoice asks for.

    Raises:
        Conflict: a credit note: it gives back what an invoice says.
    """
    if invoice.kind not in BILLS:
        raise Conflict("A credit note is not rated: re-rate its invoice.")
    book = book or PriceBook()
    book.tariffs.load([invoice.account_id])
    rated = {**_usage(invoice, book), **_fees(invoice, book)}
    later = _later(invoice)
    return Rerating.of(_document(invoice, [_compared(line, rated, later) for line in invoice.lines]))


def rerate_month(account: Account, month: Period, *, at: datetime, book: PriceBook) -> list[Rerating]:
    """Return the re-rated invoices of an account for a local month; where there is none, what would be billed
    for it, as an invoice of which nothing is billed yet.

    Raises:
        Conflict, Invalid: what would be billed cannot be: as `invoices.draft_for` says.
    """
    query = select(Invoice.id).where(
        Invoice.account_id == account.id,
        Invoice.kind.in_(BILLS),
        still_billed(),
        Invoice.period_start >= month.start,
        Invoice.period_end <= month.end,
    )
    found = list(db.session.scalars(query.order_by(Invoice.issued_at, Invoice.id)))
    if found:
        return [rerate(invoices.get(each), book) for each in found]
    draft = invoices.preview(account, month, _unbilled, at=at, book=book)
    return [] if draft is None else [draft]


def accounts_with_bills(months: Collection[Period]) -> list[UUID]:
    """Return the accounts that have invoices within one of these months, in id order."""
    first, after = min(month.start for month in months), max(month.end for month in months)
    query = select(Invoice.account_id).where(
        Invoice.kind.in_(BILLS),
        still_billed(),
        Invoice.period_start >= first,
        Invoice.period_end <= after,
    )
    return list(db.session.scalars(query.distinct().order_by(Invoice.account_id)))


def note(invoice: Invoice, found: Rerating, *, at: datetime, actor: Actor) -> None:
    """Keep in the audit trail that an invoice was re-rated, and what came out."""
    after = {name: str(found.document[name]) for name in ("difference", "open")}
    summary = f"{invoice} was re-rated"
    audit.record(
        actor, "invoice.rerated", invoice, summary=summary, at=at, after={**after, "sha256": found.sha256}
    )


def _usage(invoice: Invoice, book: PriceBook) -> dict[Key, Rated]:
    """Return what the usage behind the lines of an invoice comes to now."""
    coverages = {each.subscription_id: each for each in book.tariffs.coverages(invoice.account_id)}
    places: dict[Key, Place] = {}
    for line in invoice.lines:
        key = key_of(line)
        if key is not None and line.metric_code is not None and line.period_end is not None:
            coverage = coverages[key[0]]
            listed = coverage.priced(book.tariffs.prices[key[1]], key[2])
            period = period_between(key[2], line.period_end, coverage.cycle.zone_name)
            places[key] = Place(coverage, listed, period)
    tallies = tally_places(places.values(), book.tariffs) if places else {}
    found = {}
    for key, place in places.items():
        tally = tallies.get(key)
        used = NO_USAGE if tally is None else tally.whole
        price = book.price_in(place.coverage, key[1], key[2])
        in_trial = place.coverage.in_trial(key[2])
        charge = for_nothing(used.quantity) if in_trial else price.charge(used)
        found[key] = Rated(charge.amount, used.quantity, charge.breakdown_json())
    return found


def _fees(invoice: Invoice, book: PriceBook) -> dict[Key, Rated]:
    """Return what the fees on the lines of an invoice come to now. All segments of a period are looked at:
    a fee that is not prorated is charged to the first of them."""
    keys = [key_of(line) for line in invoice.lines if line.metric_code is None]
    wanted = {key for key in keys if key is not None}
    starts = {key[2] for key in wanted}
    found, whole = {}, Wholes()
    for coverage in book.tariffs.coverages(invoice.account_id) if wanted else ():
        for period in _periods(coverage, starts):
            for price in book.in_period(coverage, period.start):
                if price.kind is ComponentKind.fixed and price.currency == coverage.currency:
                    amount = fee_of(coverage, price, period, whole)
                    key = (coverage.subscription_id, price.component_id, period.start)
                    found[key] = Rated(amount, Decimal(1), [])
    return {key: found.get(key, Rated(NOTHING, Decimal(1), [])) for key in wanted}


def _periods(coverage: Coverage, starts: Collection[datetime]) -> Iterable[Period]:
    within = periods_between(coverage.start_at, max(starts) + timedelta.resolution, coverage.cycle)
    return [period for period in within if period.start in starts]


def key_of(line: InvoiceLine) -> Key | None:
    """Return what a line charges: the component of a subscription in a period; None for one without a
    price."""
    if line.subscription_id is None or line.component_id is None or line.period_start is None:
        return None
    return line.subscription_id, line.component_id, line.period_start


def _later(invoice: Invoice) -> dict[Key, Decimal]:
    """Return what invoices that were issued after this one have asked for the same."""
    key = (InvoiceLine.subscription_id, InvoiceLine.component_id, InvoiceLine.period_start)
    query = (
        select(*key, func.sum(InvoiceLine.amount))
        .join(Invoice, Invoice.id == InvoiceLine.invoice_id)
        .where(
            Invoice.account_id == invoice.account_id,
            Invoice.id != invoice.id,
            still_billed(),
            Invoice.issued_at > (invoice.issued_at or invoice.created_at),
            InvoiceLine.subscription_id.is_not(None),
        )
        .group_by(*key)
    )
    return {tuple(row[:3]): row[3] for row in db.session.execute(query)}  # type: ignore[misc]


def _compared(line: InvoiceLine, rated: dict[Key, Rated], later: dict[Key, Decimal]) -> dict[str, Any]:
    key = key_of(line)
    now = None if key is None else rated.get(key)
    told = _told(line, line.amount)
    if key is None or now is None:
        return told
    before = invoiced_before(line.breakdown)
    difference = now.amount - before - line.amount
    adjusted = later.get(key, NOTHING)
    taken = sum((-Decimal(row["quantity"]) for row in line.breakdown if row["kind"] == INVOICED), NOTHING)
    counted = line.metric_code is not None
    rows = [*now.breakdown, *([invoiced_row(taken, before)] if counted and (taken or before) else [])]
    return {
        **told,
        "rated": True,
        "quantity": now.quantity - taken if counted else line.quantity,
        "amount": now.amount - before,
        "difference": difference,
        "adjusted": adjusted,
        "open": difference - adjusted,
        "breakdown": rows if counted else line.breakdown,
    }


def _told(line: InvoiceLine, billed: Decimal) -> dict[str, Any]:
    """Return a line that comes to what it says; of its amount `billed` was billed."""
    return {
        "n": line.n,
        "description": line.description,
        "kind": str(line.kind),
        "metric": line.metric_code,
        "subscription_id": line.subscription_id,
        "component_id": line.component_id,
        "plan_version_id": line.plan_version_id,
        "period_start": line.period_start,
        "period_end": line.period_end,
        "rated": False,
        "billed_quantity": line.quantity,
        "quantity": line.quantity,
        "billed": billed,
        "amount": line.amount,
        "difference": line.amount - billed,
        "adjusted": NOTHING,
        "open": line.amount - billed,
        "breakdown": line.breakdown,
    }


def _unbilled(draft: Invoice) -> Rerating:
    """Return what would be billed."""
    lines = [{**_told(line, NOTHING), "billed_quantity": NOTHING, "rated": True} for line in draft.lines]
    return Rerating.of({**_document(draft, lines), "invoice_id": None})


def _document(invoice: Invoice, lines: Sequence[dict[str, Any]]) -> dict[str, Any]:
    sums = ("billed", "amount", "difference", "adjusted", "open")
    currency = invoice.currency
    stated = [{**line, **{name: quantize(line[name], currency) for name in sums}} for line in lines]
    return {
        "invoice_id": invoice.id,
        "number": invoice.number,
        "account_id": invoice.account_id,
        "currency": currency,
        "period_start": invoice.period_start,
        "period_end": invoice.period_end,
        "lines": stated,
        **{name: add_up((line[name] for line in stated), currency) for name in sums},
    }
