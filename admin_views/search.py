"""The search in the header of every page: one box for names, numbers and ids of all kinds.

It works as a page; with scripts (js/search.js) the results stand beneath the box while one types.
"""

from typing import Any

from flask import redirect, request, url_for
from flask_admin import BaseView, expose

from admin_views.access import may, require
from admin_views.base import StaffView
from app import personal
from app.permissions import Verb
from app.services import search
from app.services.search import EVENT, Found, Hit

# Where a record of each kind has its page.
SCREENS = {
    "customer": "customers",
    "account": "accounts",
    "invoice": "invoices",
    "voucher": "vouchers",
    "payment": "payments",
    "subscription": "subscriptions",
    "api_key": "api-keys",
    "request": "audit",
}


class SearchView(StaffView, BaseView):
    """The page at /admin/search/ and the list beneath the box."""

    resource = "customers"

    def __init__(self) -> None:
        super().__init__(name="Search", endpoint="admin_search", url="search")

    def _handle_view(self, name: str, /, **_: Any) -> None:
        require(self.resource, Verb.read)

    @expose("/")
    def index(self) -> Any:
        """Show what a term leads to; where it is one record only, go there."""
        found = self.found()
        if found.count == 1 and not found.unsure:
            return redirect(self.address_of(found.groups[0].hits[0]))
        return self.render("admin/search.html", found=found, shortest=search.SHORTEST)

    @expose("/hits/")
    def hits(self) -> Any:
        """Answer with the list beneath the box alone."""
        return self.render("admin/parts/search_hits.html", found=self.found(), shortest=search.SHORTEST)

    def found(self) -> Found:
        """Return what the term of the address leads to, within the rights of the person."""
        return search.find(request.args.get("q", ""), allowed=lambda resource: may(resource, Verb.read))

    def address_of(self, hit: Hit) -> str:
        """Return the address of what was found."""
        if hit.kind == EVENT:
            return url_for("admin_usage-events.index_view", event_id=hit.id)
        return url_for(f"admin_{SCREENS[hit.kind]}.details_view", id=hit.id)

    def detail_of(self, hit: Hit) -> str:
        """Return what stands beside the title, as the person may see it."""
        return str(personal.shown("detail", hit.detail or ""))
