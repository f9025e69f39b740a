"""One record of a screen: its page with everything that hangs on it, its forms, and the editing of harmless
cells in the list.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from flask import Response, flash, jsonify, redirect, request, url_for
from flask_admin import expose
from flask_admin.form import BaseForm
from sqlalchemy import ColumnElement, Select, select
from werkzeug.utils import secure_filename
from werkzeug.wrappers import Response as BaseResponse

from admin_views import audit_diff, convert, keys, loading, saving
from admin_views.access import may
from admin_views.formatters import cell
from admin_views.lookups import Lookup
from admin_views.naming import local_key, mapper_of, noun_of, relations
from admin_views.panels import Link, Panel
from app import personal
from app.db import Base, db
from app.errors import NotFound
from app.models import AuditRecord
from app.permissions import Verb
from app.services import audit
from app.templating import words

HISTORY = 12


@dataclass(frozen=True)
class Related:
    """A list of other records on a record's page: those of `model` whose `by` leads to it (`account_id`,
    `account.customer_id`).
    """

    model: type[Base]
    by: str
    columns: tuple[str, ...] = ()
    title: str = ""
    limit: int = 10
    empty: str = "None yet."


@dataclass(frozen=True)
class Download:
    """A document of a record: `load(record)` returns its bytes, `file_name(record)` how a person saves it.

    One that is `personal` names customers in full, and is not offered to those who do not see that.
    """

    name: str
    label: str
    load: Callable[[Any], bytes]
    file_name: Callable[[Any], str]
    content_type: str
    when: Callable[[Any], bool] = lambda record: True
    personal: bool = False


class RecordRoutes:
    """What `ModelScreen` knows about single records."""

    model: type[Base]
    resource: str
    details: tuple[str, ...]
    related: tuple[Related, ...]
    downloads: tuple[Download, ...]
    inline: tuple[str, ...]
    form_columns: tuple[str, ...]
    edit_columns: tuple[str, ...]
    writes: saving.Writes
    lookups: dict[str, Lookup]
    can_edit: bool
    create_template: str
    edit_template: str
    details_template: str
    render: Callable[..., str]
    address: Callable[[Base | None], str]
    base_query: Callable[[], Select[Any]]
    attach: Callable[[Any], Base]
    screen_of: Callable[[type[Base]], Any]

    def get_one(self, key: str) -> Base:
        """Return the record with this key, if this screen may show it.

        Raises:
            NotFound: there is none, it is out of this screen's sight, or the key is malformed.
        """
        mine = [
            column == value
            for column, value in zip(keys.key_columns(self.model), keys.find(self.model, key), strict=True)
        ]
        query = self.base_query().where(*mine)
        row = db.session.execute(
            query.options(*loading.options(self.model, self.details, strict=False))
        ).first()
        if row is None:
            raise NotFound(f"There is no such {noun_of(self.model)}.")
        return self.attach(row)

    @expose("/details/")
    def details_view(self) -> Any:
        """Show a record and what hangs on it."""
        record = self.get_one(request.args.get("id", ""))
        return self.render(
            self.details_template,
            record=record,
            panels=[panel for one in self.related if (panel := self.panel(one, record))],
            history=self.history(record),
            history_address=self.history_address(record),
            changes_of=audit_diff.changes,
        )

    def panel(self, one: Related, record: Base) -> Panel | None:
        """Return the related records, in the words of their own screen; None where there is none or the
        person may not read them.
        """
        view = self.screen_of(one.model)
        if view is None or not may(view.resource, Verb.read):
            return None
        names = one.columns or view.columns
        (newest,) = keys.key_columns(one.model)
        query = (
            select(one.model)
            .where(_leads_to(one.model, one.by, record))
            .options(*loading.options(one.model, names))
        )
        rows = list(db.session.scalars(query.order_by(newest.desc()).limit(one.limit + 1)))
        more = None
        name = _relation_named(one.model, one.by)
        if len(rows) > one.limit and name in {asked.name for asked in view.asked_filters}:
            asked: dict[str, Any] = {name: keys.key_of(record)}
            more = url_for(f"{view.endpoint}.index_view", **asked)
        return Panel(one.title or view.title, view, names, rows[: one.limit], more, one.empty)

    def history(self, record: Base) -> list[AuditRecord]:
        """Return the latest audit records of a record, newest first."""
        if not may("audit", Verb.read) or isinstance(record, AuditRecord):
            return []
        query = select(AuditRecord).where(
            AuditRecord.resource_type == type(record).__name__,
            AuditRecord.resource_id == audit.identity(record),
        )
        return list(
            db.session.scalars(query.order_by(AuditRecord.at.desc(), AuditRecord.id.desc()).limit(HISTORY))
        )

    def history_address(self, record: Base) -> str:
        """Return the list of everything that happened to a record."""
        kind, key = type(record).__name__, audit.identity(record)
        return audit_diff.trail_address(resource_type=kind, resource_id=key)

    @expose("/download/<document>/")
    def download_view(self, document: str) -> Response:
        """Send a document of a record."""
        record = self.get_one(request.args.get("id", ""))
        for one in self.offered_downloads(record):
            if one.name == document:
                disposition = f'inline; filename="{secure_filename(one.file_name(record))}"'
                return Response(
                    one.load(record), mimetype=one.content_type, headers={"Content-Disposition": disposition}
                )
        raise NotFound("There is no such document of this record.")

    def links(self, record: Any) -> list[Link]:
        """Return the steps that begin on other pages."""
        return []

    def offered_links(self, record: Base) -> list[Link]:
        """Return those of the steps that the person may take."""
        return [one for one in self.links(record) if may(one.resource or self.resource, Verb.write)]

    def offered_downloads(self, record: Base) -> list[Download]:
        """Return the documents that a record has."""
        hidden = personal.is_hidden()
        return [one for one in self.downloads if one.when(record) and not (one.personal and hidden)]

    @expose("/new/", methods=("GET", "POST"))
    def create_view(self) -> Any:
        """Show an empty form; by POST, make the record."""
        form = self.create_form()
        if request.method == "POST" and form.validate():
            record = saving.create(self.model, form, self.writes.create)
            if record is not None:
                flash(f"{words(noun_of(self.model))} {record} created.", "success")
                return redirect(self.address(record))
        return self._form_page(self.create_template, form, None)

    @expose("/edit/", methods=("GET", "POST"))
    def edit_view(self) -> Any:
        """Show a record's form; by POST, save it."""
        record = self.get_one(request.args.get("id", ""))
        form = self.edit_form(record)
        if request.method == "POST" and form.validate() and saving.update(record, form, self.writes.update):
            flash(f"{words(noun_of(self.model))} {record} saved.", "success")
            return redirect(self.address(record))
        return self._form_page(self.edit_template, form, self.get_one(request.args.get("id", "")))

    def _form_page(self, template: str, form: BaseForm, record: Base | None) -> tuple[str, int]:
        status = 422 if request.method == "POST" else 200
        page = self.render(
            template, form=form, record=record, return_url=self.address(record), form_opts=None
        )
        return page, status

    def create_form(self, obj: Any = None) -> BaseForm:
        """Return the form for a new record."""
        given = request.form if request.method == "POST" else None
        return self._form(given, obj, self.form_columns, self._chosen() if given is None else {})

    def _chosen(self) -> dict[str, Base]:
        """Return the records that the address of an empty form names: `?customer=…`."""
        asked = {name: request.args.get(name, "") for name in self.form_columns if name in self.lookups}
        found = {name: self.lookups[name].get_one(key) for name, key in asked.items() if key}
        return {name: record for name, record in found.items() if record is not None}

    def edit_form(self, obj: Any = None) -> BaseForm:
        """Return the form for a record that is there."""
        return self._form(
            request.form if request.method == "POST" else None, obj, self.edit_columns or self.form_columns
        )

    def _form(
        self, given: Any, record: Any, names: tuple[str, ...], chosen: Mapping[str, Base] | None = None
    ) -> BaseForm:
        form: BaseForm = convert.form_class(self.model, names, self.lookups)(
            given, obj=record, data=dict(chosen or {})
        )
        return form

    @expose("/delete/", methods=("POST",))
    def delete_view(self) -> BaseResponse:
        """Delete a record; what still refers to it keeps it."""
        record = self.get_one(request.form.get("id", ""))
        label = str(record)
        if saving.remove(record):
            flash(f"{words(noun_of(self.model))} {label} deleted.", "success")
            return redirect(self.address(None))
        return redirect(self.address(self.get_one(request.form.get("id", ""))))

    @expose("/ajax/update/", methods=("POST",))
    def ajax_update(self) -> Response | tuple[Response, int]:
        """Change one harmless cell of the list; answer with how it now reads, or with what is wrong."""
        name = request.form.get("column", "")
        if name not in self.inline:
            raise NotFound("This cell cannot be edited.")
        record = self.get_one(request.form.get("id", ""))
        form = self._form(request.form, record, (name,))
        if form.validate() and saving.update(record, form, self.writes.update):
            return jsonify(html=str(cell(self.model, self.get_one(request.form["id"]), name)))
        return jsonify(
            error=" ".join(str(error) for error in form[name].errors) or "This was not saved."
        ), 422


def _relation_named(model: type[Base], by: str) -> str:
    """Return the name of the filter that asks the same as `by`: `account_id` is asked by `account`."""
    *hops, last = by.split(".")
    owner = model
    for hop in hops:
        owner = relations(owner)[hop].mapper.class_
    for name, relation in relations(owner).items():
        if (
            last in {column.key for column in relation.local_columns}
            and relation.direction.name == "MANYTOONE"
        ):
            return ".".join([*hops, name])
    return by


def _leads_to(model: type[Base], by: str, record: Base) -> ColumnElement[bool]:
    (key,) = mapper_of(type(record)).primary_key_from_instance(record)
    first, _, rest = by.partition(".")
    if not rest:
        condition: ColumnElement[bool] = getattr(model, first) == key
        return condition
    target = relations(model)[first].mapper.class_
    inner = select(target.id).where(_leads_to(target, rest, record))
    found: ColumnElement[bool] = getattr(model, local_key(model, first)).in_(inner)
    return found
