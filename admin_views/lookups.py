"""Records found while one types: for the fields of forms and the filters of lists. At most 20 at a time, by
prefix.
"""

from typing import Any

from flask_admin.model.ajax import AjaxModelLoader
from flask_admin.model.fields import AjaxSelectField
from markupsafe import Markup
from sqlalchemy import String, select
from wtforms import Form, ValidationError, widgets

from admin_views import keys, loading
from admin_views.filters import matches
from admin_views.formatters import label_of_row
from admin_views.naming import mapper_of
from app.db import Base, db
from app.errors import NotFound

MOST = 20
LIKELY_SEARCH = ("name", "code", "number", "email", "gstin")


def default_search(model: type[Base]) -> tuple[str, ...]:
    """Return what a model is searched by where its screen does not say."""
    columns = mapper_of(model).column_attrs
    there = [name for name in LIKELY_SEARCH if name in columns]
    found = [name for name in there if isinstance(columns[name].columns[0].type, String)]
    return (*found, "=external_id") if "external_id" in columns else tuple(found)


class Lookup(AjaxModelLoader):
    """The loader of one related model."""

    def __init__(self, name: str, model: type[Base], search: tuple[str, ...] = ()) -> None:
        super().__init__(name, {})
        self.model = model
        self.search = search or default_search(model)

    def format(self, model: Base | None) -> tuple[str, str] | None:
        """Return the id and the label of a record."""
        return None if model is None else (keys.key_of(model), label_of_row(model))

    def get_one(self, pk: Any) -> Base | None:
        """Return the record with this id, None where there is none or the id is malformed."""
        try:
            values = keys.find(self.model, str(pk))
        except NotFound:
            return None
        with db.session.no_autoflush:
            return db.session.get(self.model, tuple(values))

    def get_list(self, query: str, offset: int = 0, limit: int = MOST) -> list[Base]:
        """Return at most 20 records whose searched columns start with `query`, in the order of their labels'
        first column.
        """
        statement = select(self.model).options(*loading.options(self.model, self.search_names()))
        if query:
            statement = statement.where(matches(self.model, self.search, query))
        order = [getattr(self.model, name) for name in self.search_names() if "." not in name][:1] or list(
            keys.key_columns(self.model)
        )
        rows = db.session.scalars(statement.order_by(*order).limit(max(1, min(limit, MOST))))
        return list(rows)

    def search_names(self) -> list[str]:
        """Return the searched columns without their marks."""
        return [name.lstrip("=") for name in self.search]


class LookupWidget:
    """A box that looks records up while one types (js/lookup.js); the chosen id rides in a hidden input."""

    def __call__(self, field: "LookupField", **attributes: Any) -> Markup:
        """Render the field."""
        row = field.data
        chosen = field.loader.format(row) if row is not None else None
        attributes.pop("class", None)
        invalid = " is-invalid" if field.errors else ""
        described = widgets.html_params(**attributes)
        return Markup(
            '<div class="lookup" data-lookup="{name}"><input type="hidden" name="{name}" value="{key}">'
            '<input type="text" class="form-control{invalid}" id="{id}" value="{label}" role="combobox"'
            ' autocomplete="off" aria-expanded="false" aria-autocomplete="list" aria-controls="{id}-list"'
            ' placeholder="Type to search" {described}>'
            '<ul class="lookup-list" id="{id}-list" role="listbox" aria-label="{title}" hidden></ul></div>'
        ).format(
            name=field.name,
            key=chosen[0] if chosen else "",
            id=field.id,
            label=chosen[1] if chosen else "",
            invalid=invalid,
            described=Markup(described),  # noqa: S704  (escaped by WTForms)
            title=field.label.text,
        )


class LookupField(AjaxSelectField):
    """A related record, chosen by looking it up; what is written is its id, so that the audit sees it."""

    widget = LookupWidget()

    def __init__(self, loader: Any, *, column: str = "", **options: Any) -> None:
        self.column = column
        super().__init__(loader, **options)

    def pre_validate(self, form: Form) -> None:
        """Refuse an id that no record has, also where the field may be blank."""
        given = bool(getattr(self, "_formdata", None))
        if self.data is None and (given or not self.allow_blank):
            raise ValidationError("Choose a record from the list.")

    def populate_obj(self, obj: Any, name: str) -> None:
        """Set the foreign key."""
        setattr(obj, self.column, None if self.data is None else self.data.id)
