"""Form fields that keep a value exact on its way to the browser and back: an untouched form changes nothing.

Each refuses what its column cannot hold with a sentence that says what to write.
"""

import enum
import json
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from wtforms import (
    BooleanField,
    DateField,
    Field,
    Form,
    SelectField,
    StringField,
    TextAreaField,
    ValidationError,
    widgets,
)
from wtforms.fields.choices import Choice, SelectChoice

from app.templating import current_zone, words

SECONDS = "%Y-%m-%dT%H:%M:%S"
MINUTES = "%Y-%m-%dT%H:%M"
MOST_DIGITS = 30


def no_zero_bytes(form: Form, field: Field) -> None:
    """Refuse what no text column of PostgreSQL can hold."""
    if isinstance(field.data, str) and "\x00" in field.data:
        raise ValidationError("This text holds a character that cannot be stored.")


class EmailField(StringField):
    """An e-mail address."""

    widget = widgets.EmailInput()


class PhoneField(StringField):
    """A telephone number with its country code."""

    widget = widgets.TelInput()


class FlagField(BooleanField):
    """Yes or no."""


class DayField(DateField):
    """A calendar date, ISO 8601 on the wire."""


class EnumField(SelectField):
    """A choice of an enum's members; the wire carries the member's name, the model gets the member."""

    def __init__(self, kind: type[enum.Enum], *, nullable: bool = False, **options: Any) -> None:
        self.kind = kind
        blank = [SelectChoice("", "–")] if nullable else []
        choices = [*blank, *(SelectChoice(member.name, words(member.name)) for member in kind)]
        super().__init__(choices=choices, coerce=self._member, **options)

    def _member(self, value: Any) -> enum.Enum | None:
        if value is None or value == "" or isinstance(value, self.kind):
            return value or None
        try:
            return self.kind[value]
        except KeyError:
            raise ValueError("Choose one of the list.") from None

    def process_formdata(self, valuelist: list[str]) -> None:
        """Read the name of a member."""
        try:
            super().process_formdata(valuelist)
        except ValueError:
            raise ValueError("Choose one of the list.") from None

    def iter_choices(self) -> Any:
        """Yield the choices with the current member selected."""
        current = self.data.name if isinstance(self.data, self.kind) else ""
        for one in self.choices:
            yield Choice(one.value, one.label, one.value == current, {})

    def pre_validate(self, form: Form) -> None:
        """Accept members only; a blank is left to the validators."""
        if self.data is not None and not isinstance(self.data, self.kind):
            raise ValidationError("Choose one of the list.")


class WholeField(StringField):
    """A whole number."""

    widget = widgets.NumberInput(step="1")

    def process_formdata(self, valuelist: list[str]) -> None:
        """Read the number; blank is None."""
        text = (valuelist[0] if valuelist else "").strip()
        try:
            self.data = int(text) if text else None
        except ValueError:
            self.data = None
            raise ValueError("Write a whole number.") from None
        if self.data is not None and abs(self.data) >= 2**31:
            raise ValueError("This number is too big.")

    def _value(self) -> str:
        return self.raw_data[0] if self.raw_data else "" if self.data is None else str(self.data)


class ExactField(StringField):
    """A decimal number, never a float; at most as many decimals as its column keeps."""

    widget = widgets.TextInput()

    def __init__(self, *, scale: int | None = None, **options: Any) -> None:
        self.scale = scale
        super().__init__(**options)

    def process_formdata(self, valuelist: list[str]) -> None:
        """Read the number; blank is None. NaN, infinities and lost decimals are refused."""
        text = (valuelist[0] if valuelist else "").strip().replace(",", "")
        self.data = None
        if not text:
            return
        try:
            number = Decimal(text)
        except InvalidOperation:
            raise ValueError("Write a number, such as 1250.50.") from None
        if (
            not number.is_finite()
            or len(number.as_tuple().digits) > MOST_DIGITS
            or abs(number.adjusted()) > MOST_DIGITS
        ):
            raise ValueError("Write a number, such as 1250.50.")
        exponent = number.as_tuple().exponent
        if self.scale is not None and isinstance(exponent, int) and -exponent > self.scale:
            raise ValueError(f"Write at most {self.scale} decimals.")
        self.data = number

    def _value(self) -> str:
        if self.raw_data:
            return str(self.raw_data[0])
        if self.data is None:
            return ""
        text = f"{Decimal(self.data):f}"
        return text.rstrip("0").rstrip(".") if "." in text else text


