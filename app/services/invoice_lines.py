"""The lines of an invoice: what is due, with its tax, its sums, and how each line explains itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from app.domain.errors import RuleBroken
from app.domain.invoicing import Line, TaxedLine, Totals, assess, line_amount
from app.domain.money import LARGEST_AMOUNT, parse_decimal, plain, quantize
from app.domain.tax import Supply, TaxPart
from app.models import InvoiceLine
from app.models.invoices import LineKind
from app.services import fee_charges, inputs, usage_charges
from app.services.charges import Debtor, Due, Extra
from app.services.components import read_sac
from app.services.inputs import refusals
from app.services.price_book import PriceBook
from app.services.taxes import Rates

NOTHING = Decimal(0)
MOST_LINES = 200
MANUAL_FIELDS = ("description", "quantity", "unit_price", "sac", "tax_inclusive")


@dataclass(frozen=True, slots=True)
class Assessed:
    """The lines of a document with its figures, and what a person should know before it is issued."""

    lines: list[InvoiceLine]
    totals: Totals
    problems: list[str]


def due(debtors: Sequence[Debtor], *, book: PriceBook) -> dict[UUID, list[Due]]:
    """Return everything that each account is to be billed for: fixed fees, then usage."""
    book.tariffs.load([one.account.id for one in debtors])
    usage = usage_charges.due(debtors, book=book)
    fees = fee_charges.due(debtors, book=book)
    return {account_id: [*fees[account_id], *usage[account_id]] for account_id in usage}


def read_manual(rows: Sequence[Mapping[str, Any]], currency: str) -> list[Line]:
    """Return the lines that a person wrote: `{"description", "quantity", "unit_price", "sac"?,
    "tax_inclusive"?}`, quantity above 0, price from 0 on.

    Raises:
        Invalid: with the field that cannot be used, such as `/lines/0/quantity`.
    """
    with refusals():
        if not isinstance(rows, list | tuple) or len(rows) > MOST_LINES:
            raise RuleBroken("/lines", "not_a_list", f"A list of at most {MOST_LINES} lines is needed.")
        return [_manual(row, f"/lines/{n}", currency) for n, row in enumerate(rows)]


def _manual(row: Any, at: str, currency: str) -> Line:
    if not isinstance(row, Mapping):
        raise RuleBroken(at, "not_an_object", "An object is needed here.")
    for name in row:
        if name not in MANUAL_FIELDS:
            known = f"There is no field {name!r}. Known: {', '.join(MANUAL_FIELDS)}."
            raise RuleBroken(f"{at}/{name}", "unknown_field", known)
    quantity, price = (_number(row, name, at) for name in ("quantity", "unit_price"))
    if not quantity:
        raise RuleBroken(f"{at}/quantity", "not_positive", "The quantity must be more than zero.")
    amount = line_amount(quantity, price, currency)
    if amount > LARGEST_AMOUNT:
        message = f"Quantity × unit price may be at most {plain(LARGEST_AMOUNT)}."
        raise RuleBroken(f"{at}/unit_price", "too_large", message)
    return Line(
        description=inputs.text()(row.get("description"), f"{at}/description"),
        amount=amount,
        tax_rate=NOTHING,
        sac=read_sac(row.get("sac"), f"{at}/sac"),
        tax_inclusive=inputs.yes_or_no(row.get("tax_inclusive", False), f"{at}/tax_inclusive"),
        quantity=quantity,
        unit_price=price,
    )


def _number(row: Mapping[str, Any], name: str, at: str) -> Decimal:
    if row.get(name) is None:
        raise RuleBroken(f"{at}/{name}", "required", f"{name} is needed.")
    return parse_decimal(row[name], pointer=f"{at}/{name}", minimum=NOTHING)


def make(
    dues: Sequence[Due],
    manual: Sequence[Line],
    extras: Sequence[Extra] = (),
    *,
    supply: Supply,
    rates: Rates,
    currency: str,
) -> Assessed:
    """Return the lines of a document with their taxes, and its sums: the dues first, then what a person
    wrote, then what contracts add and take off, before tax.

    A document that a wallet has paid in part is not rounded to the rupee, as wallets pay to the paisa.

    Raises:
        Conflict: no tax rate is entered for a service code.
    """
    from_wallet = sum((each.from_wallet for each in dues), NOTHING)
    stated = [
        Line(each.description, quantize(each.amount, currency), NOTHING, each.price.sac) for each in dues
    ]
    agreed = [Line(each.description, quantize(each.amount, currency), NOTHING, each.sac) for each in extras]
    charged = [with_rate(line, supply, rates) for line in (*stated, *manual, *agreed)]
    with refusals():
        totals = assess(charged, supply, currency, rounded=not from_wallet)
    sources = [*dues, *(None for _ in manual), *extras]
    lines = [
        _row(n, taxed, each, currency)
        for n, (taxed, each) in enumerate(zip(totals.lines, sources, strict=True), 1)
    ]
    problems = [each.problem for each in dues if each.problem]
    return Assessed(lines, totals, problems)


def taxes_json(parts: Sequence[TaxPart], currency: str) -> list[dict[str, str]]:
    """Return taxes as the API writes them: amounts with the currency's decimals, rates in percent."""
    return [
        {
            "code": part.code,
            "rate": plain(part.rate),
            "taxable": str(quantize(part.taxable, currency)),
            "amount": str(quantize(part.amount, currency)),
        }
        for part in parts
    ]


def with_rate(line: Line, supply: Supply, rates: Rates) -> Line:
    """Return a line with the tax rate of its service code.

    Raises:
        Conflict: no tax rate is entered for it.
    """
    rate = rates.of(line.sac) if supply.taxes else NOTHING
    return Line(
        line.description, line.amount, rate, line.sac, line.tax_inclusive, line.quantity, line.unit_price
    )


def _row(n: int, taxed: TaxedLine, source: Due | Extra | None, currency: str) -> InvoiceLine:
    line = taxed.line
    row = InvoiceLine(
        n=n,
        kind=LineKind.manual,
        description=line.description,
        sac=line.sac,
        quantity=line.quantity,
        unit_price=line.unit_price,
        amount=taxed.taxable,
        tax_rate=line.tax_rate,
        taxes=taxes_json(taxed.taxes, currency),
        breakdown=[],
    )
    if isinstance(source, Extra):
        row.kind, row.breakdown, row.source_id = source.kind, source.breakdown, source.source_id
        row.unit_price = line.amount
        row.subscription_id, row.plan_version_id = source.subscription_id, source.version_id
        if source.period is not None:
            row.period_start, row.period_end = source.period.start, source.period.end
    elif source is not None:
        row.kind = source.kind
        row.metric_code, row.unit = source.price.metric_code, source.price.unit
        row.quantity, row.unit_price = source.quantity, source.unit_price
        row.period_start, row.period_end = source.period.start, source.period.end
        row.subscription_id = source.subscription_id
        row.plan_version_id, row.component_id = source.price.version_id, source.price.component_id
        row.breakdown, row.events_hash = source.breakdown, source.events_hash
        row.source_id = source.price.override_id
    return row
