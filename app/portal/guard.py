"""The gate of the portal: only customers pass, staff are led to the same in the back office, and each page
gets nothing but the customer's own id to ask with.
"""

from datetime import date
from uuid import UUID

from flask import Blueprint, request
from flask_login import current_user
from werkzeug.wrappers import Response

from app import clock
from app.domain.periods import local_date
from app.errors import Forbidden, Unauthorized
from app.portal.staff import PLACES, lead_on
from app.services import attention, own

blueprint = Blueprint("portal", __name__, url_prefix="/portal")

NAVIGATION = (
    ("portal.dashboard", "Dashboard", "layout-dashboard"),
    ("portal.list_invoices", "Invoices", "file-invoice"),
    ("portal.usage", "Usage", "chart-bar"),
    ("portal.list_wallets", "Wallet", "wallet"),
    ("portal.list_vouchers", "Vouchers", "receipt"),
    ("portal.list_keys", "API keys", "key"),
    ("portal.show_profile", "Profile", "building"),
)


@blueprint.before_request
def require_customer() -> Response | None:
    """Let customers pass, and lead staff who follow a link to what the back office shows of it.

    Raises:
        Unauthorized: nobody is signed in.
        Forbidden: a member of staff who sends a form, or whose role may not see it in the back office either.
    """
    if not current_user.is_authenticated:
        raise Unauthorized("Sign in to continue.")
    if current_user.customer_id is not None:
        return None
    if request.method == "GET" and request.endpoint in PLACES:
        return lead_on(request.endpoint, request.view_args or {}, current_user.role)
    raise Forbidden("The portal is for customers. Staff find the same figures in the back office.")


@blueprint.context_processor
def navigation() -> dict[str, object]:
    """Give the templates the sections and the day it is for the reader."""
    if not current_user.is_authenticated:
        # A stranger's form without its token gets a page too: that it is refused.
        return {}
    return {"sections": NAVIGATION, "today": today(), "period_days": own.period_days, "unread": unread}


def unread() -> int:
    """Return how many notifications the bell counts."""
    return attention.waiting_for(current_user).notifications


def own_id() -> UUID:
    """Return the id of the customer whose person is signed in."""
    customer_id: UUID = current_user.customer_id
    return customer_id


def today() -> date:
    """Return the local day of the person who looks."""
    return local_date(clock.now(), current_user.timezone)
