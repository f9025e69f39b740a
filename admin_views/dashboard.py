"""The dashboard of specification 6.3.1: real figures, each a link to what it is made of."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from flask import request, url_for
from flask_admin import AdminIndexView, expose

from admin_views.access import may
from admin_views.base import StaffView
from app import clock
from app.permissions import Verb
from app.services import reports
from app.templating import current_zone


def quick_actions() -> list[dict[str, str]]:
    """Return what the person starts most often."""
    if not may("billing", Verb.write):
        return []
    return [
        {
            "label": "New invoice",
            "icon": "file-plus",
            "url": url_for("admin_invoices.generate_view"),
        },
        {
            "label": "Start a billing run",
            "icon": "player-play",
            "url": url_for("admin_billing-runs.operation_view", operation="start"),
        },
        {"label": "Import data", "icon": "file-import", "url": url_for("admin_import.index")},
    ]


class Dashboard(StaffView, AdminIndexView):
    """The first page of the back office."""

    resource = "billing"
    icon = "layout-dashboard"

    def __init__(self) -> None:
        super().__init__(name="Dashboard", endpoint="admin", url="/admin")

    @expose("/")
    def index(self) -> str:
        """Show how the business and the machinery do."""
        zone = current_zone()
        now: datetime = clock.now()
        today = now.astimezone(ZoneInfo(zone)).date()
        revenue = reports.revenue(today)
        pending = reports.pending_invoices(today)
        found = [*(one.currency for one in revenue), *(one.currency for one in pending)]
        currencies = list(dict.fromkeys(found)) or ["INR"]
        asked = request.args.get("currency", "")
        currency = asked if asked in currencies else currencies[0]
        values: dict[str, Any] = {
            "now": now,
            "revenue": revenue,
            "pending": pending,
            "currencies": currencies,
            "currency": currency,
            "revenue_chart": reports.revenue_by_month(currency, today),
            "usage_chart": reports.usage_by_day(today, zone),
            "customers": reports.customers(),
            "low": reports.low_wallets(),
            "activity": reports.recent_activity() if may("audit", Verb.read) else [],
            "health": reports.health(),
            "may_edit_customers": may("customers", Verb.write),
            "quick_actions": quick_actions(),
        }
        return self.render("admin/index.html", **values)
