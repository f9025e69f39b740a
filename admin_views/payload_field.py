"""A form field for the JSON that services send."""

import json
from decimal import Decimal
from typing import Any

import msgspec
from wtforms import TextAreaField

from app.services import event_letters


class PayloadField(TextAreaField):
    """A JSON object whose numbers stay exactly as they are written: Decimal, never a float."""

    def __init__(self, **options: Any) -> None:
        super().__init__(render_kw={"rows": 12, "spellcheck": "false", "data-document": ""}, **options)

    def process_formdata(self, valuelist: list[str]) -> None:
        """Read the object."""
        text = (valuelist[0] if valuelist else "").strip()
        try:
            self.data = json.loads(text, parse_float=Decimal, parse_constant=_no_constant)
        except (ValueError, RecursionError):
            self.data = None
        if not isinstance(self.data, dict):
            raise ValueError('Write an object in braces, such as {"channel": "sms"}.')

    def _value(self) -> str:
        if self.raw_data:
            return str(self.raw_data[0])
        return msgspec.json.format(event_letters.encode(self.data or {}), indent=2)


def _no_constant(name: str) -> None:
    raise ValueError(name)
