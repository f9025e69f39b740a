"""Staff who follow a link into the portal, as mails to customers have them: where the back office shows the
same.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import redirect, url_for
from werkzeug.wrappers import Response

from app.errors import Forbidden
from app.permissions import Role, Verb, allows


@dataclass(frozen=True, slots=True)
class Place:
    """A page of the back office, the right that it asks for, and the argument of the portal's address that
    names its record; without one it is a list or a page of its own.
    """

    endpoint: str
    resource: str
    argument: str = ""


INVOICE = Place("admin_invoices.details_view", "billing", "invoice_id")
PAYMENT = Place("admin_payments.details_view", "payments", "payment_id")
VOUCHER = Place("admin_vouchers.details_view", "billing", "voucher_id")
WALLET = Place("admin_wallets.details_view", "wallets", "wallet_id")
KEYS = Place("admin_api-keys.index_view", "api_keys")

# By the endpoint of the page in the portal. What only takes a form is not among them.
PLACES = {
    "portal.dashboard": Place("admin.index", "billing"),
    "portal.list_invoices": Place("admin_invoices.index_view", "billing"),
    "portal.show_invoice": INVOICE,
    "portal.explain_line": INVOICE,
    "portal.download_invoice": INVOICE,
    "portal.ask_payment": INVOICE,
    "portal.show_payment": PAYMENT,
    "portal.usage": Place("admin_usage-events.index_view", "usage"),
    "portal.list_wallets": Place("admin_wallets.index_view", "wallets"),
    "portal.show_wallet": WALLET,
    "portal.ask_limits": WALLET,
    "portal.ask_top_up": WALLET,
    "portal.wallet_statement": WALLET,
    "portal.customer_statement": Place("admin_exports.index_view", "billing"),
    "portal.list_vouchers": Place("admin_vouchers.index_view", "billing"),
    "portal.download_voucher": VOUCHER,
    "portal.list_keys": KEYS,
    "portal.ask_key": KEYS,
    "portal.show_profile": Place("admin_customers.index_view", "customers"),
    "portal.list_notifications": Place("admin_inbox.index", "wallets"),
    "portal.show_preferences": Place("admin_preferences.index", "profile"),
}


def lead_on(endpoint: str, arguments: Mapping[str, Any], role: Role) -> Response:
    """Return the way from a page of the portal to that of the back office.

    Raises:
        Forbidden: the role may not open it there; the message says who can.
    """
    place = PLACES[endpoint]
    if not allows(role, place.resource, Verb.read):
        raise Forbidden(
            "In the portal this page is for the people of the customer, in the back office for super admins."
        )
    record = {"id": arguments[place.argument]} if place.argument else {}
    return redirect(url_for(place.endpoint, **record), code=303)
