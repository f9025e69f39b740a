"""A form from the columns of a model, field by field: what Flask-Admin's converter gets wrong is right here.

Enums travel as their members, whatever their values (pitfall 1); UUID columns have a field (4); a JSON
document that is cleared becomes empty, never JSON null (6); instants come back aware, in the zone of the
person (7); related rows are looked up, never all loaded (10).
"""

import re
from collections.abc import Callable, Mapping
from typing import Any
from zoneinfo import available_timezones

from babel.numbers import get_currency_name, list_currencies
from flask_admin.form import BaseForm
from sqlalchemy import Boolean, Column, Date, DateTime, Enum, Integer, Numeric, Uuid
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from wtforms import Field, Form, SelectField, StringField, TextAreaField, ValidationError, validators
from wtforms.fields.choices import SelectChoice
from wtforms.fields.core import UnboundField

from admin_views import fields
from admin_views.filters import COUNTRIES
from admin_views.lookups import Lookup, LookupField
from admin_views.naming import column_of, label_of, local_key, relations
from app.db import Base
from app.domain import gstin
from app.domain.aggregations import aggregations
from app.domain.errors import RuleBroken
from app.domain.places import STATES
from app.domain.pricing.models import price_models
from app.gateways.payments import payment_gateways
from app.languages import LANGUAGES

E164 = re.compile(r"\+[1-9]\d{6,14}")
LONG_TEXTS = {"notes", "description", "address", "bank_details", "message", "reason"}
FIRST_CURRENCIES = ("INR", "USD", "IDR", "EUR", "GBP", "AED", "SGD")
LONGEST_TEXT = 10_000

REGISTRIES: Mapping[str, Callable[[], tuple[str, ...]]] = {
    "price_models": lambda: tuple(sorted(price_models)),
    "gateways": lambda: tuple(sorted(payment_gateways)),
    "aggregations": lambda: tuple(aggregations),
}


def form_class(model: type[Base], names: tuple[str, ...], lookups: Mapping[str, Lookup]) -> type[BaseForm]:
    """Return a form with one field for each of these columns or relationships, in this order."""
    made: dict[str, UnboundField[Any]] = {}
    for name in names:
        field = (
            _relation_field(model, name, lookups[name])
            if name in relations(model)
            else _column_field(model, name)
        )
        made[name] = field
    return type(f"{model.__name__}Form", (BaseForm,), made)


def _relation_field(model: type[Base], name: str, lookup: Lookup) -> Any:
    (column,) = relations(model)[name].local_columns
    blank = bool(column.nullable)
    needed = validators.Optional() if blank else validators.InputRequired()
    return LookupField(
        lookup,
        label=label_of(name),
        description=column.info.get("help", ""),
        allow_blank=blank,
        validators=[needed],
        column=local_key(model, name),
    )


def _column_field(model: type[Base], name: str) -> Any:
    column = column_of(model, name)
    if column is None:
        raise ValueError(f"{model.__name__} has no column {name!r} for a form.")
    default = getattr(column.default, "arg", None) if getattr(column.default, "is_scalar", False) else None
    optional = column.nullable or column.default is not None or column.server_default is not None
    common: dict[str, Any] = {
        "label": label_of(name),
        "description": column.info.get("help", ""),
        "default": default,
        "validators": [validators.Optional() if optional else validators.InputRequired()],
    }
    for kind, build in _BUILDERS:
        if isinstance(column.type, kind):
            return build(column, common)
    return _text_field(column, common)


def _choice_field(column: Column[Any], common: dict[str, Any], choices: list[tuple[str, str]]) -> Field:
    if column.nullable:
        choices = [("", "–"), *choices]
        common["filters"] = [lambda value: value or None]
    return SelectField(choices=[SelectChoice(value, label) for value, label in choices], **common)


def _enum_field(column: Column[Any], common: dict[str, Any]) -> Field:
    return fields.EnumField(column.type.enum_class, nullable=bool(column.nullable), **common)  # type: ignore[attr-defined]


def _number_field(column: Column[Any], common: dict[str, Any]) -> Field:
    if isinstance(column.type, Integer):
        return fields.WholeField(**common)
    scale = getattr(column.type, "scale", None)
    return fields.ExactField(scale=scale, **common)


