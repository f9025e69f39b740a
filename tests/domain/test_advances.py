"""What is taken of an advance carries its share of the tax, and all of it in the end."""

from decimal import Decimal
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from app.domain.advances import Advance, take, taken_in_all
from app.domain.tax import TaxPart

PAISE = st.integers(1, 10**9).map(lambda paise: Decimal(paise).scaleb(-2))


def advance(n: int, taxable: str, *taxes: str, taken: str = "0") -> Advance:
    parts = tuple(
        TaxPart(code, Decimal(9), Decimal(taxable), Decimal(tax))
        for code, tax in zip(("CGST", "SGST"), taxes, strict=False)
    )
    return Advance(UUID(int=n), Decimal(taxable), parts, Decimal(taken), "INR")


def test_250_of_an_advance_of_1180_carries_45_of_tax() -> None:
    (taking,) = take([advance(1, "1000", "90", "90")], Decimal(250))
    assert (taking.taxable, [part.amount for part in taking.taxes], taking.tax) == (
        250,
        [Decimal("22.50"), Decimal("22.50")],
        45,
    )


def test_the_first_is_used_up_before_the_second() -> None:
    takings = take([advance(1, "100", "9", "9", taken="40"), advance(2, "100", "9", "9")], Decimal(100))
    assert [(taking.id.int, taking.taxable, taking.tax) for taking in takings] == [
        (1, 60, Decimal("10.80")),
        (2, 40, Decimal("7.20")),
    ]


def test_more_than_there_is_takes_all_and_nothing_takes_nothing() -> None:
    found = [advance(1, "100", "9", "9"), advance(2, "50", taken="50")]
    assert taken_in_all(take(found, Decimal(500))) == (100, 18)
    assert take(found, Decimal(0)) == take(found, Decimal(-5)) == take([], Decimal(5)) == []


@given(whole=PAISE, tax=PAISE, steps=st.lists(PAISE, max_size=12))
def test_the_shares_add_up_to_the_tax_whatever_the_steps(
    whole: Decimal, tax: Decimal, steps: list[Decimal]
) -> None:
    taken, shares = Decimal(0), Decimal(0)
    for step in [*steps, whole]:
        state = advance(1, str(whole), str(tax), taken=str(taken))
        taxable, share = taken_in_all(take([state], step))
        assert share >= 0
        taken, shares = taken + taxable, shares + share
    assert (taken, shares) == (whole, tax)
