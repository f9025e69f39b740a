"""The JSON Schema of a price on the wire, made of the registry of price models: what OpenAPI says of the
components of quotes and plans."""

from typing import Any

from app.domain.money import CURRENCIES
from app.domain.pricing import price_models, terms_schema

TEXT = {"type": "string"}
FILTERS = {
    "title": "The dimension values it is for",
    "type": ["object", "null"],
    "additionalProperties": {"anyOf": [TEXT, {"type": "array", "minItems": 1, "items": TEXT}]},
}
BESIDE_TERMS: dict[str, Any] = {
    "code": {"title": "Its own name", "type": ["string", "null"]},
    "metric": {"title": "The metric whose usage it prices", "type": ["string", "null"]},
    "filters": FILTERS,
    "group_by": {"title": "Dimension whose values are priced each by itself", "type": ["string", "null"]},
    "currency": {"title": "Currency", "type": ["string", "null"], "enum": [*CURRENCIES, None]},
}
IN_PLANS: dict[str, Any] = {
    "name": {"title": "Name on documents", "type": ["string", "null"]},
    "kind": {"title": "Kind", "type": ["string", "null"], "enum": ["usage", "fixed", None]},
    "timing": {"title": "When a fixed fee is billed", "enum": ["advance", "arrears", None]},
    "prorated": {"title": "A part of a period costs its share", "type": "boolean"},
    "sac": {
        "title": "Services accounting code",
        "type": ["string", "null"],
        "pattern": "^([0-9]{4}|[0-9]{6}|[0-9]{8})$",
    },
}


def component(beside: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a component: for each price model its terms, and what may stand beside them."""
    return {"oneOf": [_of_model(name, {**BESIDE_TERMS, **beside}) for name in price_models]}


def _of_model(name: str, beside: dict[str, Any]) -> dict[str, Any]:
    terms = terms_schema(name)
    return {
        **terms,
        "properties": {"model": {"const": name}, **beside, **terms["properties"]},
        "required": ["model", *(["metric"] if name != "flat" else []), *terms["required"]],
    }
