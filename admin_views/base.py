"""`ModelScreen`: a screen for a model, derived from its columns. A screen file states the exceptions, as
data.

    @screen(Invoice, category="Billing")
    class InvoiceScreen(ModelScreen):
        column_list = ("number", "account", "status", "total", "issued_on")
        operations = (Operation("issue", "Issue", run=invoices.issue, confirm="Issue the selected drafts?"),)

Everything else follows: labels, links, money with its currency, instants in the reader's zone, search,
filters, pages, the joins a page needs, look-ups, exports, history, and the permission of every route. The
pitfalls of Flask-Admin are cured here, once.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from flask import current_app, url_for
from flask_admin.contrib.sqla import ModelView
from flask_login import current_user
from markupsafe import Markup, escape
from sqlalchemy import ColumnElement

from admin_views import formatters, loading
from admin_views.access import may, require, require_recent_sign_in
from admin_views.filters import Filter
from admin_views.keys import key_columns, key_of
from admin_views.listing import ListRoutes, derive_all
from admin_views.lookups import Lookup, default_search
from admin_views.naming import in_sentence, label_of, mapper_of, noun_of, relations, visible_columns
from admin_views.operations import Operation, OperationRoutes
from admin_views.queues import PREFIX
from admin_views.records import Download, RecordRoutes, Related
from admin_views.registry import CATEGORIES
from admin_views.saving import Writes
from app.db import Base, db
from app.errors import NotFound
from app.permissions import Verb
from app.services import attention
from app.services.attention import Waiting
from app.templating import address, words

READING = frozenset({"index", "index_view", "details_view", "download_view", "export", "ajax_lookup"})
FLAGS = {
    "create_view": "can_create",
    "edit_view": "can_edit",
    "delete_view": "can_delete",
    "ajax_update": "can_edit",
}
LONGEST_LIST = 7
TITLES = {"name", "number", "code", "summary", "period"}


class StaffView:
    """What every page of the back office shares: its gate, and the sidebar."""

    resource: str
    endpoint: str
    in_sidebar = True
    # A page behind the lists of its heading, not before them.
    behind = False

    # The views that ask who signed in long ago to do it again first.
    needs_recent_sign_in: ClassVar[frozenset[str]] = frozenset()

    def is_accessible(self) -> bool:
        """Tell whether the person who is looking may open this page."""
        return may(self.resource, Verb.read)

    def _handle_view(self, name: str, /, **_: Any) -> None:
        require(self.resource, Verb.read if name in READING else Verb.write)
        if not getattr(self, FLAGS.get(name, ""), True):
            raise NotFound("There is no form for this: it changes through its operations only.")
        if name in self.needs_recent_sign_in:
            require_recent_sign_in()

    def _run_view(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return fn(self, *args, **kwargs)

    def render(self, template: str, **values: Any) -> str:
        """Render a page with the sidebar and the rights of the person."""
        values.setdefault("may_write", may(self.resource, Verb.write))
        waiting = attention.waiting_for(current_user)
        sidebar = navigation(self.endpoint, waiting)
        page: str = super().render(template, waiting=waiting, navigation=sidebar, **values)  # type: ignore[misc]
        return page


class ModelScreen(StaffView, ListRoutes, RecordRoutes, OperationRoutes, ModelView):
    """A screen of one model. Read-only unless `form_columns` name what a form may change."""

    declared: ClassVar[dict[str, Any]] = {}

    # The list. A related column is shown by its label and fetched by a join: "account", "account.customer".
    column_list: tuple[str, ...] = ()
    search: tuple[str, ...] = ()
    filters: tuple[str | Filter, ...] = ()
    order: str = ""
    big: bool = False
    drawer: bool = False
    walk: tuple[str, ...] = ()
    computed: Mapping[str, Callable[[], ColumnElement[Any]]] = {}
    formats: Mapping[str, Callable[[Any], Markup]] = {}
    labels: Mapping[str, str] = {}
    inline: tuple[str, ...] = ()
    intro: str = ""
    # What an empty list says: what there is none of, if not its title, and what to do about it.
    none_yet: str = ""
    empty: str = ""
    list_parts: tuple[str, ...] = ()

    # The record.
    details: tuple[str, ...] = ()
    related: tuple[Related, ...] = ()
    downloads: tuple[Download, ...] = ()
    parts: tuple[str, ...] = ()
    operations: tuple[Operation, ...] = ()
    # The operations with inputs that are offered for many rows at once, with the same inputs for all.
    bulk_inputs: tuple[str, ...] = ()
    form_columns: tuple[str, ...] = ()
    edit_columns: tuple[str, ...] = ()
    writes = Writes()

    can_create = False
    can_edit = False
    can_delete = False
    can_view_details = True
    can_export = True
    column_auto_select_related = False

    def __init__(self, model: type[Base], declared: Mapping[str, Any]) -> None:
        self.resource: str = declared["resource"]
        self.slug: str = declared["slug"]
        self.icon: str = declared["icon"]
        self.place: int = declared["place"]
        self.in_sidebar: bool = declared.get("listed", True)
        self.noun = noun_of(model)
        self.title: str = declared["title"] or _plural(self.noun)
        super().__init__(
            model,
            db,
            name=self.title,
            category=declared["category"],
            endpoint=f"admin_{self.slug}",
            url=self.slug,
        )

    def _refresh_cache(self) -> None:
        model = self.model
        hidden = set(self.computed)
        self.columns = self.column_list or tuple(visible_columns(model)[:LONGEST_LIST])
        self.details = self.details or tuple(name for name in visible_columns(model) if name not in hidden)
        self.search = self.search or default_search(model)
        self.asked_filters = derive_all(model, self.filters, self.labels)
        keys = [mapper_of(model).get_property_by_column(column).key for column in key_columns(model)]
        self.walk = self.walk or tuple(keys)
        self.order = self.order or (
            "-created_at" if "created_at" in mapper_of(model).column_attrs else f"-{keys[0]}"
        )
        asked = {
            one.name: one.target
            for one in self.asked_filters
            if one.kind == "lookup" and one.target is not None
        }
        related = [name for name in (*self.form_columns, *self.edit_columns) if name in relations(model)]
        chosen = {name: relations(model)[name].mapper.class_ for name in related}
        self.lookups = {name: Lookup(name, target) for name, target in {**asked, **chosen}.items()}
        for one in self.operations:
            self.lookups.update(one.lookups())
        # Flask-Admin's own caches, which its constructor reads.
        self._list_columns = [(name, label_of(name)) for name in self.columns]
        self._form_ajax_refs = self.lookups

    def count_waiting(self, waiting: Waiting) -> int:
        """Return how many of the records wait for the person who is looking; the sidebar shows the number."""
        return 0

    def told_intro(self) -> str:
        """Return what the list says of itself under its title."""
        return self.intro

    def heading(self, name: str) -> str:
        """Return the heading of a column."""
        return self.labels.get(name) or label_of(name)

    def cell(self, record: Base, name: str, *, full: bool = False) -> Markup:
        """Return a value as it reads in the list, or in full on the record's page."""
        made = self.formats.get(name)
        return made(record) if made is not None else formatters.cell(self.model, record, name, full=full)

    def leading_cell(self, record: Base, name: str) -> Markup:
        """Return the first cell of a row as it reads inside the link to the record."""
        shown = self.cell(record, name)
        return escape(shown.striptags()) if "<a " in shown else shown

    def list_columns(self) -> list[tuple[str, bool, bool]]:
        """Return the columns of the list, each with whether it holds numbers and can be edited in place."""
        return [(name, self.is_number(name), name in self.inline) for name in self.columns]

    def page_address(self, key: str) -> str:
        """Return the address of the page of a record."""
        return formatters.page_of(self.endpoint, key)

    def is_number(self, name: str) -> bool:
        """Tell whether a column stands at the end of its cell."""
        return loading.is_numeric(self.model, name)

    def key_of(self, record: Base) -> str:
        """Return a record's key in addresses."""
        return key_of(record)

    def label_of_record(self, record: Base) -> str:
        """Return the title of a record's page: its own label, or what it is."""
        has_label = "__str__" in vars(type(record))
        return formatters.called(record) if has_label else words(self.noun)

    def details_shown(self, record: Base, meta: Sequence[str]) -> list[str]:
        """Return the columns of a page that its title, its badge and its `meta` do not say already."""
        said = {*meta, "status", "state"}
        title = self.label_of_record(record)
        return [
            name
            for name in self.details
            if name not in said and not (name in TITLES and getattr(record, name) == title)
        ]

    @property
    def search_hint(self) -> str:
        """What the search box finds, in words."""
        headings = [self.heading(name.lstrip("=")) for name in self.search]
        sought = ", ".join(in_sentence(text) for text in dict.fromkeys(headings))
        return f"Search by {sought.replace('started by', 'who started it')}"

    def lookup_address(self, name: str) -> str:
        """Return where the look-up of a field or a filter is answered."""
        return url_for(f"{self.endpoint}.ajax_lookup", name=name)

    def field_for(self, name: str) -> Any:
        """Return the field that edits a cell of the list."""
        return self._form(None, None, (name,))[name]

    def screen_of(self, model: type[Base]) -> "ModelScreen | None":
        """Return the screen that shows a model."""
        found: ModelScreen | None = current_app.extensions["admin_screens"].get(model)
        return found

    def init_search(self) -> bool:
        """Search is ours: by prefix, see `admin_views.filters`."""
        return bool(self.search)

    def init_actions(self) -> None:
        """Operations take the place of Flask-Admin's actions; nothing is deleted in bulk."""
        self._actions: list[Any] = []
        self._actions_data: dict[str, Any] = {}


