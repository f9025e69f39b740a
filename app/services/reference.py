"""What every installation needs before its first invoice: a registration of the seller, and the rate of GST.

The registration is an example to be replaced by one's own on its screen; nothing in the code depends on it.
"""

from datetime import date, datetime, timedelta
from decimal import Decimal

from sqlalchemy import exists, select

from app.db import db
from app.domain.gstin import check_character
from app.domain.numbering import financial_year
from app.domain.periods import local_date
from app.models import LetterOfUndertaking, SellerRegistration, TaxRate
from app.permissions import Actor
from app.services import audit

GST_BEGAN_ON = date(2017, 7, 1)
# CGST notification 11/2017, heading 9983: other professional, technical and business services.
GST_RATE = Decimal(18)
INDIA_TIME = "Asia/Kolkata"
LUT_REACHES_BACK_DAYS = 100
LUT = "AD290426004821K"


def load(*, at: datetime, actor: Actor) -> list[str]:
    """Make the reference data that is missing and return what was made, in words."""
    made = []
    if not db.session.scalar(select(exists().where(SellerRegistration.id.is_not(None)))):
        registration = _registration(local_date(at, INDIA_TIME))
        db.session.add(registration)
        audit.record(actor, "seller.registered", registration, summary=f"{registration} was entered", at=at)
        made.append(f"seller registration {registration.gstin}")
    rate = select(TaxRate).where(TaxRate.jurisdiction == "IN", TaxRate.service_code == "*")
    if not db.session.scalar(select(rate.exists())):
        row = TaxRate(jurisdiction="IN", service_code="*", rate=GST_RATE, valid_from=GST_BEGAN_ON)
        db.session.add(row)
        audit.record(actor, "tax_rate.entered", row, summary=f"GST of {row.rate} % was entered", at=at)
        made.append(f"GST of {GST_RATE} %")
    db.session.flush()
    return made


def gstin(state_code: str, pan: str, entity: str = "1") -> str:
    """Return the GSTIN of a State and a PAN, with its check character."""
    first = f"{state_code}{pan}{entity}Z"
    return first + check_character(first)


def _registration(today: date) -> SellerRegistration:
    return SellerRegistration(
        legal_name="OTPless Technologies Private Limited",
        gstin=gstin("29", "AABCO4821K"),
        state_code="29",
        address_line1="Third floor, 148 Eighty Feet Road",
        address_line2="Koramangala 4th Block",
        city="Bengaluru",
        postal_code="560034",
        country="IN",
        series_prefix="OTP",
        is_default=True,
        valid_from=GST_BEGAN_ON,
        bank_details="HDFC Bank, Koramangala · account 50200048210034 · IFSC HDFC0000053",
        letters=[
            LetterOfUndertaking(
                financial_year=year.label, number=LUT, valid_from=year.first_on, valid_until=year.last_on
            )
            for year in dict.fromkeys(
                financial_year(on) for on in (today - timedelta(days=LUT_REACHES_BACK_DAYS), today)
            )
        ],
    )
