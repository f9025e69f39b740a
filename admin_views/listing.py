"""The list of a screen: search, filters, order, pages, export and look-ups. At most three statements: who
asks, the rows, their count.
"""

import csv
import io
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from flask import Response, jsonify, request
from flask_admin import expose
from sqlalchemy import ColumnElement, Select, select
from sqlalchemy.orm import InstrumentedAttribute
from werkzeug.utils import secure_filename

from admin_views import formatters, keys, loading, paging
from admin_views.filters import Filter, derive, matches
from admin_views.lookups import Lookup
from admin_views.naming import column_of, is_in_order, label_of, mapper_of
from app import clock, personal
from app.db import Base, db
from app.errors import NotFound

PAGE_SIZE = 50
EXPORT_LIMIT = 10_000
# What needs no escape in a query string.
SAFE = "!$'()*,/:;?@"
PAGING = ("page", "after", "before")
# Under these headings a seller has few rows of everything.
SHORT = frozenset({"Catalog", "Settings"})


class ListRoutes:
    """What `ModelScreen` knows about its list."""

    model: type[Base]
    columns: tuple[str, ...]
    search: tuple[str, ...]
    asked_filters: tuple[Filter, ...]
    big: bool
    walk: tuple[str, ...]
    order: str
    computed: Mapping[str, Any]
    lookups: dict[str, Lookup]
    list_template: str
    slug: str
    category: str
    render: Callable[..., str]
    get_url: Callable[..., str]

    def base_query(self) -> Select[Any]:
        """Return the rows this screen may ever show; its single record, its exports and its operations obey
        it too.
        """
        return select(self.model, *(make().label(name) for name, make in self.computed.items()))

    def shown_query(self) -> Select[Any]:
        """Return all rows of the screen with what the list shows of them."""
        return self.base_query().options(*loading.options(self.model, self.columns))

    def listed(self, args: Mapping[str, str]) -> Select[Any]:
        """Return the rows that the search and the filters of an address leave."""
        query = self.shown_query()
        term = args.get("search", "").strip()
        if term:
            query = query.where(matches(self.model, self.search, term))
        return query.where(*self.conditions(args))

    def conditions(self, args: Mapping[str, str]) -> list[ColumnElement[bool]]:
        """Return what the filters of an address ask."""
        asked = (one.condition(self.model, args) for one in self.asked_filters)
        return [condition for condition in asked if condition is not None]

    def page(self, args: Mapping[str, str]) -> paging.Page:
        """Return one page of the list."""
        query = self.listed(args)
        if self.big:
            narrowed = any(args.get(name) for one in self.asked_filters for name in _names(one)) or args.get(
                "search"
            )
            total = None if narrowed else paging.estimate(self.model)
            found = paging.by_key(
                query, self.walk_keys(args), args.get("after", ""), args.get("before", ""), PAGE_SIZE, total
            )
        else:
            number = args.get("page", "0")
            number_ok = number.isdecimal() and len(number) < 7
            order = self.ordering(args)
            found = paging.by_number(
                query.order_by(*order),
                self.shown_query().order_by(*order),
                self.key_attributes(),
                int(number) if number_ok else 0,
                PAGE_SIZE,
            )
        for row in found.rows:
            self.attach(row)
        return found

    def walk_keys(self, args: Mapping[str, str]) -> tuple[InstrumentedAttribute[Any], ...]:
        """Return the columns a big list is walked by, newest first."""
        return tuple(getattr(self.model, name) for name in self.walk)

    def ordering(self, args: Mapping[str, str]) -> list[Any]:
        """Return the order of a small list: what the address asks, else the screen's own, and the key last so
        that pages never overlap. What has no value stands where the database puts it: only so an index has
        the order.
        """
        asked, descending = args.get("sort", ""), bool(args.get("desc"))
        if not self.is_orderable(asked):
            asked, descending = self.order.lstrip("-"), self.order.startswith("-")
        chosen = [getattr(self.model, asked)] if asked else []
        return [one.desc() if descending else one.asc() for one in [*chosen, *self.key_attributes()]]

    def key_attributes(self) -> tuple[InstrumentedAttribute[Any], ...]:
        """Return the attributes of the primary key."""
        columns = keys.key_columns(self.model)
        names = (mapper_of(self.model).get_property_by_column(column).key for column in columns)
        return tuple(getattr(self.model, name) for name in names)

    def is_orderable(self, name: str) -> bool:
        """Tell whether a list can be put in the order of this column: an index has it, or rows are few."""
        if personal.is_named(name) and personal.is_hidden():
            return False
        column = column_of(self.model, name) if name in self.columns and "." not in name else None
        if column is None or self.big or isinstance(column.type, loading.HEAVY):
            return False
        return self.category in SHORT or is_in_order(column)

    def attach(self, row: Any) -> Base:
        """Return the record of a result row, with what was computed beside it set on it."""
        record: Base = row[0]
        for name, value in zip(self.computed, row[1:], strict=True):
            setattr(record, name, value)
        return record

    def filter_note(self, args: Mapping[str, str]) -> str:
        """Return what a reader of the filters should know, nothing by default."""
        return ""

    def list_address(self, **changes: Any) -> str:
        """Return the address of this list with some arguments changed; None takes one away."""
        wanted = {**request.args.to_dict(), **changes}
        given = {name: value for name, value in wanted.items() if value not in (None, "")}
        # Not by `url_for`, to which a forged argument such as `_external` would be its own.
        return self.get_url(".index_view") + (f"?{urlencode(given, safe=SAFE)}" if given else "")

    def order_address(self, name: str) -> str:
        """Return the address that puts the list in the order of a column, turning it where it already is."""
        turned = self.sorted_by(name) == "ascending"
        return self.list_address(sort=name, desc="1" if turned else None, **dict.fromkeys(PAGING))

    def sorted_by(self, name: str) -> str:
        """Return `ascending` or `descending` where the list is in the order of this column, else `none`, as
        `aria-sort` says it.
        """
        asked = request.args.get("sort", "")
        current, down = (
            (asked, bool(request.args.get("desc")))
            if self.is_orderable(asked)
            else (self.order.lstrip("-"), self.order.startswith("-"))
        )
        return "none" if name != current else "descending" if down else "ascending"

    @expose("/")
    def index_view(self) -> str:
        """Show the list."""
        return self.render(
            self.list_template,
            page=self.page(request.args),
            filters=[self.with_label(one.asked(request.args)) for one in self.asked_filters],
            term=request.args.get("search", ""),
            narrowed=any(name not in {*PAGING, "sort", "desc"} for name in request.args),
        )

    def with_label(self, one: Filter) -> Filter:
        """Return a look-up filter with the label of the record that it asks for."""
        if one.kind != "lookup" or not one.values:
            return one
        found = self.lookups[one.name].get_one(one.values[one.name])
        return Filter(
            one.name,
            one.label,
            one.kind,
            target=one.target,
            values=one.values,
            shown=str(found) if found else "not found",
        )

    @expose("/export/<export_type>/")
    def export(self, export_type: str) -> Response:
        """Send the list as a CSV file: the same rows as on the screen, at most 10,000, gathered before the
        first byte leaves.
        """
        if export_type != "csv":
            raise NotFound("Exports are CSV files.")
        names = [
            name
            for name in self.columns
            if formatters.exported(self.model, name) and name not in self.computed
        ]
        query = self.listed(request.args)
        query = query.order_by(
            *(
                [key.desc() for key in self.walk_keys(request.args)]
                if self.big
                else self.ordering(request.args)
            )
        )
        sheet = io.StringIO()
        writer = csv.writer(sheet)
        writer.writerow([label_of(name) for name in names])
        for row in db.session.execute(query.limit(EXPORT_LIMIT)):
            writer.writerow([formatters.plain(row[0], name) for name in names])
        name = secure_filename(f"{self.slug}-{clock.now():%Y%m%d-%H%M%S}.csv")
        return Response(
            "\ufeff" + sheet.getvalue(),
            mimetype="text/csv",
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )

    @expose("/ajax/lookup/")
    def ajax_lookup(self) -> Response:
        """Answer a look-up with at most 20 pairs of id and label, whatever limit is asked for."""
        lookup = self.lookups.get(request.args.get("name", ""))
        if lookup is None:
            raise NotFound("There is nothing to look up by this name.")
        found = lookup.get_list(
            request.args.get("query", "").strip(), limit=request.args.get("limit", 10, type=int)
        )
        return jsonify([lookup.format(row) for row in found])


def _names(one: Filter) -> tuple[str, ...]:
    return (f"{one.name}_from", f"{one.name}_until") if one.kind == "period" else (one.name,)


def derive_all(
    model: type[Base], asked: tuple[str | Filter, ...], labels: Mapping[str, str]
) -> tuple[Filter, ...]:
    """Return the filters of a screen, completed from its model and in the screen's words."""
    found = [derive(model, one) for one in asked]
    return tuple(replace(one, label=labels.get(one.name, one.label)) for one in found)
