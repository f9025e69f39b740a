"""The items of an e-invoice: the lines of a document as the portal counts them (schema INV-01, ItemList)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from app.domain.errors import RuleBroken
from app.domain.money import EXACT, ROUNDING, quantize

NOTHING = Decimal("0.00")
RUPEES = "INR"
# How the portal names each tax; what is no GST is another charge.
NAMES = {"IGST": "Igst", "CGST": "Cgst", "SGST": "Sgst", "UTGST": "Sgst"}
OTHER = "Oth"
PLACES = Decimal("0.001")
MOST_QUANTITY = Decimal("9999999999.999")
# Services are counted in no unit of goods: UQC `OTH`, others.
UNIT = "OTH"
DESCRIPTION = 300
SHORTEST = 3

Rates = tuple[tuple[str, str], ...]


@dataclass(slots=True)
class Item:
    """A line with what is taken off it; `rates` are the codes and rates of its taxes, amounts are rupees."""

    description: str
    sac: str
    quantity: Decimal
    price: Decimal | None
    total: Decimal
    rates: Rates
    taxes: dict[str, Decimal]
    discount: Decimal = field(default=NOTHING)

    @property
    def taxable(self) -> Decimal:
        """What the taxes are reckoned on."""
        return self.total - self.discount

    def as_document(self, n: int) -> dict[str, Any]:
        """Return the item as the portal reads it.

        Quantity and unit price are the line's where both fit three decimals and multiply out; where tiers or
        fractions of a paisa make the price, the line counts as one.
        """
        quantity, price = self.quantity, self.price
        if not _fits(quantity, price, self.total):
            quantity, price = Decimal(1), self.total
        shown = {"PrdDesc": self.description[:DESCRIPTION]} if len(self.description) >= SHORTEST else {}
        rate = sum((Decimal(rate) for code, rate in self.rates if code in NAMES), Decimal(0))
        return {
            "SlNo": str(n),
            **shown,
            "IsServc": "Y",
            "HsnCd": self.sac,
            "Qty": quantity,
            "Unit": UNIT,
            "UnitPrice": price,
            "TotAmt": self.total,
            "Discount": self.discount,
            "AssAmt": self.taxable,
            "GstRt": rate,
            "IgstAmt": self.taxes["Igst"],
            "CgstAmt": self.taxes["Cgst"],
            "SgstAmt": self.taxes["Sgst"],
            "OthChrg": self.taxes[OTHER],
            "TotItemVal": self.taxable + sum(self.taxes.values(), NOTHING),
        }


def items_of(lines: Sequence[Mapping[str, Any]], rate: Decimal) -> list[Item]:
    """Return the items of the lines of a document; `rate` is rupees per unit of its currency.

    Raises:
        RuleBroken: more is taken off than the lines of that rate come to.
    """
    read = [_read(line, rate) for line in lines]
    items = [item for item in read if item.total >= 0]
    for reduction in (item for item in read if item.total < 0):
        _take_off(reduction, items)
    return items


def _read(line: Mapping[str, Any], rate: Decimal) -> Item:
    # Tax that the recipient pays itself is reported too (reverse charge), though it is in no total of ours.
    taxes = line["taxes"] or line.get("recipient_taxes") or []
    sums = dict.fromkeys(("Igst", "Cgst", "Sgst", OTHER), NOTHING)
    for tax in taxes:
        name = NAMES.get(tax["code"], OTHER)
        sums[name] += _rupees(tax["amount"], rate)
    return Item(
        description=" ".join(line["description"].split()).replace('"', "'").replace("\\", "/"),
        sac=line["sac"] or "",
        quantity=Decimal(line["quantity"]),
        price=None if line["unit_price"] is None else ROUNDING.multiply(Decimal(line["unit_price"]), rate),
        total=_rupees(line["amount"], rate),
        rates=tuple((tax["code"], tax["rate"]) for tax in taxes),
        taxes=sums,
    )


def _rupees(amount: str, rate: Decimal) -> Decimal:
    return quantize(ROUNDING.multiply(Decimal(amount), rate), RUPEES)


def _take_off(reduction: Item, items: Sequence[Item]) -> None:
    """Spread a line below nothing over items that bear the same tax, those of its own service code first.

    Each gets what its part moves the rounded tax of the whole, so that every sum stays as it was.
    """
    whole, done = -reduction.total, NOTHING
    same = [item for item in items if item.rates == reduction.rates]
    taken = dict.fromkeys(reduction.taxes, NOTHING)
    for item in sorted(same, key=lambda item: item.sac != reduction.sac):
        part = min(item.taxable, whole - done)
        item.discount += part
        done += part
        for name, tax in reduction.taxes.items():
            until = quantize(ROUNDING.divide(EXACT.multiply(tax, done), whole), RUPEES)
            item.taxes[name] += until - taken[name]
            taken[name] = until
    if done < whole:
        message = f"{reduction.description}: {whole} is taken off, but only {done} bears the same tax."
        raise RuleBroken("/ItemList", "too_much_taken_off", message)


def _fits(quantity: Decimal, price: Decimal | None, total: Decimal) -> bool:
    if price is None or not 0 < quantity <= MOST_QUANTITY:
        return False
    exact = all(number == number.quantize(PLACES) for number in (quantity, price))
    return exact and quantize(EXACT.multiply(quantity, price), RUPEES) == total
