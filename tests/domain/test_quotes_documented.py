"""What docs/api/quotes.md says of quotes and price models is so."""

import json
import re
from typing import Any

from app.domain.pricing import price_models, terms_schema
from app.domain.quotes import quote
from tests.support.machine import ROOT

PAGE = (ROOT / "docs/api/quotes.md").read_text("utf-8")


def test_the_example_of_the_page_can_be_asked() -> None:
    """21 SMS to India are 102 + 58; of four payments the last pays 400 × 1.3 % + 2."""
    (example,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    answer = quote(**json.loads(example))
    lines = [(line["code"], line["amount"]) for line in answer["lines"]]
    assert lines == [("sms", "160.00"), ("us", "0.00"), (None, "7.20")]
    assert (answer["minimum_true_up"], answer["total"]) == ("0.00", "167.20")


def test_the_page_names_every_model_and_every_field() -> None:
    words = set(re.findall(r"[a-z_]+", " ".join(re.findall(r"`([^`\n]*)`", PAGE))))
    for model in price_models:
        properties: dict[str, Any] = terms_schema(model)["properties"]
        tiers = properties.get("tiers", {"items": {"properties": {}}})["items"]["properties"]
        assert {model, *properties, *tiers} <= words