def _text_field(column: Column[Any], common: dict[str, Any]) -> Field:
    info = column.info
    if info.get("registry") in REGISTRIES:
        return _choice_field(
            column, common, [(key, key.replace("_", " ")) for key in REGISTRIES[info["registry"]]()]
        )
    choose = _FORMATS.get(info.get("format") or column.name)
    if choose is not None:
        return choose(column, common)
    length = getattr(column.type, "length", None) or LONGEST_TEXT
    common["validators"] += [validators.Length(max=length), fields.no_zero_bytes]
    common["filters"] = [_stripped if not column.nullable else _stripped_or_none]
    return (TextAreaField if column.name in LONG_TEXTS else StringField)(**common)


def _email_field(column: Column[Any], common: dict[str, Any]) -> Field:
    common["validators"] += [validators.Length(max=254), validators.Email("This is not an e-mail address.")]
    common["filters"] = [_stripped if not column.nullable else _stripped_or_none]
    return fields.EmailField(**common)


def _phone_field(column: Column[Any], common: dict[str, Any]) -> Field:
    common["validators"].append(
        validators.Regexp(E164, message="Write the number with its country code: +919876543210.")
    )
    common["filters"] = [_stripped_or_none]
    return fields.PhoneField(**common)


def _country_field(column: Column[Any], common: dict[str, Any]) -> Field:
    return _choice_field(column, common, list(COUNTRIES))


def _currency_field(column: Column[Any], common: dict[str, Any]) -> Field:
    codes = [
        *FIRST_CURRENCIES,
        *sorted(code for code in list_currencies("en") if code not in FIRST_CURRENCIES),
    ]
    return _choice_field(
        column, common, [(code, f"{code} – {get_currency_name(code, locale='en')}") for code in codes]
    )


def _timezone_field(column: Column[Any], common: dict[str, Any]) -> Field:
    zones = sorted(zone for zone in available_timezones() if "/" in zone or zone == "UTC")
    return _choice_field(column, common, [(zone, zone.replace("_", " ")) for zone in zones])


def _language_field(column: Column[Any], common: dict[str, Any]) -> Field:
    common["filters"] = [lambda value: value or None]
    choices = [("", "As the browser asks"), *LANGUAGES.items()]
    return SelectField(choices=[SelectChoice(value, label) for value, label in choices], **common)


def _gstin_field(column: Column[Any], common: dict[str, Any]) -> Field:
    common["filters"] = [_stripped_or_none, lambda text: text.upper() if text else text]
    common["validators"].append(_valid_gstin)
    return StringField(**common)


def _valid_gstin(form: Form, field: Field) -> None:
    try:
        gstin.validate(field.data)
    except RuleBroken as error:
        raise ValidationError(str(error)) from error


def _state_field(column: Column[Any], common: dict[str, Any]) -> Field:
    return _choice_field(
        column, common, [(code, f"{code} – {name}") for code, name in sorted(STATES.items())]
    )


def _stripped(text: str | None) -> str | None:
    return text.strip() if text else text


def _stripped_or_none(text: str | None) -> str | None:
    return (text or "").strip() or None


_FORMATS: Mapping[str, Callable[[Column[Any], dict[str, Any]], Field]] = {
    "email": _email_field,
    "phone": _phone_field,
    "country": _country_field,
    "currency": _currency_field,
    "timezone": _timezone_field,
    "language": _language_field,
    "gstin": _gstin_field,
    "state_code": _state_field,
}

_BUILDERS: tuple[tuple[Any, Callable[[Column[Any], dict[str, Any]], Field]], ...] = (
    (Enum, _enum_field),
    (Boolean, lambda column, common: fields.FlagField(**{**common, "validators": []})),
    (DateTime, lambda column, common: fields.InstantField(**common)),
    (Date, lambda column, common: fields.DayField(**common)),
    (JSONB, lambda column, common: fields.DocumentField(nullable=bool(column.nullable), **common)),
    (ARRAY, lambda column, common: fields.WordsField(**common)),
    (Uuid, lambda column, common: fields.IdField(**common)),
    ((Integer, Numeric), _number_field),
)
