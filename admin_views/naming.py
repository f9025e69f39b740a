"""What columns and models are called on a page, and what is known about a column: its type and its hints.

Models do not change while the program runs, and a list asks for every cell: what was found out is remembered.
"""

import re
from decimal import Decimal
from functools import cache
from typing import Any, get_type_hints

from sqlalchemy import Boolean, Column, Date, DateTime, Enum, Index, UniqueConstraint, inspect
from sqlalchemy.orm import Mapper, RelationshipProperty

from app.db import Base
from app.templating import words

SPELLED = {
    "id": "ID",
    "gstin": "GSTIN",
    "irn": "IRN",
    "sac": "SAC",
    "ip": "IP",
    "lut": "LUT",
    "api": "API",
    "url": "URL",
    "ref": "reference",
    "seq": "sequence",
    "csv": "CSV",
    "pdf": "PDF",
    "sha256": "SHA-256",
    "n": "#",
    "extra": "metadata",
    "email": "e-mail",
    "emails": "e-mails",
}


@cache
def label_of(name: str) -> str:
    """Return the heading of a column.

    >>> label_of("issued_on"), label_of("account.customer"), label_of("lut_number"), label_of("external_id")
    ('Issued', 'Customer', 'LUT number', 'External ID')
    """
    last = name.rsplit(".", 1)[-1]
    stem = re.sub(r"_(at|on)$", "", last) or last
    parts = [SPELLED.get(part) or re.sub(r"(?<=[a-z])(?=\d+$)", " ", part) for part in stem.split("_")]
    text = " ".join(parts)
    return text if text[:1].isupper() else words(text)


def noun_of(model: type[Base]) -> str:
    """Return what one row of a model is called: `WalletTransaction` is a wallet transaction."""
    return noun_called(model.__name__)


def noun_called(name: str) -> str:
    """Return what a row is called whose model has this name, also where there is no such model any more.

    >>> noun_called("WalletTransaction"), noun_called("TdsReceivable")
    ('wallet transaction', 'TDS receivable')
    """
    noun = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()
    return noun.replace("api key", "API key").replace("einvoice", "e-invoice").replace("tds ", "TDS ")


def in_sentence(heading: str) -> str:
    """Return a heading as it stands within a sentence; an abbreviation keeps its capitals.

    >>> in_sentence("Number series"), in_sentence("TDS receivables"), in_sentence("E-invoices")
    ('number series', 'TDS receivables', 'e-invoices')
    """
    return heading if heading[1:2].isupper() else heading[:1].lower() + heading[1:]


def mapper_of(model: type[Base]) -> Mapper[Any]:
    """Return the mapper of a model."""
    return inspect(model)


@cache
def local_key(model: type[Base], name: str) -> str:
    """Return the attribute that holds the foreign key of a many-to-one relationship."""
    (local,) = relations(model)[name].local_columns
    key: str = mapper_of(model).get_property_by_column(local).key
    return key


@cache
def relations(model: type[Base]) -> dict[str, RelationshipProperty[Any]]:
    """Return the relationships of a model by name."""
    return dict(mapper_of(model).relationships.items())


@cache
def column_of(model: type[Base], path: str) -> Column[Any] | None:
    """Return the column at the end of a dotted path, or None where the path ends in a relationship or a
    property.
    """
    *hops, last = path.split(".")
    for hop in hops:
        if hop not in relations(model):
            return None
        model = relations(model)[hop].mapper.class_
    attribute = mapper_of(model).column_attrs.get(last)
    column = attribute.columns[0] if attribute is not None else None
    return column if isinstance(column, Column) else None


@cache
def table_of(model: type[Base], path: str) -> str:
    """Return the table that the end of a dotted path lies in, the model's own for what is no column."""
    column = column_of(model, path)
    return column.table.name if column is not None else model.__tablename__


@cache
def hint(model: type[Base], path: str, name: str) -> Any:
    """Return one hint of a column's `info`, or None. A Decimal property of a model with a currency is money
    in it.
    """
    column = column_of(model, path)
    if column is not None:
        return column.info.get(name)
    return "currency" if name == "money" and is_amount(model, path) else None


@cache
def is_amount(model: type[Base], name: str) -> bool:
    """Tell whether a name is a property that works an amount out, such as `Invoice.amount_due`."""
    made = vars(model).get(name)
    return (
        isinstance(made, property)
        and get_type_hints(made.fget).get("return") is Decimal
        and "currency" in mapper_of(model).column_attrs
    )


def is_time(column: Column[Any]) -> bool:
    """Tell whether a column holds instants or dates."""
    return isinstance(column.type, DateTime | Date)


def visible_columns(model: type[Base]) -> list[str]:
    """Return every attribute that may be shown, in the order of the model: a relationship stands for its
    foreign key, and what is marked secret is left out.
    """
    by_key: dict[Any, str] = {}
    for name, relation in relations(model).items():
        if relation.direction.name == "MANYTOONE":
            by_key.update(dict.fromkeys(relation.local_columns, name))
    names: list[str] = []
    for attribute in mapper_of(model).column_attrs:
        column = attribute.columns[0]
        name = by_key.get(column, attribute.key)
        if not column.info.get("secret") and name not in names:
            names.append(name)
    return names


@cache
def is_in_order(column: Column[Any]) -> bool:
    """Tell whether an index has a table in the order of a column; one with a handful of values tells too
    little of it.
    """
    rules = [rule for rule in column.table.constraints if isinstance(rule, UniqueConstraint)]
    first: list[Any] = [next(iter(rule.columns)) for rule in (column.table.primary_key, *rules)]
    first += [index.expressions[0] for index in column.table.indexes if not _is_partial(index)]
    return not isinstance(column.type, Enum | Boolean) and any(column is one for one in first)


def _is_partial(index: Index) -> bool:
    return index.dialect_options["postgresql"]["where"] is not None
