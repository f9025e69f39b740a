"""The filters that a person keeps: offered beside each list, managed on a page of their own.

A list does not read them: they are fetched when somebody opens the menu (js/saved_filters.js), or by the
page.
"""

from typing import Any
from urllib.parse import parse_qsl, urlencode
from uuid import UUID

from flask import current_app, flash, redirect, request, url_for
from flask_admin import BaseView, expose
from flask_login import current_user
from werkzeug.wrappers import Response

from admin_views.access import current_actor, may, require
from admin_views.base import ModelScreen, StaffView
from admin_views.registry import screen
from app.db import in_transaction
from app.errors import DomainError, NotFound
from app.models import SavedFilter
from app.permissions import Verb
from app.services import saved_filters

ORDER = ("search", "sort", "desc")


@screen(
    SavedFilter, category="Settings", resource="users", title="Saved filters", icon="filter", listed=False
)
class SavedFilterScreen(ModelScreen):
    """Everybody's filters, for who looks after the people."""

    column_list = ("name", "screen", "user", "shared", "updated_at")
    search = ("name",)
    filters = ("screen", "user", "shared")
    empty = "Open Saved filters beside a list and keep the filters that you use."
    order = "-updated_at"


class FiltersView(StaffView, BaseView):
    """The menu and the page of the filters of one list."""

    resource = "profile"
    in_sidebar = False

    def __init__(self) -> None:
        super().__init__(name="Saved filters", endpoint="admin_filters", url="filters")

    def _handle_view(self, name: str, /, **_: Any) -> None:
        require(self.resource, Verb.write)

    @expose("/")
    def index(self) -> str:
        """Show the filters of a list, to apply, rename and delete."""
        return self._show("admin/saved_filters.html")

    @expose("/menu/")
    def offer(self) -> str:
        """Answer with the menu beside a list alone."""
        return self._show("admin/parts/saved_filters.html")

    @expose("/save/", methods=("POST",))
    def save(self) -> Response:
        """Keep what a list is narrowed to."""
        view = _list_of(request.form.get("screen", ""))
        asked = dict(parse_qsl(request.form.get("asked", "")))
        shared = "shared" in request.form and may(view.resource, Verb.write)
        self._attempt(
            lambda: saved_filters.save(
                current_user.id,
                view.slug,
                request.form.get("name", ""),
                asked,
                known=_known(view),
                shared=shared,
                actor=current_actor(),
            ),
            "The filter is kept.",
        )
        return redirect(_address(view, saved_filters.known_only(asked, _known(view))))

    @expose("/<uuid:filter_id>/rename/", methods=("POST",))
    def rename(self, filter_id: UUID) -> Response:
        """Give one of the person's filters another name."""
        kept = saved_filters.own(current_user.id, filter_id)
        back = url_for("admin_filters.index", screen=kept.screen)
        name = request.form.get("name", "")
        self._attempt(
            lambda: saved_filters.rename(
                saved_filters.own(current_user.id, filter_id), name, actor=current_actor()
            ),
            "The filter has its new name.",
        )
        return redirect(back)

    @expose("/<uuid:filter_id>/delete/", methods=("POST",))
    def delete(self, filter_id: UUID) -> Response:
        """Delete one of the person's filters."""
        back = url_for("admin_filters.index", screen=saved_filters.own(current_user.id, filter_id).screen)
        self._attempt(
            lambda: saved_filters.remove(
                saved_filters.own(current_user.id, filter_id), actor=current_actor()
            ),
            "The filter is deleted.",
        )
        return redirect(back)

    def _attempt(self, work: Any, told: str) -> None:
        try:
            in_transaction(work)
        except DomainError as error:
            flash(error.message, "error")
        else:
            flash(told, "success")

    def _show(self, template: str) -> str:
        view = _list_of(request.args.get("screen", ""))
        known = _known(view)
        asked = saved_filters.known_only(request.args.to_dict(), known)
        kept = saved_filters.offered(current_user.id, view.slug)
        return self.render(
            template,
            view=view,
            list_address=_address(view, {}),
            kept=[(one, _address(view, saved_filters.known_only(one.arguments, known))) for one in kept],
            me=current_user.id,
            asked=asked,
            may_share=may(view.resource, Verb.write),
        )


def _list_of(slug: str) -> ModelScreen:
    """Return the screen that a filter is of, if the person may open it.

    Raises:
        NotFound: there is none.
        Forbidden: the person may not.
    """
    for view in current_app.extensions["admin_screens"].values():
        if view.slug == slug:
            require(view.resource, Verb.read)
            found: ModelScreen = view
            return found
    raise NotFound("There is no such list.")


def _address(view: ModelScreen, asked: dict[str, str]) -> str:
    """Return the address of a list that is narrowed to what is asked."""
    address = url_for(f"{view.endpoint}.index_view")
    return f"{address}?{urlencode(asked)}" if asked else address


def _known(view: ModelScreen) -> frozenset[str]:
    """Return the names of the arguments that a list understands."""
    periods = [one.name for one in view.asked_filters if one.kind == "period"]
    plain = [one.name for one in view.asked_filters if one.kind != "period"]
    ends = [f"{name}_{end}" for name in periods for end in ("from", "until")]
    return frozenset((*plain, *ends, *ORDER))