class InstantField(StringField):
    """An instant, shown and read in the zone of the person, kept aware; its microseconds survive an untouched
    form.
    """

    widget = widgets.DateTimeLocalInput()

    def process_formdata(self, valuelist: list[str]) -> None:
        """Read the local time; blank is None."""
        text = (valuelist[0] if valuelist else "").strip()
        self.data = None
        if not text:
            return
        for form in (SECONDS, MINUTES):
            try:
                local = datetime.strptime(text, form)  # noqa: DTZ007  (the zone follows)
            except ValueError:
                continue
            self.data = local.replace(tzinfo=ZoneInfo(current_zone())).astimezone(UTC)
            return
        raise ValueError("Write a date and a time.")

    def populate_obj(self, obj: Any, name: str) -> None:
        """Set the instant, unless the form shows the same second that is there."""
        kept = getattr(obj, name, None)
        if kept is None or self.data is None or kept.replace(microsecond=0) != self.data:
            setattr(obj, name, self.data)

    def _value(self) -> str:
        if self.raw_data:
            return str(self.raw_data[0])
        return "" if self.data is None else self.data.astimezone(ZoneInfo(current_zone())).strftime(SECONDS)


class DocumentField(TextAreaField):
    """A JSON document. Cleared, it is None where the column may be empty and `{}` or `[]` where not; never
    JSON null.
    """

    def __init__(self, *, nullable: bool = False, **options: Any) -> None:
        self.nullable = nullable
        super().__init__(render_kw={"rows": 12, "spellcheck": "false", "data-document": ""}, **options)

    def process_data(self, value: Any) -> None:
        """Take the value of the model, calling a default that makes one."""
        self.data = value() if callable(value) else value

    def process_formdata(self, valuelist: list[str]) -> None:
        """Read the document."""
        text = (valuelist[0] if valuelist else "").strip()
        empty: Any = [] if isinstance(self.object_data, list) else {}
        try:
            read = json.loads(text, parse_constant=_no_constant) if text else None
        except (ValueError, RecursionError):
            raise ValueError('This is not JSON. Write for instance {"threshold": "500"}.') from None
        if read is None:
            read = None if self.nullable else empty
        elif not isinstance(read, dict | list):
            raise ValueError("Write an object in braces or a list in brackets.")
        if "\\u0000" in text:
            raise ValueError("This text holds a character that cannot be stored.")
        self.data = read

    def _value(self) -> str:
        if self.raw_data:
            return str(self.raw_data[0])
        return "" if self.data in (None, {}, []) else json.dumps(self.data, indent=2, ensure_ascii=False)


def _no_constant(name: str) -> None:
    raise ValueError(name)


class WordsField(StringField):
    """A list of words, separated by commas."""

    def process_formdata(self, valuelist: list[str]) -> None:
        """Read the list; blank is empty."""
        text = valuelist[0] if valuelist else ""
        self.data = [word.strip() for word in text.split(",") if word.strip()]

    def _value(self) -> str:
        data = self.data() if callable(self.data) else self.data
        return ", ".join(data or ())


class IdField(StringField):
    """A UUID."""

    def process_formdata(self, valuelist: list[str]) -> None:
        """Read the id; blank is None."""
        text = (valuelist[0] if valuelist else "").strip()
        try:
            self.data = UUID(text) if text else None
        except ValueError:
            self.data = None
            raise ValueError("This is not an id.") from None

    def _value(self) -> str:
        return str(self.data or "")
