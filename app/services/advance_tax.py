"""The tax that falls due when money comes in advance (CGST Act s.13(2)): in what is received, on what is
wanted.

Money for a wallet is an advance for services where GST is charged on them. Exports and supplies to SEZ units
under a letter of undertaking, exempt customers, reverse charge and the taxes of other countries have none; so
has everybody by the setting `ADVANCES_TAXED=false`, or while no registration of the seller is valid.
"""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from app.config import current_settings
from app.domain.money import add_up, quantize
from app.domain.places import INDIA
from app.domain.tax import Supply, TaxPart, split_inclusive, split_tax
from app.errors import Conflict
from app.models import Account
from app.services import taxes
from app.services.components import SAC
from app.services.inputs import refusals
from app.services.taxes import Seller

# CGST Rule 50: where the rate cannot be told when the advance comes.
RATE_UNKNOWN = Decimal(18)


@dataclass(frozen=True, slots=True)
class Bearing:
    """Which tax the advances of an account bear on a day."""

    seller: Seller
    supply: Supply
    rate: Decimal


@dataclass(frozen=True, slots=True)
class Split:
    """An advance in its parts: `taxable` is for the wallet, `parts` are the taxes; `bearing` is None where
    there are none."""

    taxable: Decimal
    parts: tuple[TaxPart, ...]
    currency: str
    bearing: Bearing | None

    @property
    def tax(self) -> Decimal:
        """All taxes together."""
        return add_up((part.amount for part in self.parts), self.currency)

    @property
    def amount(self) -> Decimal:
        """What is paid in all."""
        return self.taxable + self.tax


def received(account: Account, amount: Decimal, *, on: date) -> Split:
    """Return what an amount that came in consists of: of ₹1,180 at 18 %, 1,000 and 90 + 90 (CGST Rule 35).

    Raises:
        Invalid: the account's customer has a State code that does not exist.
    """
    bearing = bearing_of(account, on)
    if bearing is None:
        return Split(quantize(amount, account.currency), (), account.currency, None)
    with refusals():
        taxable, parts = split_inclusive(amount, bearing.rate, bearing.supply, account.currency)
    return Split(taxable, parts, account.currency, bearing)


def to_collect(account: Account, wanted: Decimal, *, on: date) -> Split:
    """Return what is to be paid so that the wallet gets `wanted`: for ₹1,000 at 18 %, 90 + 90 more.

    Raises:
        Invalid: the account's customer has a State code that does not exist.
    """
    bearing = bearing_of(account, on)
    if bearing is None:
        return Split(quantize(wanted, account.currency), (), account.currency, None)
    with refusals():
        parts = split_tax(wanted, bearing.rate, bearing.supply, account.currency)
    return Split(quantize(wanted, account.currency), parts, account.currency, bearing)


def bearing_of(account: Account, on: date) -> Bearing | None:
    """Return which tax an advance for this account bears on a day, or None.

    Raises:
        Invalid: the account's customer has a State code that does not exist.
    """
    if not current_settings().advances_taxed:
        return None
    try:
        seller = taxes.get_seller(on, account)
    except Conflict:
        return None
    supply = taxes.supply_to(account.customer, seller, on=on)
    if not supply.taxes or supply.jurisdiction != INDIA:
        return None
    rate = _rate(on)
    return Bearing(seller, supply, rate) if rate else None


def _rate(on: date) -> Decimal:
    try:
        return taxes.rates(on).of(SAC)
    except Conflict:
        return RATE_UNKNOWN
