"""The customer's dashboard (specification 6.4.1)."""

from flask import render_template
from flask_login import current_user

from app import clock
from app.portal.guard import blueprint, own_id, today
from app.services import own, own_usage

RECENT = 5


@blueprint.get("/")
def dashboard() -> str:
    """Show what the customer owns, owes and used, and what needs attention."""
    accounts, wallets = own.accounts(own_id()), own.wallets(own_id())
    waiting = own.open_invoices(own_id())
    recent = own.invoices(own_id(), limit=RECENT).rows
    zone = current_user.timezone
    month, last_days = own_usage.windows(clock.now(), zone)[:2]
    return render_template(
        "portal/dashboard.html",
        accounts=accounts,
        wallets=wallets,
        own=own,
        waiting=waiting,
        due=own.sum_due(waiting),
        recent=recent,
        used=own_usage.this_month(accounts, at=clock.now(), zone=zone),
        month=month,
        trends=own_usage.trends(accounts, last_days, zone),
        alerts=own.alerts(wallets, waiting, recent, today=today()),
    )
