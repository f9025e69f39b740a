"""What a line of an invoice says of itself: one sentence, and the facts beside it, by its kind."""

from collections.abc import Callable, Mapping
from decimal import Decimal

from app.db import db
from app.domain.groups import NO_USAGE
from app.domain.invoicing import line_amount
from app.domain.periods import ONE_DAY, Period, local_date, period_containing
from app.domain.proration import share, split
from app.formatting import (
    format_date,
    format_money,
    format_percent,
    format_quantity,
    format_unit_price,
    locale_of,
)
from app.models import (
    AccountCredit,
    Commitment,
    CouponRedemption,
    Discount,
    InvoiceLine,
    TermsOverride,
)
from app.models.invoices import InvoiceKind, LineKind
from app.services.charges import INVOICED, invoiced_before
from app.services.fee_charges import covered_days
from app.services.price_book import Price, PriceBook
from app.services.rating import Coverage

Fact = tuple[str, str]
NOTHING = Decimal(0)
SOURCES = {
    LineKind.commitment: Commitment,
    LineKind.discount: Discount,
    LineKind.coupon: CouponRedemption,
    LineKind.credit: AccountCredit,
}


def counts(line: InvoiceLine) -> bool:
    """Tell whether a line charges usage, so that there are events behind it."""
    return line.metric_code is not None and line.component_id is not None


def says(line: InvoiceLine) -> str:
    """Return in one sentence why the amount is what it is."""
    if line.invoice.kind is InvoiceKind.credit_note:
        original = line.invoice.original
        return f"Gives back what {original} asked for, with its tax." if original else "Gives back a charge."
    return SENTENCES[line.kind](line)


def facts(line: InvoiceLine) -> list[Fact]:
    """Return what stands behind the line besides its steps, as labels and texts: plan, days, terms, tax."""
    found: list[Fact] = []
    if line.version is not None:
        found.append(("Plan version", line.version.label))
    if line.component is not None:
        found.append(("Price", f"{line.component.name} ({line.component.code})"))
    if line.period_start is not None and line.period_end is not None:
        period = _period(line)
        found.append(("Period", f"{format_date(period.start_on)} to {format_date(period.last_on)}"))
    found += _agreed(line)
    if line.component is not None and not counts(line):
        found += _proration(line)
    return [*found, *_taxes(line)]


def _usage(line: InvoiceLine) -> str:
    used = _used(line)
    return f"{used} in the period, priced as a whole: {_money(line, line.amount)}."


def _fixed(line: InvoiceLine) -> str:
    return (
        f"A fixed fee for the days of the period that the subscription covers: {_money(line, line.amount)}."
    )


def _adjustment(line: InvoiceLine) -> str:
    before = invoiced_before(line.breakdown)
    whole = sum((Decimal(row["amount"]) for row in line.breakdown if row["kind"] != INVOICED), NOTHING)
    what = "All usage of the period" if counts(line) else "The whole fee of the period"
    return (
        f"{what} comes to {_money(line, whole)}; earlier invoices asked for {_money(line, before)}. "
        f"The difference is {_money(line, line.amount)}."
    )


def _manual(line: InvoiceLine) -> str:
    each = format_unit_price(line.unit_price or NOTHING, line.invoice.currency)
    told = f"Written by hand: {_quantity(line)} × {each}"
    whole = line_amount(line.quantity, line.unit_price or NOTHING, line.invoice.currency)
    if whole == line.amount:
        return f"{told} = {_money(line, line.amount)}."
    return f"{told} = {_money(line, whole)} with tax, which is {_money(line, line.amount)} before tax."


def _true_up(line: InvoiceLine) -> str:
    return f"Brings the charges of the period to the agreed minimum: {_money(line, line.amount)}."


def _off(line: InvoiceLine) -> str:
    return f"Taken off before tax, as agreed: {_money(line, line.amount)}."


def _carried(line: InvoiceLine) -> str:
    return (
        f"This invoice gives back more than it charges. {_money(line, line.amount)} is kept for later "
        "instead of a total below zero."
    )


SENTENCES: dict[LineKind, Callable[[InvoiceLine], str]] = {
    LineKind.usage: _usage,
    LineKind.fixed: _fixed,
    LineKind.adjustment: _adjustment,
    LineKind.manual: _manual,
    LineKind.carried: _carried,
    LineKind.commitment: _true_up,
    LineKind.discount: _off,
    LineKind.coupon: _off,
    LineKind.credit: _off,
}


def _agreed(line: InvoiceLine) -> list[Fact]:
    """Return the part of a contract that the line goes by."""
    if line.source_id is None:
        return []
    row = db.session.get(SOURCES.get(line.kind, TermsOverride), line.source_id)
    if row is None:
        return []
    return [("Agreed", "own terms of this customer" if isinstance(row, TermsOverride) else str(row))]


def _proration(line: InvoiceLine) -> list[Fact]:
    """Return the days that a fee is for, as an exact fraction of the whole period, and what that comes to."""
    found = _fee(line)
    if found is None:
        return []
    coverage, price, period = found
    full = price.charge(NO_USAGE).amount
    first, after = covered_days(coverage, period)
    part = share(period, first, after)
    told: list[Fact] = [("Price of a whole period", _money(line, full))]
    if not price.prorated:
        return [*told, ("Days", "not prorated: charged whole, once a period")]
    days = f"{(after - first).days} of {period.days} days"
    if part:
        days += f", {format_date(first)} to {format_date(after - ONE_DAY)}"
    _, amount = split(full, (share(period, period.start_on, first), part), price.currency)
    sum_told = f"{_money(line, full)} × {(after - first).days}/{period.days} = {_money(line, amount)}"
    asked = sum((Decimal(row["amount"]) for row in line.breakdown if row["kind"] != INVOICED), NOTHING)
    if asked != amount:
        sum_told += (
            f"; when this was billed it was {_money(line, asked)}, and a later invoice has the difference"
        )
    return [*told, ("Days", days), ("Fraction of the period", sum_told)]


def _fee(line: InvoiceLine) -> tuple[Coverage, Price, Period] | None:
    book = PriceBook()
    book.tariffs.load([line.invoice.account_id])
    coverages = book.tariffs.coverages(line.invoice.account_id)
    coverage = next((each for each in coverages if each.subscription_id == line.subscription_id), None)
    if coverage is None or line.component_id is None or line.period_start is None:
        return None
    price = book.price_in(coverage, line.component_id, line.period_start)
    return coverage, price, period_containing(line.period_start, coverage.cycle)


def _taxes(line: InvoiceLine) -> list[Fact]:
    if not line.taxes:
        return [("Tax", "none")]
    return [(tax["code"], _tax(line, tax)) for tax in line.taxes]


def _tax(line: InvoiceLine, tax: Mapping[str, str]) -> str:
    taxable, amount = _money(line, tax["taxable"]), _money(line, tax["amount"])
    return f"{format_percent(tax['rate'])} of {taxable} = {amount}"


def _period(line: InvoiceLine) -> Period:
    assert line.period_start is not None
    assert line.period_end is not None
    zone = line.invoice.account.timezone
    first, after = local_date(line.period_start, zone), local_date(line.period_end, zone)
    return Period(line.period_start, line.period_end, first, after)


def _used(line: InvoiceLine) -> str:
    unit = line.unit or "unit"
    return f"{_quantity(line)} {unit if line.quantity == 1 else unit + 's'}"


def _quantity(line: InvoiceLine) -> str:
    return format_quantity(line.quantity, locale_of(line.invoice.currency))


def _money(line: InvoiceLine, amount: Decimal | str) -> str:
    return format_money(amount, line.invoice.currency)
