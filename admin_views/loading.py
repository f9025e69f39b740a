"""Which related rows a list must fetch together with its own, so that a page of any length costs one query.

A shown relationship is fetched by a join, and so is what its label needs: `Wallet.__str__` reads
`self.account.name`, so a list that shows a wallet also fetches the wallet's account. The label's own code
tells (`co_names`), so nobody has to keep a second list.
"""

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

from sqlalchemy import LargeBinary
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import defer, joinedload, raiseload
from sqlalchemy.orm.interfaces import ORMOption

from admin_views.naming import column_of, hint, is_amount, mapper_of, relations
from app.db import Base

HEAVY = (JSONB, LargeBinary)


def label_needs(model: type[Base]) -> list[str]:
    """Return the relationships that the label of a model reads."""
    used = model.__str__.__code__.co_names if "__str__" in vars(model) else ()
    return [name for name in relations(model) if name in used]


def paths(model: type[Base], names: Iterable[str]) -> Iterator[tuple[str, ...]]:
    """Yield the relationship paths that showing these columns will walk."""
    for name in names:
        for reached in (name, _currency_path(model, name)):
            yield from _walk(model, reached.split("."))


def _currency_path(model: type[Base], name: str) -> str:
    money = hint(model, name, "money") or ""
    prefix = name.rpartition(".")[0]
    return f"{prefix}.{money}" if prefix else money


def _walk(model: type[Base], names: list[str]) -> Iterator[tuple[str, ...]]:
    steps: list[str] = []
    for name in names:
        if name not in relations(model):
            return
        model = relations(model)[name].mapper.class_
        steps.append(name)
        yield tuple(steps)
    for needed in label_needs(model) if steps else ():
        for more in _walk(model, [needed]):
            yield (*steps, *more)


def options(model: type[Base], names: Iterable[str], *, strict: bool = True) -> list[ORMOption]:
    """Return the loader options for showing these columns.

    `strict` makes any other lazy load an error instead of a query per row, and leaves out documents that are
    not shown.
    """
    shown = list(names)
    wanted = {path for path in paths(model, [*shown, *label_needs(model)]) if path}
    chosen: list[ORMOption] = [
        _joined(model, path) for path in sorted(wanted) if not _is_prefix(path, wanted)
    ]
    if strict:
        chosen.append(raiseload("*", sql_only=True))
        chosen += [
            defer(getattr(model, attribute.key), raiseload=True)
            for attribute in mapper_of(model).column_attrs
            if isinstance(attribute.columns[0].type, HEAVY)
            and attribute.key not in shown
            and not attribute.columns[0].primary_key
        ]
    return chosen


def _is_prefix(path: tuple[str, ...], others: set[tuple[str, ...]]) -> bool:
    return any(other != path and other[: len(path)] == path for other in others)


def _joined(model: type[Base], path: tuple[str, ...]) -> Any:
    option: Any = None
    for name in path:
        attribute = getattr(model, name)
        option = joinedload(attribute) if option is None else option.joinedload(attribute)
        model = relations(model)[name].mapper.class_
    return option


@cache
def is_numeric(model: type[Base], path: str) -> bool:
    """Tell whether a column holds numbers, which stand at the end of their cell."""
    column = column_of(model, path)
    if column is None:
        return is_amount(model, path)
    try:
        return column.type.python_type.__name__ in {"int", "Decimal"}
    except NotImplementedError:
        return False
