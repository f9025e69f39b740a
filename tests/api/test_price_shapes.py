"""The contract describes prices from the registry of models, and says what the reader of prices takes."""

import random
from typing import Any

import pytest
from flask import Flask

from app.api.openapi import document
from app.domain.pricing import price_models, terms_schema
from tests.domain import random_invoices


@pytest.fixture
def shapes(app: Flask) -> dict[str, list[dict[str, Any]]]:
    """The shapes of a component, by the body that it stands in."""
    schemas = document(app)["components"]["schemas"]
    listed = {name: schemas[name]["properties"]["components"] for name in ("Quote", "NewPlan", "NewVersion")}
    return {name: schema["items"]["oneOf"] for name, schema in listed.items()}


@pytest.mark.parametrize("body", ["Quote", "NewPlan", "NewVersion"])
def test_the_contract_has_a_shape_for_every_price_model(
    shapes: dict[str, list[dict[str, Any]]], body: str
) -> None:
    assert [shape["properties"]["model"]["const"] for shape in shapes[body]] == list(price_models)
    for shape, name in zip(shapes[body], price_models, strict=True):
        terms = terms_schema(name)
        assert shape["title"] == price_models[name].label
        assert terms["properties"].items() <= shape["properties"].items()
        assert set(terms["required"]) < set(shape["required"])


def test_whatever_a_quote_takes_is_in_its_shape(shapes: dict[str, list[dict[str, Any]]]) -> None:
    fields = {shape["properties"]["model"]["const"]: shape for shape in shapes["Quote"]}
    chance = random.Random(0)
    for _ in range(100):
        for component in random_invoices.draw(chance)["quote"]["components"]:
            shape = fields[component["model"]]
            assert set(shape["required"]) <= component.keys() <= shape["properties"].keys()
