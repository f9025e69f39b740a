"""From what is due to an invoice that is not yet stored: its lines, taxes and sums."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from app.domain.numbering import ist_date
from app.domain.periods import Period
from app.domain.tax import SupplyKind
from app.models import Account, ChargePosition, Invoice, InvoiceLine
from app.models.invoices import InvoiceKind, InvoiceOrigin, InvoiceStatus
from app.services import carrying, commitments, invoice_checks, invoice_lines, reductions, taxes
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
    seller: Seller
    moves: Moves
    before: History
    problems: list[str]


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
    before = invoice_checks.history(account.id, account.currency)
    dues = invoice_lines.due(account, period.end, billed_until=before.billed_until, book=book)
    agreed = reductions.has_contract(account.id)
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
    return Draft(invoice, account, seller, moves, before, made.problems)
