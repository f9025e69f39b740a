"""Tax deducted at source: what a payer may keep of a bill for the government, which is paid all the same.

Income tax is kept of the taxable value without GST (CBDT circular 23/2017); government buyers keep GST at 2 %
in all: 1 % CGST and 1 % SGST, or 2 % IGST (CGST Act s.51).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from app.domain.errors import RuleBroken
from app.domain.money import EXACT, plain, quantize


class Law(StrEnum):
    """Which tax is kept."""

    income_tax = "income_tax"
    gst = "gst"


@dataclass(frozen=True, slots=True)
class Section:
    """A section of the law: which tax, how much of the taxable value in percent, and what it is about."""

    law: Law
    rate: Decimal
    title: str


SECTIONS: Mapping[str, Section] = {
    "194C": Section(Law.income_tax, Decimal(2), "Contracts"),
    "194J-2": Section(Law.income_tax, Decimal(2), "Technical services"),
    "194J": Section(Law.income_tax, Decimal(10), "Professional services"),
    "51": Section(Law.gst, Decimal(2), "GST kept by government buyers"),
}
"""By the name that `tds_section` carries; the finance owner confirms the rates (docs/api/advances.md)."""


def find_section(name: str, law: Law, *, pointer: str = "/tds_section") -> Section:
    """Return the section of this name, of one law.

    Raises:
        RuleBroken: there is none.
    """
    choices = {known: section for known, section in SECTIONS.items() if section.law is law}
    if name not in choices:
        raise RuleBroken(pointer, "unknown_choice", f"Choose one of: {', '.join(choices)}.")
    return choices[name]


def most(taxable: Decimal, section: Section, currency: str) -> Decimal:
    """Return how much may be kept of a taxable value: 2 % of ₹1,000 is ₹20, whatever the GST on it."""
    return quantize(EXACT.multiply(taxable, section.rate).scaleb(-2, EXACT), currency)


def check_kept(
    kept: Decimal, before: Decimal, taxable: Decimal, section: Section, currency: str, *, pointer: str
) -> None:
    """Return if `kept` is within what the section allows of a bill of which `before` was kept earlier.

    Raises:
        RuleBroken: it is more.
    """
    allowed = most(taxable, section, currency) - before
    if kept > allowed:
        message = (
            f"At most {plain(allowed)} {currency} may be kept: {plain(section.rate)} % of the taxable value "
            f"of {plain(taxable)}" + (f", less {plain(before)} kept before." if before else ".")
        )
        raise RuleBroken(pointer, "too_large", message)
