"""One page that leads to everything that is set: for who does not know yet where a setting stands."""

from typing import Any

from flask import current_app, url_for
from flask_admin import BaseView, expose

from admin_views.access import may, require
from admin_views.base import StaffView
from app.permissions import Verb

# (heading, (endpoint, title, what is set there)); who may not open one does not see it.
GROUPS = (
    (
        "Tax and documents",
        (
            ("seller-registrations", "Registrations", "The GSTINs that documents are issued from."),
            ("letters-of-undertaking", "Letters of undertaking", "Exports without tax, by financial year."),
            ("tax-rates", "Tax rates", "By country and service code, from a day on."),
            ("tax-collectors", "Taxes collected abroad", "Where you are registered besides India."),
            ("invoice-series", "Number series", "Prefixes and consecutive numbers of documents."),
            ("exchange-rates", "Exchange rates", "What other currencies are in rupees."),
        ),
    ),
    (
        "Money and people",
        (
            ("approval-limits", "Approval limits", "Above which amount a second person decides."),
            ("users", "Users", "Who signs in, and as what."),
            ("api-keys", "API keys", "The services that call, and what each may do."),
        ),
    ),
)


class SettingsView(StaffView, BaseView):
    """The page at /admin/settings/."""

    resource = "settings"
    icon = "settings"

    def __init__(self) -> None:
        super().__init__(name="All settings", category="Settings", endpoint="admin_settings", url="settings")

    def _handle_view(self, name: str, /, **_: Any) -> None:
        require(self.resource, Verb.read)

    @expose("/")
    def index(self) -> str:
        """Show where everything is set."""
        screens = {view.slug: view for view in current_app.extensions["admin_screens"].values()}
        groups = [
            (
                heading,
                [
                    (url_for(f"{screens[slug].endpoint}.index_view"), screens[slug].icon, title, told)
                    for slug, title, told in entries
                    if may(screens[slug].resource, Verb.read)
                ],
            )
            for heading, entries in GROUPS
        ]
        own = [
            (url_for("admin_brand.index"), "star", "Branding", "Name, logo and colour for customers."),
            (url_for("admin_preferences.index"), "bell", "Alerts", "What you are told, and what by mail."),
            (url_for("admin_data_care.index"), "archive", "Data care", "What is kept, and for how long."),
        ]
        return self.render("admin/settings.html", groups=[*groups, ("Look and care", own)])
