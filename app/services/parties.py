"""Who sells and who buys, as the immutable content of documents says it (CGST Rules 46, 50, 51)."""

from typing import Any

from babel import Locale

from app.domain.places import INDIA, STATES
from app.models import Customer
from app.services.taxes import Seller


def seller_json(seller: Seller) -> dict[str, Any]:
    """Return the seller's part of a snapshot."""
    return {
        "name": seller.legal_name,
        "address": list(seller.address),
        "gstin": seller.gstin,
        "state_code": seller.state_code,
        "state": STATES[seller.state_code],
        **({"brand": dict(seller.brand)} if seller.brand else {}),
    }


def buyer_json(customer: Customer) -> dict[str, Any]:
    """Return the recipient's part of a snapshot."""
    at_home = customer.country == INDIA
    state = STATES.get(customer.state_code or "") if at_home else customer.state_code
    city = " ".join(part for part in (customer.city, customer.postal_code) if part)
    place = ", ".join(part for part in (city, state) if part)
    country = Locale("en").territories.get(customer.country, customer.country)
    return {
        "name": customer.name,
        "address": [
            line for line in (customer.address_line1, customer.address_line2, place, country) if line
        ],
        "gstin": customer.gstin,
        "state_code": customer.state_code if at_home else None,
        "state": state if at_home else None,
        "country": customer.country,
        "tax_treatment": str(customer.tax_treatment),
    }
