"""What a caller wants a credit note to take back: lines by quantity or amount, an amount, or all the rest."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from app.domain.crediting import Charged, Credited, credit_amount, credit_line, credit_rest, is_exhausted
from app.domain.errors import RuleBroken
from app.domain.money import parse_amount, parse_decimal, plain, quantize
from app.models import Invoice, InvoiceLine

NOTHING = Decimal(0)
LINE_FIELDS = ("n", "quantity", "amount")


def read(
    invoice: Invoice,
    rows: list[Charged],
    lines: Sequence[Mapping[str, Any]] | None,
    amount: object,
    tax: bool,
) -> tuple[list[Credited], bool]:
    """Return what a note takes back of each line, and whether nothing is left then; without lines and amount
    it takes back all that is left.

    Raises:
        RuleBroken: with the field that cannot be used, such as `/lines/0/quantity`.
    """
    left = invoice.total - invoice.amount_credited
    if lines is not None:
        parts = _read_lines(lines, invoice, rows, tax)
    elif amount is None:
        return credit_rest(rows, tax=tax), True
    else:
        wanted = parse_amount(amount, invoice.currency, pointer="/amount")
        if wanted > left:
            message = f"{plain(left)} {invoice.currency} is left of {invoice}."
            raise RuleBroken("/amount", "too_large", message)
        if tax and wanted == left:
            return credit_rest(rows), True
        parts = credit_amount(rows, wanted, invoice.currency, tax=tax)
    return parts, is_exhausted(rows, parts, tax=tax)


def _read_lines(
    lines: Sequence[Mapping[str, Any]], invoice: Invoice, rows: list[Charged], tax: bool
) -> list[Credited]:
    """Return what a caller's lines take back; `{"n": 1, "quantity": "10"}` or `{"n": 1, "amount": "100"}`."""
    if not isinstance(lines, list | tuple) or not lines:
        raise RuleBroken("/lines", "required", "Name at least one line.")
    by_n = {row.n: row for row in rows}
    own = {line.n: line for line in invoice.lines}
    found: dict[int, Credited] = {}
    for i, given in enumerate(lines):
        at = f"/lines/{i}"
        n = given.get("n") if isinstance(given, Mapping) else None
        if not isinstance(n, int) or n not in by_n or n in found or not set(given) <= set(LINE_FIELDS):
            message = f"Name a line of the invoice once, by n, with {' or '.join(LINE_FIELDS[1:])}."
            raise RuleBroken(at, "invalid", message)
        try:
            taxable = _taxable(given, own[n], invoice.currency, at)
            found[n] = credit_line(by_n[n], taxable, invoice.currency, tax=tax)
        except RuleBroken as broken:
            pointer = broken.pointer if broken.pointer.startswith(at) else f"{at}{broken.pointer}"
            raise RuleBroken(pointer, broken.code, broken.message) from None
    return [found[n] for n in sorted(found)]


def _taxable(given: Mapping[str, Any], line: InvoiceLine, currency: str, at: str) -> Decimal:
    if ("quantity" in given) == ("amount" in given):
        raise RuleBroken(at, "required", "Give either a quantity or an amount.")
    if "amount" in given:
        return parse_amount(given["amount"], currency, pointer=f"{at}/amount")
    quantity = parse_decimal(given["quantity"], pointer=f"{at}/quantity", minimum=NOTHING)
    if not NOTHING < quantity <= line.quantity:
        message = f"Between nothing and {plain(line.quantity)} was charged."
        raise RuleBroken(f"{at}/quantity", "too_large", message)
    return quantize(line.amount * quantity / line.quantity, currency)
