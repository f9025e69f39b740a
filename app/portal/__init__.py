"""The customers' pages: what they owe and own, what they used, and how to pay."""

from flask import Flask

from app.portal import dashboard, invoices, notifications, payments, statements, usage, wallet_limits, wallets
from app.portal.guard import blueprint

PAGES = (dashboard, invoices, notifications, payments, statements, usage, wallet_limits, wallets)


def init_app(app: Flask) -> None:
    """Enter the pages of the portal; each module of `PAGES` puts its own on the blueprint."""
    app.register_blueprint(blueprint)
