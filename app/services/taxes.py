"""The tax data of a document: who sells, where the supply takes place, and at which rates (INDIA.md)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from uuid import UUID

from sqlalchemy import or_, select

from app.db import db
from app.domain.places import INDIA, STATES
from app.domain.tax import Supply, place_of_supply
from app.errors import Conflict
from app.models import Customer, SellerRegistration, TaxRate
from app.models.customers import TaxTreatment
from app.services.inputs import refusals

EVERY_CODE = "*"


@dataclass(frozen=True, slots=True)
class Rates:
    """The rates of a day by service code, in percent."""

    on: date
    by_code: Mapping[str, Decimal]

    def of(self, sac: str) -> Decimal:
        """Return the rate of a service code, or that of every code without a row of its own.

        Raises:
            Conflict: no rate is entered for that day.
        """
        rate = self.by_code.get(sac, self.by_code.get(EVERY_CODE))
        if rate is None:
            raise Conflict(f"No tax rate is entered for service code {sac} on {self.on}.")
        return rate


@dataclass(frozen=True, slots=True)
class Seller:
    """A registration of the seller as documents need it."""

    id: UUID
    legal_name: str
    gstin: str
    state_code: str
    address: tuple[str, ...]
    series_prefix: str
    bank_details: str | None
    lut_number: str | None
    lut_from: date | None
    lut_until: date | None

    def has_lut(self, on: date) -> bool:
        """Tell whether a letter of undertaking is on file for that day: exports then bear no tax."""
        if self.lut_number is None or self.lut_from is None:
            return False
        return self.lut_from <= on and (self.lut_until is None or on <= self.lut_until)


def get_seller(on: date) -> Seller:
    """Return the seller's registration that issues documents on a day: the default one, else the oldest.

    Raises:
        Conflict: none is valid on that day.
    """
    valid = (
        SellerRegistration.valid_from <= on,
        or_(SellerRegistration.valid_until.is_(None), SellerRegistration.valid_until >= on),
    )
    order = (SellerRegistration.is_default.desc(), SellerRegistration.valid_from, SellerRegistration.gstin)
    found = db.session.scalar(select(SellerRegistration).where(*valid).order_by(*order).limit(1))
    if found is None:
        raise Conflict(f"No registration of the seller is valid on {on}: enter one before invoices are made.")
    return seller_of(found)


def seller_of(row: SellerRegistration) -> Seller:
    """Return a registration as documents need it."""
    place = f"{row.city} {row.postal_code}, {STATES[row.state_code]}"
    return Seller(
        id=row.id,
        legal_name=row.legal_name,
        gstin=row.gstin,
        state_code=row.state_code,
        address=tuple(line for line in (row.address_line1, row.address_line2, place) if line),
        series_prefix=row.series_prefix,
        bank_details=row.bank_details,
        lut_number=row.lut_number,
        lut_from=row.lut_from,
        lut_until=row.lut_until,
    )


def supply_to(customer: Customer, seller: Seller, *, on: date) -> Supply:
    """Return the supply that a document dated `on` is, by who buys and who sells.

    An unregistered customer in India whose State is not on record is supplied where the seller is (IGST Act
    s.12(2)(b)(ii)).

    Raises:
        Invalid: a State code that does not exist.
    """
    state = customer.state_code
    if customer.country == INDIA and not (customer.gstin or state):
        state = seller.state_code
    with refusals():
        return place_of_supply(
            seller_state=seller.state_code,
            country=customer.country,
            state_code=state,
            gstin=customer.gstin,
            sez=customer.tax_treatment is TaxTreatment.sez,
            lut=seller.has_lut(on),
            pointer="/state_code",
        )


def rates(on: date, jurisdiction: str = INDIA) -> Rates:
    """Return the rates that hold on a day: for each service code the row with the latest start."""
    query = (
        select(TaxRate.service_code, TaxRate.rate)
        .where(TaxRate.jurisdiction == jurisdiction, TaxRate.valid_from <= on)
        .order_by(TaxRate.valid_from)
    )
    return Rates(on, {row.service_code: row.rate for row in db.session.execute(query)})
