"""Parts of an invoice taken back: in proportion, never above it, the last part the exact rest."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from random import Random

import pytest

from app.domain.crediting import (
    Charged,
    Credited,
    credit_amount,
    credit_line,
    credit_rest,
    is_exhausted,
    last_day_of_tax,
)
from app.domain.errors import RuleBroken
from app.domain.tax import TaxPart


def charged(n: int, taxable: str, *taxes: tuple[str, str]) -> Charged:
    amount = Decimal(taxable)
    return Charged(n, amount, tuple(TaxPart(code, Decimal(9), amount, Decimal(tax)) for code, tax in taxes))


def after(line: Charged, part: Credited) -> Charged:
    before = line.credited_taxes or {}
    taxes = {tax.code: before.get(tax.code, Decimal(0)) + tax.amount for tax in part.taxes}
    return replace(line, credited=line.credited + part.taxable, credited_taxes={**before, **taxes})


@pytest.mark.parametrize(
    ("supplied", "last"),
    [
        (date(2026, 4, 1), date(2027, 11, 30)),
        (date(2027, 3, 31), date(2027, 11, 30)),
        (date(2027, 4, 1), date(2028, 11, 30)),
    ],
)
def test_tax_is_taken_back_until_30_november_after_the_year_of_the_supply(supplied: date, last: date) -> None:
    """CGST Act s.34(2)."""
    assert last_day_of_tax(supplied) == last


def test_a_part_of_a_line_bears_its_taxes_in_proportion() -> None:
    part = credit_line(charged(1, "1000", ("CGST", "90"), ("SGST", "90")), Decimal(250), "INR")
    assert (part.taxable, [tax.amount for tax in part.taxes]) == (250, [Decimal("22.50"), Decimal("22.50")])
    assert part.amount == 295


def test_thirds_of_a_line_add_up_to_its_taxes() -> None:
    line, got = charged(1, "100.01", ("IGST", "18.00")), []
    for taxable in ("33.33", "33.34", "33.34"):
        part = credit_line(line, Decimal(taxable), "INR")
        line = after(line, part)
        got.append(part.taxes[0].amount)
    assert (got, line.left_with_tax) == ([Decimal("6.00"), Decimal("6.00"), Decimal("6.00")], 0)


@pytest.mark.parametrize("taxable", ["0", "-1", "1000.01"])
def test_no_more_than_is_left_of_a_line_and_never_nothing(taxable: str) -> None:
    with pytest.raises(RuleBroken, match="1000 is left of line 1"):
        credit_line(charged(1, "1000"), Decimal(taxable), "INR")


def test_without_tax_only_the_taxable_value_goes_back() -> None:
    line = charged(1, "1000", ("IGST", "180"))
    assert credit_line(line, Decimal(1000), "INR", tax=False) == Credited(1, Decimal(1000), ())
    assert credit_rest([line], tax=False) == [Credited(1, Decimal(1000), ())]
    with pytest.raises(RuleBroken, match="At most 1000 INR"):
        credit_amount([line], Decimal("1000.01"), "INR", tax=False)


def test_an_amount_spreads_over_lines_and_their_taxes_and_adds_up() -> None:
    lines = [charged(1, "1000", ("IGST", "180")), charged(2, "-100", ("IGST", "-18")), charged(3, "0")]
    parts = credit_amount(lines, Decimal(100), "INR")
    assert [(part.n, part.amount) for part in parts] == [(1, Decimal("111.11")), (2, Decimal("-11.11"))]
    assert sum(part.amount for part in parts) == 100


@pytest.mark.parametrize("seed", range(40))
def test_any_parts_add_up_to_the_whole_and_none_is_above_it(seed: int) -> None:
    """Amounts and lines in any order: in the end exactly nothing is left of any value or tax."""
    chance = Random(seed)
    lines = [
        charged(n, f"{chance.randint(1, 99999)}.{chance.randint(0, 99):02d}", ("CGST", tax), ("SGST", tax))
        for n in range(1, 5)
        for tax in [f"{chance.randint(0, 9999)}.{chance.randint(0, 99):02d}"]
    ]
    whole = sum(line.left_with_tax for line in lines)
    taken = Decimal(0)
    for _ in range(12):
        left = sum(line.left_with_tax for line in lines)
        amount = Decimal(chance.randint(1, int(left * 100))) / 100
        parts = credit_amount(lines, amount, "INR")
        assert sum(part.amount for part in parts) == amount
        by_n = {part.n: part for part in parts}
        lines = [after(line, by_n[line.n]) if line.n in by_n else line for line in lines]
        assert all(line.left >= 0 and line.tax_left(tax) >= 0 for line in lines for tax in line.taxes)
        taken += amount
        if taken == whole:
            break
    rest = credit_rest(lines)
    assert taken + sum(part.amount for part in rest) == whole
    assert is_exhausted(lines, rest)
