"""Making an invoice final: checks, number, immutable content and what follows, in one transaction."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from operator import itemgetter
from typing import NamedTuple
from uuid import UUID

from app.db import db, lock
from app.domain.invoicing import canonical_json, settlement
from app.domain.money import plain
from app.domain.numbering import ist_date
from app.domain.states import move
from app.errors import Conflict
from app.models import Account, Invoice, InvoiceLine, Subscription, Wallet
from app.models.customers import BillingMode
from app.models.invoices import InvoiceKind, InvoiceStatus
from app.permissions import Actor
from app.services import (
    advances,
    audit,
    carrying,
    claims,
    einvoices,
    exchange_rates,
    fee_charges,
    invoice_checks,
    numbers,
    outbox,
    snapshots,
    taxes,
    usage_charges,
    wallets,
)
from app.services.charges import Key, invoiced_before
from app.services.drafting import Draft, Moves
from app.services.inputs import refusals
from app.services.price_book import PriceBook
from app.services.taxes import Seller

NOTHING = Decimal(0)
DOCUMENT = "invoice.document"
UNNUMBERED = frozenset({InvoiceStatus.draft, InvoiceStatus.parked})


class Ready(NamedTuple):
    """An invoice that nothing speaks against, and the locked positions that its lines charge."""

    invoice: Invoice
    account: Account
    seller: Seller
    moves: Moves


def issue(invoice: Invoice, *, at: datetime, actor: Actor, book: PriceBook | None = None) -> Invoice:
    """Issue a stored draft: number, date, immutable content, its usage marked as invoiced, its PDF promised.

    A draft with a fault, or one whose total is far above the usual, is parked instead: look at `status`. A
    parked one that a person issues is issued, unless it is wrong. One that is issued already stays as it is.

    Raises:
        Conflict: usage or fees of this draft were billed by another invoice meanwhile: draft it again.
        Invalid: the series of numbers is full.
    """
    (invoice,) = lock(Invoice, [invoice.id])
    if invoice.status not in UNNUMBERED:
        return invoice
    book = book or PriceBook()
    objections = [*invoice_checks.faults(invoice), *_tax_faults(invoice, at, book)]
    if not objections and invoice.status is InvoiceStatus.draft:
        before = invoice_checks.history(invoice.account)
        objections = invoice_checks.doubts(invoice, before)
    if objections:
        return park(invoice, objections, at=at, actor=actor)
    seller = taxes.seller_of(invoice.registration)
    if unfit := _einvoice_faults(invoice, invoice.account, seller, at, book):
        return park(invoice, unfit, at=at, actor=actor)
    ready = Ready(invoice, invoice.account, seller, _check_unbilled(invoice))
    _finish([ready], at=at, actor=actor, book=book)
    return invoice


def issue_new(drafts: Sequence[Draft], *, at: datetime, actor: Actor, book: PriceBook) -> None:
    """Store and issue drafts that were made in this transaction; those with a fault or a doubt are stored
    parked.

    Raises:
        Invalid: the series of numbers is full.
    """
    db.session.add_all([draft.invoice for draft in drafts])
    ready = []
    for draft in drafts:
        invoice, account, seller = draft.invoice, draft.account, draft.seller
        objections = [*draft.problems, *invoice_checks.faults(invoice)]
        objections += [*invoice_checks.doubts(invoice, draft.before), *_no_exchange_rate(invoice, at, book)]
        objections += _einvoice_faults(invoice, account, seller, at, book)
        if objections:
            park(invoice, objections, at=at, actor=actor)
        else:
            ready.append(Ready(invoice, account, seller, draft.moves))
    _finish(ready, at=at, actor=actor, book=book)


def park(invoice: Invoice, reasons: Sequence[str], *, at: datetime, actor: Actor) -> Invoice:
    """Keep a draft from being issued until a person has looked at it."""
    invoice.parked_reason = " ".join(reasons)
    if invoice.status is not InvoiceStatus.parked:
        with refusals():
            invoice.status = InvoiceStatus(move("invoice", invoice.status, InvoiceStatus.parked))
    summary = f"An invoice of {plain(invoice.total)} {invoice.currency} was parked"
    after = {"status": invoice.status, "reason": invoice.parked_reason}
    audit.record(actor, "invoice.parked", invoice, summary=summary, at=at, after=after)
    return invoice


def _no_exchange_rate(invoice: Invoice, at: datetime, book: PriceBook) -> list[str]:
    on = ist_date(at)
    found = exchange_rates.objection(invoice.currency, book.exchange_rate(invoice.currency, on), on)
    return [found] if found else []


def _einvoice_faults(
    invoice: Invoice, account: Account, seller: Seller, at: datetime, book: PriceBook
) -> list[str]:
    """Return for what the portal would refuse the invoice: once it is issued nothing of it can be mended."""
    on = ist_date(at)
    if not einvoices.are_on(on):
        return []
    db.session.flush()
    with db.session.no_autoflush:
        invoice.issued_on = on
        content = snapshots.of(invoice, account, seller, book)
        invoice.issued_on = None
    return einvoices.objections(content)


def _tax_faults(invoice: Invoice, at: datetime, book: PriceBook) -> list[str]:
    """Return why the tax of a stored draft does not hold on the day of its issue, in words."""
    on = ist_date(at)
    supply = taxes.supply_to(invoice.account.customer, taxes.seller_of(invoice.registration), on=on)
    found = _no_exchange_rate(invoice, at, book)
    if taxes.is_outdated(invoice, supply, book.rates(on, supply.jurisdiction)):
        found.append("The tax is another one since this draft was made. Make it again.")
    return found


def _check_unbilled(invoice: Invoice) -> Moves:
    """Lock what the lines charge for and return it, if no other invoice has asked for it since the draft."""
    usage = [line for line in invoice.lines if line.metric_code is not None]
    fees = [line for line in invoice.lines if line.metric_code is None and line.component_id is not None]
    positions = usage_charges.lock_positions([_key(line) for line in usage])
    stale = [
        line for line in usage if positions[_key(line)].invoiced_amount != invoiced_before(line.breakdown)
    ]
    if fees:
        lock(Subscription, {line.subscription_id for line in fees})
        asked = fee_charges.invoiced(invoice.account_id)
        stale += [line for line in fees if asked.get(_key(line), NOTHING) != invoiced_before(line.breakdown)]
    if stale:
        raise Conflict(f"{stale[0].description}: another invoice has billed it since. Make the draft again.")
    return [(line, positions[_key(line)]) for line in usage]


def _key(line: InvoiceLine) -> Key:
    assert line.subscription_id
    assert line.component_id
    assert line.period_start
    return line.subscription_id, line.component_id, line.period_start


def _finish(ready: Sequence[Ready], *, at: datetime, actor: Actor, book: PriceBook) -> None:
    """Issue them all: what each needs of its account first, then the lines of all, and the numbers last."""
    for one in ready:
        _settle(one, at, actor)
    # The lines go first: the database refuses a change to the lines of a numbered invoice.
    db.session.flush()
    with db.session.no_autoflush:
        _number(ready, on=ist_date(at))
        for one in ready:
            _freeze(one, book)
    waiting = {one.invoice.id for one in ready if einvoices.begin(one.invoice, at=at, actor=actor)}
    outbox.promise_all(
        DOCUMENT,
        {
            str(one.invoice.id): {"invoice_id": str(one.invoice.id)}
            for one in ready
            if one.invoice.id not in waiting
        },
    )
    for one in ready:
        invoice = one.invoice
        audit.record(
            actor,
            "invoice.issued",
            invoice,
            summary=f"{invoice.number} was issued to {one.account.customer.name}",
            at=at,
            after={"number": invoice.number, "total": plain(invoice.total), "currency": invoice.currency},
        )


def _settle(one: Ready, at: datetime, actor: Actor) -> None:
    """Date an invoice, and take what it takes of contracts and wallet."""
    invoice, account = one.invoice, one.account
    invoice.issued_at = at
    invoice.issued_on = ist_date(at)
    agreed = invoice.due_on or invoice.issued_on + timedelta(days=account.payment_terms_days)
    invoice.due_on = max(agreed, invoice.issued_on)
    invoice.parked_reason = None
    claims.take(invoice)
    carrying.keep(invoice, at=at, actor=actor)
    _pay_from_wallet(invoice, account, one.moves, at, actor)
    for line, position in one.moves:
        position.invoiced_quantity += line.quantity
        position.invoiced_amount += line.amount


def _pay_from_wallet(invoice: Invoice, account: Account, moves: Moves, at: datetime, actor: Actor) -> None:
    """Note what the account's wallet has paid of the usage, and what of its tax was collected in advance;
    what the wallet owes is asked for by the invoice."""
    if account.billing_mode is not BillingMode.prepaid:
        return
    by_line = [(line, usage_charges.from_wallet(position, line.amount)) for line, position in moves]
    charged = sum((amount for _, amount in by_line), NOTHING)
    found = wallets.find_for(account)
    if charged <= 0 or found is None:
        return
    (wallet,) = lock(Wallet, [found.id])
    owed = min(wallet.receivable, charged)
    if owed:
        wallets.bill_receivable(wallet, owed, invoice, at=at, actor=actor)
    invoice.paid_from_wallet = charged - owed
    beyond = advances.adjust(invoice, account, by_line, owed)
    if beyond:
        reason, reference = advances.GIVEN_BACK, str(invoice.id)
        wallets.credit(wallet, beyond, at=at, actor=actor, reason=reason, reference=reference)
    invoice.paid_from_wallet -= beyond
    invoice.amount_paid = invoice.paid_from_wallet + invoice.advance_tax


def _number(ready: Sequence[Ready], *, on: date) -> None:
    """Give numbers, series by series: everybody locks several of them in this order."""
    by_series: defaultdict[tuple[UUID, InvoiceKind], list[Ready]] = defaultdict(list)
    for one in ready:
        by_series[one.seller.id, one.invoice.kind].append(one)
    for (_, kind), found in sorted(by_series.items(), key=itemgetter(0)):
        given = numbers.take_many(found[0].seller, kind, len(found), on=on)
        for one, number in zip(found, given, strict=True):
            one.invoice.number = number


def _freeze(one: Ready, book: PriceBook) -> None:
    """Give a numbered invoice its status and its immutable content."""
    invoice = one.invoice
    assert invoice.issued_on is not None
    assert invoice.due_on is not None
    status = InvoiceStatus(
        settlement(invoice.total, invoice.amount_paid, due_on=invoice.due_on, today=invoice.issued_on)
    )
    with refusals():
        invoice.status = InvoiceStatus(move("invoice", invoice.status, InvoiceStatus.issued))
        if status is not InvoiceStatus.issued:
            invoice.status = InvoiceStatus(move("invoice", InvoiceStatus.issued, status))
    invoice.snapshot = snapshots.of(invoice, one.account, one.seller, book)
    invoice.snapshot_sha256 = sha256(canonical_json(invoice.snapshot)).digest()
