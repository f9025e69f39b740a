"""The tax data behind documents: who sells and from where, at which rates, and what is due in other
countries."""

from datetime import date
from decimal import Decimal
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Numeric, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.db import Base
from app.models.base import Country, Currency, Identified, Timestamped


class SellerRegistration(Identified, Timestamped, Base):
    """A GST registration of the seller: one per State, with the dates from which it holds."""

    __tablename__ = "seller_registrations"

    legal_name: Mapped[str]
    gstin: Mapped[str] = mapped_column(unique=True)
    state_code: Mapped[str] = mapped_column(info={"help": "That of the GSTIN."})
    address_line1: Mapped[str]
    address_line2: Mapped[str | None]
    city: Mapped[str]
    postal_code: Mapped[str]
    country: Mapped[str] = mapped_column(default="IN")
    series_prefix: Mapped[str] = mapped_column(
        info={"help": "Starts every document number; at most 4 characters, and no other registration's."}
    )
    is_default: Mapped[bool] = mapped_column(
        default=False, info={"help": "Issues what no other registration is chosen for."}
    )
    valid_from: Mapped[date]
    valid_until: Mapped[date | None]
    bank_details: Mapped[str | None]

    letters: Mapped[list["LetterOfUndertaking"]] = relationship(
        back_populates="registration",
        order_by="LetterOfUndertaking.valid_from",
        passive_deletes="all",
    )

    def __str__(self) -> str:
        return f"{self.legal_name} ({self.gstin})"


class LetterOfUndertaking(Identified, Timestamped, Base):
    """A letter of undertaking (LUT) of a registration for one financial year: exports and supplies to Special
    Economic Zones then bear no integrated tax (CGST Rule 96A)."""

    __tablename__ = "letters_of_undertaking"
    __table_args__ = (
        UniqueConstraint("registration_id", "financial_year"),
        CheckConstraint("valid_until >= valid_from", name="dates"),
    )

    registration_id: Mapped[UUID] = mapped_column(ForeignKey("seller_registrations.id", ondelete="RESTRICT"))
    financial_year: Mapped[str] = mapped_column(info={"help": "2026-27"})
    number: Mapped[str] = mapped_column(info={"help": "The reference number (ARN) of the letter."})
    valid_from: Mapped[date] = mapped_column(info={"help": "Exports before this day bear tax."})
    valid_until: Mapped[date] = mapped_column(info={"help": "31 March at the latest."})

    registration: Mapped[SellerRegistration] = relationship(back_populates="letters")

    def __str__(self) -> str:
        return f"{self.number} ({self.financial_year})"


class TaxRate(Identified, Timestamped, Base):
    """The rate of a jurisdiction's tax for a service code from a date on. Percent: 18 is 18 %."""

    __tablename__ = "tax_rates"
    __table_args__ = (
        UniqueConstraint("jurisdiction", "service_code", "valid_from"),
        CheckConstraint("rate BETWEEN 0 AND 100", name="rate"),
    )

    jurisdiction: Mapped[str] = mapped_column(default="IN", info={"help": "Country code: IN is GST."})
    service_code: Mapped[str] = mapped_column(info={"help": "SAC; * is every code without a row of its own."})
    rate: Mapped[Decimal] = mapped_column(Numeric(6, 3), info={"help": "Percent."})
    valid_from: Mapped[date]

    def __str__(self) -> str:
        return f"{self.jurisdiction} {self.service_code} {self.rate} %"


class TaxCollector(Identified, Timestamped, Base):
    """That the seller is registered to collect another country's tax, such as Indonesia's PPN."""

    __tablename__ = "tax_collectors"
    __table_args__ = (
        UniqueConstraint("country", "valid_from"),
        CheckConstraint("valid_until IS NULL OR valid_until >= valid_from", name="dates"),
        CheckConstraint("country <> 'IN'", name="abroad"),
    )

    country: Mapped[Country] = mapped_column(
        info={"format": "country", "help": "Its rate is a tax rate of this country."}
    )
    tax_name: Mapped[str] = mapped_column(info={"help": "As documents name the tax: PPN, VAT."})
    number: Mapped[str] = mapped_column(info={"help": "The seller's tax number there."})
    valid_from: Mapped[date]
    valid_until: Mapped[date | None]

    def __str__(self) -> str:
        return f"{self.country} {self.tax_name}"


class ExchangeRate(Identified, Timestamped, Base):
    """What one unit of a currency is in rupees from a date on, as somebody published it (CGST Rule 34)."""

    __tablename__ = "exchange_rates"
    __table_args__ = (
        UniqueConstraint("currency", "valid_from"),
        CheckConstraint("rate > 0", name="rate"),
        CheckConstraint("valid_until IS NULL OR valid_until >= valid_from", name="dates"),
        CheckConstraint("currency <> 'INR'", name="foreign"),
    )

    currency: Mapped[Currency] = mapped_column(info={"format": "currency"})
    rate: Mapped[Decimal] = mapped_column(Numeric(20, 8), info={"help": "Rupees for one unit of it."})
    valid_from: Mapped[date] = mapped_column(info={"help": "Holds until the next one begins."})
    valid_until: Mapped[date | None] = mapped_column(info={"help": "Nothing is invoiced at it afterwards."})
    source: Mapped[str] = mapped_column(info={"help": "Who published it: RBI reference rate, CBIC."})

    def __str__(self) -> str:
        return f"{self.currency} {self.rate.normalize():f}"
