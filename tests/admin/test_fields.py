"""Fields: what a browser sends back of an untouched form is what was there, and nonsense is named."""

import enum
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import Enum, Uuid
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, registry
from werkzeug.datastructures import MultiDict

from admin_views import convert, fields


class Shade(enum.Enum):
    """Names that are not the values."""

    LIGHT = "light grey"
    DARK = "dark grey"


class Own(DeclarativeBase):
    """A base apart from the product's."""

    registry = registry()


class Sample(Own):
    """A column of each kind that Flask-Admin's own converter gets wrong."""

    __tablename__ = "samples"
    id: Mapped[int] = mapped_column(primary_key=True)
    shade: Mapped[Shade] = mapped_column(Enum(Shade))
    other: Mapped[Shade | None] = mapped_column(Enum(Shade))
    partner: Mapped[UUID | None] = mapped_column(Uuid())
    document: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict)
    remark: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    seen_at: Mapped[datetime]
    amount: Mapped[Decimal]


NAMES = ("shade", "other", "partner", "document", "remark", "seen_at", "amount")
PARTNER = UUID("018f0000-0000-7000-8000-000000000001")
SEEN_AT = datetime(2026, 3, 31, 18, 30, 15, 123456, tzinfo=UTC)


def sample() -> Sample:
    """Return a row with every column set."""
    return Sample(
        shade=Shade.DARK,
        other=None,
        partner=PARTNER,
        document={"a": [1, "₹"]},
        remark={"b": 2},
        seen_at=SEEN_AT,
        amount=Decimal("0.00002"),
    )


def values(row: Sample) -> dict[str, Any]:
    """Return the columns of a row."""
    return {name: getattr(row, name) for name in NAMES}


@pytest.fixture
def browser_form(app: Flask) -> Any:
    """Return what a browser would send back of a form over a row."""
    with app.test_request_context():
        yield lambda form: {
            field.name: field.data.name
            if isinstance(field, fields.EnumField) and field.data
            else field._value()
            if hasattr(field, "_value")
            else ""
            for field in form
        }


def test_an_untouched_form_changes_nothing_whatever_the_names_of_an_enum(browser_form: Any) -> None:
    row, make = sample(), convert.form_class(Sample, NAMES, {})  # type: ignore[arg-type]
    given = browser_form(make(None, obj=row))
    assert (given["shade"], given["other"], given["partner"]) == ("DARK", "", str(PARTNER))
    form = make(MultiDict(given), obj=row)
    assert form.validate(), form.errors
    before = values(sample())
    form.populate_obj(row)
    assert values(row) == before


def test_a_cleared_document_is_empty_and_never_json_null(browser_form: Any) -> None:
    row, make = sample(), convert.form_class(Sample, NAMES, {})  # type: ignore[arg-type]
    form = make(MultiDict({**browser_form(make(None, obj=row)), "document": " ", "remark": ""}), obj=row)
    assert form.validate(), form.errors
    form.populate_obj(row)
    assert (row.document, row.remark) == ({}, None)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("shade", "dark grey", "Choose one of the list."),
        ("shade", "", "This field is required."),
        ("partner", "nobody", "This is not an id."),
        ("document", "{", "This is not JSON."),
        ("document", "[" * 100_000, "This is not JSON."),
        ("document", '{"a": NaN}', "This is not JSON."),
        ("document", "5", "Write an object in braces"),
        ("document", '{"a": "\\u0000"}', "cannot be stored"),
        ("seen_at", "yesterday", "Write a date and a time."),
        ("amount", "NaN", "Write a number"),
        ("amount", "Infinity", "Write a number"),
        ("amount", "1e9999999", "Write a number"),
        ("amount", "five", "Write a number"),
    ],
)
def test_a_value_that_cannot_be_used_is_named_at_its_field(
    browser_form: Any, name: str, text: str, message: str
) -> None:
    row, make = sample(), convert.form_class(Sample, NAMES, {})  # type: ignore[arg-type]
    form = make(MultiDict({**browser_form(make(None, obj=row)), name: text}), obj=row)
    assert not form.validate()
    assert list(form.errors) == [name]
    assert message in " ".join(form.errors[name])


def test_an_instant_is_shown_in_the_zone_of_the_person_and_comes_back_aware(browser_form: Any) -> None:
    row, make = sample(), convert.form_class(Sample, NAMES, {})  # type: ignore[arg-type]
    given = browser_form(make(None, obj=row))
    assert given["seen_at"] == "2026-04-01T00:00:15"
    form = make(MultiDict({**given, "seen_at": "2026-04-01T09:15"}), obj=row)
    assert form.validate()
    form.populate_obj(row)
    assert row.seen_at == datetime(2026, 4, 1, 3, 45, tzinfo=UTC)
