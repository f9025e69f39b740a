"""What a quantity costs: `parse_terms` reads the terms of a price model, `price` applies them."""

from app.domain.pricing.charges import (
    Charge,
    Terms,
    parse_terms,
    price,
    price_groups,
    terms_json,
    terms_schema,
)
from app.domain.pricing.models import PriceModel, Row, Usage, price_model, price_models

__all__ = [
    "Charge",
    "PriceModel",
    "Row",
    "Terms",
    "Usage",
    "parse_terms",
    "price",
    "price_groups",
    "price_model",
    "price_models",
    "terms_json",
    "terms_schema",
]
