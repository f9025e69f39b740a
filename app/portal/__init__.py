"""The customers' pages: what they owe and own, what they used, and how to pay."""

from flask import Flask

from app.portal import (
    branding,
    dashboard,
    invoices,
    keys,
    language,
    notifications,
    payments,
    preferences,
    profile,
    statements,
    usage,
    vouchers,
    wallet_limits,
    wallets,
)
from app.portal.guard import blueprint

PAGES = (
    dashboard,
    invoices,
    keys,
    notifications,
    payments,
    preferences,
    profile,
    statements,
    usage,
    vouchers,
    wallet_limits,
    wallets,
)


def init_app(app: Flask) -> None:
    """Enter the pages of the portal; each module of `PAGES` puts its own on the blueprint."""
    app.register_blueprint(blueprint)
    app.register_blueprint(language.blueprint)
    app.register_blueprint(branding.blueprint)