def _plural(noun: str) -> str:
    if noun.endswith("ed"):
        return words(noun)
    ending = (
        "ies"
        if noun.endswith("y") and noun[-2] not in "aeiou"
        else "es"
        if noun.endswith(("s", "x"))
        else "s"
    )
    text = noun[:-1] + ending if ending == "ies" else noun + ending
    return text[:1].upper() + text[1:]


def navigation(current: str, waiting: Waiting) -> list[tuple[str, list[dict[str, Any]]]]:
    """Return the sidebar of the person who is looking: headings with the screens that they may open."""
    groups: dict[str, list[dict[str, Any]]] = {category: [] for category in CATEGORIES}
    views = sorted(
        current_app.extensions["admin_screens"].values(), key=lambda view: (view.place, view.title)
    )
    for view in views:
        if view.in_sidebar and view.is_accessible():
            to_list = address(f"{view.endpoint}.index_view")
            active = view.endpoint == current
            item = {"label": view.title, "url": to_list, "icon": view.icon, "active": active}
            groups[view.category].append({**item, "count": view.count_waiting(waiting)})
    if may("operations", Verb.read):
        queues = {"label": "Job queues", "url": f"{PREFIX}/", "icon": "server", "active": False}
        groups["Operations"].append(queues)
    for view in current_app.extensions["admin_pages"]:
        if view.in_sidebar and view.is_accessible():
            to_page = address(f"{view.endpoint}.index")
            item = {"label": view.name, "url": to_page, "icon": view.icon, "active": view.endpoint == current}
            group = groups.setdefault(view.category or "", [])
            group.insert(len(group) if view.behind else 0, item)
    overview = groups.pop("", [])
    return [("", overview), *((category, items) for category, items in groups.items() if items)]
