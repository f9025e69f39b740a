"""The tax data of a document: who sells, where the supply takes place, and at which rates."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.orm import selectinload

from app.config import current_settings
from app.db import db
from app.domain.gstin import state_of
from app.domain.places import INDIA, STATES
from app.domain.tax import Abroad, Supply, place_of_supply
from app.errors import Conflict
from app.models import Account, Customer, Invoice, SellerRegistration, TaxCollector, TaxRate
from app.models.customers import TaxTreatment
from app.services import branding
from app.services.inputs import refusals

EVERY_CODE = "*"
SAME_STATE_FIRST = "same_state_first"


@dataclass(frozen=True, slots=True)
class Rates:
    """The rates of a day by service code, in percent."""

    on: date
    by_code: Mapping[str, Decimal]
    jurisdiction: str = INDIA

    def of(self, sac: str) -> Decimal:
        """Return the rate of a service code, or that of every code without a row of its own.

        Raises:
            Conflict: no rate is entered for that day.
        """
        rate = self.by_code.get(sac, self.by_code.get(EVERY_CODE))
        if rate is None:
            where = "" if self.jurisdiction == INDIA else f" in {self.jurisdiction}"
            raise Conflict(f"No tax rate is entered for service code {sac}{where} on {self.on}.")
        return rate


@dataclass(frozen=True, slots=True)
class Letter:
    """A letter of undertaking and the days on which it holds."""

    number: str
    valid_from: date
    valid_until: date


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
    letters: tuple[Letter, ...]
    brand: Mapping[str, Any] | None = None

    def lut_on(self, on: date) -> str | None:
        """Return the number of the letter of undertaking that holds on that day: exports then bear no tax."""
        return next((one.number for one in self.letters if one.valid_from <= on <= one.valid_until), None)


def get_seller(on: date, account: Account | None = None) -> Seller:
    """Return the seller's registration that issues documents of an account on a day.

    Raises:
        Conflict: none is valid on that day, or not the one that is chosen for the account.
    """
    return choose(sellers(on), on, account)


def sellers(on: date) -> tuple[Seller, ...]:
    """Return the registrations that are valid on a day: the default one first, then the oldest."""
    valid = (
        SellerRegistration.valid_from <= on,
        or_(SellerRegistration.valid_until.is_(None), SellerRegistration.valid_until >= on),
    )
    order = (SellerRegistration.is_default.desc(), SellerRegistration.valid_from, SellerRegistration.gstin)
    letters = selectinload(SellerRegistration.letters)
    query = select(SellerRegistration, branding.for_documents()).where(*valid).options(letters)
    return tuple(seller_of(row, brand) for row, brand in db.session.execute(query.order_by(*order)))


def choose(valid: Sequence[Seller], on: date, account: Account | None) -> Seller:
    """Return which of the valid registrations issues a document: the one chosen for the account; by setting
    the one in the recipient's State; else the first.

    Raises:
        Conflict: none is valid on that day, or not the one that is chosen for the account.
    """
    if not valid:
        raise Conflict(f"No registration of the seller is valid on {on}: enter one before invoices are made.")
    if account is None:
        return valid[0]
    if account.registration_id is not None:
        chosen = next((one for one in valid if one.id == account.registration_id), None)
        if chosen is None:
            raise Conflict(f"The registration that is chosen for {account.name} is not valid on {on}.")
        return chosen
    if current_settings().registration_choice == SAME_STATE_FIRST:
        state = _state_of(account.customer)
        return next((one for one in valid if one.state_code == state), valid[0])
    return valid[0]


def seller_of(row: SellerRegistration, brand: Mapping[str, Any] | None = None) -> Seller:
    """Return a registration as documents need it, with what they keep of the brand."""
    place = f"{row.city} {row.postal_code}, {STATES[row.state_code]}"
    return Seller(
        id=row.id,
        legal_name=row.legal_name,
        gstin=row.gstin,
        state_code=row.state_code,
        address=tuple(line for line in (row.address_line1, row.address_line2, place) if line),
        series_prefix=row.series_prefix,
        bank_details=row.bank_details,
        letters=tuple(Letter(one.number, one.valid_from, one.valid_until) for one in row.letters),
        brand=brand,
    )


def supply_to(customer: Customer, seller: Seller, *, on: date) -> Supply:
    """Return the supply that a document dated `on` is, by who buys and who sells.

    An unregistered customer in India whose State is not on record is supplied where the seller is (IGST Act
    s.12(2)(b)(ii)).

    Raises:
        Invalid: a State code that does not exist; an export that two countries would tax.
    """
    at_home = customer.country == INDIA
    exempt = customer.tax_treatment is TaxTreatment.exempt
    with refusals():
        return place_of_supply(
            seller_state=seller.state_code,
            country=customer.country,
            state_code=(_state_of(customer) or seller.state_code) if at_home else customer.state_code,
            gstin=customer.gstin,
            sez=customer.tax_treatment is TaxTreatment.sez,
            lut=seller.lut_on(on) is not None,
            reverse_charge=customer.reverse_charge,
            exempt=customer.exempt_reason if exempt else None,
            abroad=None if at_home else collected_in(customer.country, on),
            pointer="/state_code",
        )


def collected_in(country: str, on: date) -> Abroad | None:
    """Return the tax of another country if the seller collects it on a day."""
    query = select(TaxCollector.tax_name).where(
        TaxCollector.country == country,
        TaxCollector.valid_from <= on,
        or_(TaxCollector.valid_until.is_(None), TaxCollector.valid_until >= on),
    )
    name = db.session.scalar(query.order_by(TaxCollector.valid_from.desc()).limit(1))
    return None if name is None else Abroad(country, name)


def rates(on: date, jurisdiction: str = INDIA) -> Rates:
    """Return the rates that hold on a day: for each service code the row with the latest start."""
    query = (
        select(TaxRate.service_code, TaxRate.rate)
        .where(TaxRate.jurisdiction == jurisdiction, TaxRate.valid_from <= on)
        .order_by(TaxRate.valid_from)
    )
    found = {row.service_code: row.rate for row in db.session.execute(query)}
    return Rates(on, found, jurisdiction)


def is_outdated(invoice: Invoice, supply: Supply, current: Rates) -> bool:
    """Tell whether a draft was taxed otherwise than it would be now: another place, other taxes or rates."""
    codes = {code for code, _ in supply.taxes}
    at_rates = all(
        line.tax_rate == (current.of(line.sac) if supply.taxes else 0)
        for line in invoice.lines
        if line.taxes or line.amount
    )
    same = invoice.place_of_supply == supply.place and invoice.reverse_charge == bool(supply.borne)
    return not (same and at_rates and {tax["code"] for tax in invoice.taxes} <= codes)


def _state_of(customer: Customer) -> str | None:
    """Return the State in India that a customer is in by its GSTIN, else by its address."""
    if customer.country != INDIA:
        return None
    return state_of(customer.gstin) if customer.gstin else customer.state_code
