"""Which tax a supply bears and how much (docs/ops/tax.md). Rates are the caller's data, in percent:
18 is 18 %."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum

from app.domain.errors import RuleBroken
from app.domain.gstin import state_of
from app.domain.money import EXACT, ROUNDING, payable_quantum, plain, quantize
from app.domain.places import (
    INDIA,
    OTHER_COUNTRY,
    UNION_TERRITORIES_WITHOUT_LEGISLATURE,
    check_state,
    place_name,
)

HUNDRED = Decimal(100)
RUPEE = Decimal(1)
REVERSE = "Tax is payable by the recipient on reverse charge"
UNDER_LUT = "under letter of undertaking without payment of integrated tax"
ON_PAYMENT = "on payment of integrated tax"


class SupplyKind(StrEnum):
    """How the law sees a supply."""

    intra_state = "intra_state"
    inter_state = "inter_state"
    sez = "sez"
    export = "export"


@dataclass(frozen=True, slots=True)
class Supply:
    """Where a supply takes place and which taxes it bears.

    `place` is a GST State code, 96 for abroad; `taxes` pairs each tax code with the number by which the rate
    is divided for it (CGST and SGST: 2), and is empty where nothing is charged; `endorsement` is the sentence
    that the document carries: Rule 46 asks for one on a zero-rated invoice. `borne` are the taxes that the
    recipient pays itself (reverse charge), in no total; `exempt` tells that none is due at all; the rates are
    those of `jurisdiction`, a country.
    """

    kind: SupplyKind
    place: str
    taxes: tuple[tuple[str, int], ...]
    endorsement: str | None = None
    borne: tuple[tuple[str, int], ...] = ()
    exempt: bool = False
    jurisdiction: str = INDIA

    @property
    def place_name(self) -> str:
        """`29-Karnataka`, as the document shows it."""
        return place_name(self.place)

    @property
    def as_borne(self) -> "Supply":
        """The same supply as if the taxes that the recipient pays were charged, to work them out."""
        return replace(self, taxes=self.borne, borne=())


@dataclass(frozen=True, slots=True)
class Abroad:
    """Another country's tax that the seller collects: `PPN`, by the rates of `ID`."""

    country: str
    code: str


@dataclass(frozen=True, slots=True)
class TaxPart:
    """One tax on one taxable value: `CGST`, 9 (percent), 1000.00, 90.00."""

    code: str
    rate: Decimal
    taxable: Decimal
    amount: Decimal


def place_of_supply(
    *,
    seller_state: str,
    country: str,
    state_code: str | None,
    gstin: str | None = None,
    sez: bool = False,
    lut: bool = False,
    reverse_charge: bool = False,
    exempt: str | None = None,
    abroad: Abroad | None = None,
    pointer: str = "/billing_address/state_code",
) -> Supply:
    """Return the supply that a service to this recipient is (IGST Act s.12, s.13, s.16; CGST Rule 46).

    A registered recipient is where its GSTIN says, another where its address says. `lut` tells whether a
    letter of undertaking is on file for the financial year: then exports and supplies to a Special Economic
    Zone bear no tax, else IGST. `reverse_charge` leaves the tax to a recipient in India (CGST Act s.9(3)),
    `exempt` names the notification by which none is due (s.11); `abroad` is the tax of the recipient's
    country, where the seller collects it.

    Raises:
        RuleBroken: an Indian recipient whose State is unknown (at `pointer`), or an unknown seller's State;
            an export that would bear the taxes of two countries.
    """
    check_state(seller_state, pointer="/seller_state")
    if country != INDIA:
        export = _zero_rated(SupplyKind.export, OTHER_COUNTRY, lut, "Supply meant for export")
        return export if abroad is None else _collected(export, abroad)
    place = check_state(state_of(gstin) if gstin else state_code, pointer=pointer)
    if sez:
        what = "Supply to SEZ unit or SEZ developer for authorised operations"
        return _zero_rated(SupplyKind.sez, place, lut, what)
    if place != seller_state:
        supply = Supply(SupplyKind.inter_state, place, (("IGST", 1),))
    else:
        second = "UTGST" if place in UNION_TERRITORIES_WITHOUT_LEGISLATURE else "SGST"
        supply = Supply(SupplyKind.intra_state, place, (("CGST", 2), (second, 2)))
    if exempt:
        return replace(supply, taxes=(), endorsement=f"Exempt from tax: {exempt}", exempt=True)
    if reverse_charge:
        return replace(supply, taxes=(), endorsement=REVERSE, borne=supply.taxes)
    return supply


def _zero_rated(kind: SupplyKind, place: str, lut: bool, what: str) -> Supply:
    if lut:
        return Supply(kind, place, (), f"{what} {UNDER_LUT}")
    return Supply(kind, place, (("IGST", 1),), f"{what} {ON_PAYMENT}")


