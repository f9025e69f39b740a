"""Puts the back office together for one application."""

import sys
from typing import Any

from flask import Flask
from flask_admin import Admin
from flask_admin.theme import Bootstrap4Theme
from flask_babel import Babel
from sqlalchemy.dialects.postgresql import JSONB

from admin_views import queues
from admin_views.archives import DataCareView
from admin_views.base import ModelScreen
from admin_views.billing_console import BillingConsoleView
from admin_views.branding import BrandingView
from admin_views.dashboard import Dashboard
from admin_views.gst_returns import GstReturnsView
from admin_views.imports import ImportView
from admin_views.inbox import InboxView
from admin_views.keys import key_columns
from admin_views.ledger import TrialBalanceView
from admin_views.naming import in_sentence
from admin_views.preferences import PreferencesView
from admin_views.registry import SCREENS
from admin_views.saved_filters import FiltersView
from admin_views.search import SearchView
from admin_views.settings_index import SettingsView
from app import personal
from app.db import Base
from app.registry import load_package


def init_app(app: Flask) -> None:
    """Build the back office: the dashboard, every screen of this package, and a safe one for each mapped
    model that has none.

    A model that no file speaks of is shown read-only to super admins: no permission names it.
    """
    load_package(sys.modules["admin_views"])
    app.jinja_env.filters["in_sentence"] = in_sentence
    app.jinja_env.filters["personal"] = lambda value, name="": personal.shown(name, value)
    if "babel" not in app.extensions:
        Babel(app)
    home = Dashboard()
    admin = Admin(
        app, name="OTPless Billing", index_view=home, theme=Bootstrap4Theme(base_template="admin/base.html")
    )
    screens: dict[type[Base], ModelScreen] = {}
    app.extensions["admin_screens"] = screens
    pages = (
        BillingConsoleView(),
        ImportView(),
        DataCareView(),
        TrialBalanceView(),
        InboxView(),
        GstReturnsView(),
        PreferencesView(),
        BrandingView(),
        SettingsView(),
    )
    admin.add_views(*pages, SearchView(), FiltersView())
    app.extensions["admin_pages"] = [home, *pages]
    for model in showable():
        cls = SCREENS.get(model.__name__) or unspoken(model)
        screens[model] = cls(model, cls.declared)
        admin.add_view(screens[model])
    queues.init_app(app)


def showable() -> list[type[Any]]:
    """Return the mapped models that have rows a page can name, in the order of their names: a document in the
    primary key (`usage_rollups`) is no name, such a table is read by reports.
    """
    models = sorted((mapper.class_ for mapper in Base.registry.mappers), key=lambda model: model.__name__)
    return [
        model for model in models if not any(isinstance(column.type, JSONB) for column in key_columns(model))
    ]


def unspoken(model: type[Base]) -> type[ModelScreen]:
    """Return the screen of a model that has no file."""
    declared = {
        "category": "Other data",
        "resource": f"table:{model.__tablename__}",
        "slug": model.__tablename__.replace("_", "-"),
        "title": "",
        "icon": "database",
        "place": 50,
    }
    return type(f"{model.__name__}Screen", (ModelScreen,), {"declared": declared, "big": True})
