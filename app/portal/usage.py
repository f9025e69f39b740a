"""The customer's usage (specification 6.4.2): the daily trend, and what each price component charges."""

from flask import render_template, request
from flask_login import current_user

from app import clock
from app.portal.guard import blueprint, own_id
from app.services import own, own_usage


@blueprint.get("/usage")
def usage() -> str:
    """Show usage by day and by price for a month, or for the last 30 days."""
    zone = current_user.timezone
    windows = own_usage.windows(clock.now(), zone)
    asked = request.args.get("period", "")
    window = next((one for one in windows if one.key == asked), windows[0])
    accounts = own.accounts(own_id())
    return render_template(
        "portal/usage.html",
        windows=windows,
        window=window,
        trends=own_usage.trends(accounts, window, zone),
        charged=own_usage.charged(accounts, window) if window.month else [],
    )
