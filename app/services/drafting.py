"""From what is due to an invoice that is not yet stored: its lines, taxes and sums.

What accounts owe is read and locked for many of them at once (`gather`), and each is then drafted by itself.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from app.domain.invoicing import Line
from app.domain.numbering import ist_date
from app.domain.periods import Period
from app.domain.tax import SupplyKind
from app.models import Account, ChargePosition, Invoice, InvoiceLine
from app.models.invoices import InvoiceKind, InvoiceOrigin, InvoiceStatus
from app.services import carrying, commitments, invoice_checks, invoice_lines, reductions, taxes
from app.services.charges import Debtor, Due
from app.services.invoice_checks import History
from app.services.price_book import PriceBook
from app.services.taxes import Seller

Moves = list[tuple[InvoiceLine, ChargePosition]]


@dataclass(frozen=True, slots=True)
class Draft:
    """An invoice with its lines, not yet in the session; the positions that its lines charge, locked; and why
    a person should look at it first.
    """

    invoice: Invoice
    account: Account
    period: Period
    seller: Seller
    moves: Moves
    before: History
    problems: list[str]


@dataclass(frozen=True, slots=True)
class Owed:
    """What an account owes by the end of a period, its positions and subscriptions with fees locked.
    `agreed`: a contract may add to it or take off it."""

    account: Account
    period: Period
    before: History
    dues: list[Due]
    agreed: bool


def gather(wanted: Sequence[tuple[Account, Period]], *, book: PriceBook) -> list[Owed]:
    """Return what each account owes by the end of its period, in a number of statements that does not grow
    with theirs."""
    if not wanted:
        return []
    before = invoice_checks.histories([account for account, _ in wanted])
    debtors = [Debtor(one, period.end, before[one.id].billed_until) for one, period in wanted]
    dues = invoice_lines.due(debtors, book=book)
    agreed = reductions.with_contract(dues.keys())
    return [Owed(one, period, before[one.id], dues[one.id], one.id in agreed) for one, period in wanted]


def assemble(
    account: Account,
    period: Period,
    *,
    at: datetime,
    lines: Sequence[Mapping[str, Any]] = (),
    origin: InvoiceOrigin,
    purchase_order: str | None = None,
    book: PriceBook,
) -> Draft | None:
    """Return the draft of everything an account is to be billed for by the end of `period`, dated `at`, with
    the `lines` of a person; None where nothing was used and nothing is owed.

    Raises:
        Conflict: no registration of the seller or no tax rate is entered.
        Invalid: a line that cannot be used; a State that does not exist.
    """
    manual = invoice_lines.read_manual(lines, account.currency)
    (owed,) = gather([(account, period)], book=book)
    return make(owed, manual, at=at, origin=origin, purchase_order=purchase_order, book=book)


def make(
    owed: Owed,
    manual: Sequence[Line] = (),
    *,
    at: datetime,
    origin: InvoiceOrigin,
    purchase_order: str | None = None,
    book: PriceBook,
) -> Draft | None:
    """Return the draft of what an account owes and of the lines of a person, dated `at`; None where nothing
    was used and nothing is owed.

    Raises:
        Conflict: no registration of the seller or no tax rate is entered.
        Invalid: a State that does not exist.
    """
    account, period, dues, agreed = owed.account, owed.period, owed.dues, owed.agreed
    true_ups = commitments.due(account, period.end, dues, book=book) if agreed else []
    if not dues and not manual and not true_ups:
        return None
    on = ist_date(at)
    seller = book.seller(on, account)
    supply = taxes.supply_to(account.customer, seller, on=on)
    rates = book.rates(on, supply.jurisdiction)
    off = []
    if agreed:
        off = reductions.due(account, period, dues, true_ups, manual, supply=supply, rates=rates, book=book)
    made = carrying.make(account, dues, manual, [*true_ups, *off], supply=supply, rates=rates)
    export = supply.kind is SupplyKind.export
    invoice = Invoice(
        account_id=account.id,
        customer_id=account.customer_id,
        registration_id=seller.id,
        kind=InvoiceKind.export_invoice if export else InvoiceKind.tax_invoice,
        origin=origin,
        status=InvoiceStatus.draft,
        currency=account.currency,
        period_start=period.start,
        period_end=period.end,
        place_of_supply=supply.place,
        reverse_charge=bool(supply.borne),
        purchase_order=purchase_order or account.settings.get("purchase_order"),
        subtotal=made.totals.subtotal,
        tax_total=made.totals.tax_total,
        round_off=made.totals.round_off,
        total=made.totals.total,
        paid_from_wallet=Decimal(0),
        advance_tax=Decimal(0),
        amount_paid=Decimal(0),
        taxes=invoice_lines.taxes_json(made.totals.taxes, account.currency),
        lines=made.lines,
    )
    pairs = zip(made.lines, dues, strict=False)
    moves = [(line, each.position) for line, each in pairs if each.position is not None]
    return Draft(invoice, account, period, seller, moves, owed.before, made.problems)