def _collected(export: Supply, abroad: Abroad) -> Supply:
    if export.taxes:
        raise RuleBroken(
            "/country",
            "two_taxes",
            f"{abroad.code} is collected in {abroad.country}, and without a letter of undertaking India asks "
            "for integrated tax as well: enter the letter of this financial year.",
        )
    return replace(export, taxes=((abroad.code, 1),), jurisdiction=abroad.country)


def split_tax(taxable: Decimal, rate: Decimal, supply: Supply, currency: str) -> tuple[TaxPart, ...]:
    """Return the taxes on one taxable value, each rounded by itself half up; none for a rate of 0.

    Raises:
        RuleBroken: a negative rate, or an unknown currency.
    """
    return tax_lines([(taxable, rate)], supply, currency)[0]


def tax_lines(
    lines: Sequence[tuple[Decimal, Decimal]], supply: Supply, currency: str
) -> tuple[tuple[TaxPart, ...], ...]:
    """Return the taxes of each (taxable value, rate) line of a document.

    Each tax is rounded once for all lines of the same rate, and a line gets what its part moves that rounded
    total. So the lines of a document add up to the tax on their sum, and none is a minor unit or more away
    from its own exact tax.

    Raises:
        RuleBroken: a negative rate, or an unknown currency.
    """
    running: defaultdict[tuple[str, Decimal], Decimal] = defaultdict(Decimal)
    taken: defaultdict[tuple[str, Decimal], Decimal] = defaultdict(Decimal)
    answer = []
    for taxable, rate in lines:
        parts = []
        for code, part_rate in _rates(rate, supply):
            key = (code, part_rate)
            running[key] = EXACT.add(running[key], taxable)
            until = quantize(_percent(running[key], part_rate), currency)
            parts.append(TaxPart(code, part_rate, taxable, EXACT.subtract(until, taken[key])))
            taken[key] = until
        answer.append(tuple(parts))
    return tuple(answer)


def split_inclusive(
    amount: Decimal, rate: Decimal, supply: Supply, currency: str
) -> tuple[Decimal, tuple[TaxPart, ...]]:
    """Return the taxable value and the taxes inside an amount that includes them (CGST Rule 35).

    Each tax is amount × its rate / (100 + whole rate), rounded by itself; the taxable value is the rest, so
    the parts add up to the amount received: ₹1,180 at 18 % is 1,000 and 90 + 90.

    Raises:
        RuleBroken: a negative rate, or an unknown currency.
    """
    rates = _rates(rate, supply)
    divisor = HUNDRED + sum((part_rate for _, part_rate in rates), Decimal(0))
    amounts = [
        quantize(ROUNDING.divide(EXACT.multiply(amount, part_rate), divisor), currency)
        for _, part_rate in rates
    ]
    taxable = quantize(amount - sum(amounts, Decimal(0)), currency)
    parts = zip(rates, amounts, strict=True)
    return taxable, tuple(TaxPart(code, part_rate, taxable, tax) for (code, part_rate), tax in parts)


def tax_totals(lines: Iterable[Sequence[TaxPart]]) -> tuple[TaxPart, ...]:
    """Return one part per (code, rate), in the order of code and rate, as a document's tax summary."""
    sums: dict[tuple[str, Decimal], tuple[Decimal, Decimal]] = {}
    for part in (part for parts in lines for part in parts):
        taxable, amount = sums.get((part.code, part.rate), (Decimal(0), Decimal(0)))
        sums[part.code, part.rate] = (EXACT.add(taxable, part.taxable), EXACT.add(amount, part.amount))
    return tuple(TaxPart(code, rate, *sums[code, rate]) for code, rate in sorted(sums))


def round_off(total: Decimal, currency: str) -> Decimal:
    """Return what must be added so that the payable total is whole: to the rupee, 50 paise and above up (CGST
    Act s.170).

    Rupiah are paid whole too; other currencies are payable as they are, and nothing is added.
    """
    quantum = RUPEE if currency == "INR" else payable_quantum(currency)
    whole = total.quantize(quantum, ROUND_HALF_UP, ROUNDING)
    return quantize(EXACT.subtract(whole, total), currency)


def _rates(rate: Decimal, supply: Supply) -> list[tuple[str, Decimal]]:
    if rate < 0:
        raise RuleBroken("/rate", "negative", "A tax rate may not be negative.")
    return [
        (code, Decimal(plain(EXACT.divide(rate, Decimal(parts))))) for code, parts in supply.taxes if rate
    ]


def _percent(value: Decimal, rate: Decimal) -> Decimal:
    return EXACT.multiply(value, rate).scaleb(-2, EXACT)
