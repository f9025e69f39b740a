"""What a payer may keep of a bill: its rate of the taxable value without GST (CBDT circular 23/2017)."""

from decimal import Decimal

import pytest

from app.domain.errors import RuleBroken
from app.domain.tds import SECTIONS, Law, check_kept, find_section, most


@pytest.mark.parametrize(
    ("section", "taxable", "kept"),
    [
        ("194C", "1000", "20.00"),
        ("194J-2", "1000", "20.00"),
        ("194J", "1000", "100.00"),
        ("51", "1000", "20.00"),
        ("194C", "333.25", "6.67"),
    ],
)
def test_the_most_is_the_rate_of_the_taxable_value(section: str, taxable: str, kept: str) -> None:
    assert most(Decimal(taxable), SECTIONS[section], "INR") == Decimal(kept)


def test_a_section_belongs_to_one_law() -> None:
    assert find_section("194J", Law.income_tax).rate == 10
    for name, law in (("51", Law.income_tax), ("194J", Law.gst), ("195", Law.income_tax)):
        with pytest.raises(RuleBroken) as refused:
            find_section(name, law)
        assert (refused.value.pointer, refused.value.code) == ("/tds_section", "unknown_choice")


def test_what_was_kept_before_counts() -> None:
    section, taxable = SECTIONS["194C"], Decimal("1000.00")
    check_kept(Decimal("5.00"), Decimal("15.00"), taxable, section, "INR", pointer="/tds_amount")
    with pytest.raises(
        RuleBroken, match=r"At most 5 INR may be kept: 2 % of the taxable value of 1000, less 15"
    ):
        check_kept(Decimal("5.01"), Decimal("15.00"), taxable, section, "INR", pointer="/tds_amount")
