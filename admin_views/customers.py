"""Customers (specification 6.3.2): who buys, on which plan, and with how much money left. The page joins all
that belongs to one.
"""

from decimal import Decimal

from markupsafe import Markup

from admin_views.base import ModelScreen
from admin_views.filters import Filter
from admin_views.formatters import badge
from admin_views.records import Related
from admin_views.registry import screen
from admin_views.saving import Writes
from app.models import Account, Customer, Invoice, Payment, PricePlan, Subscription, User, Wallet
from app.services import customers, reports
from app.templating import NOTHING, money


def balances(customer: Customer) -> Markup:
    """Return the balance of each wallet, never added, with a badge where one is low."""
    low = badge("Low", "alert", "alert-triangle")
    found = getattr(customer, "wallet_balance", None) or []
    lines = [
        Markup("<div>{} {}</div>").format(
            money(Decimal(one["balance"]), one["currency"]), low if one["low"] else ""
        )
        for one in found
    ]
    return Markup().join(lines) or NOTHING


@screen(Customer, category="Customers", icon="users", place=1)
class CustomerScreen(ModelScreen):
    """The customers, and the page of one."""

    column_list = ("name", "plan", "wallet_balance", "status", "country", "email", "created_at")
    computed = {"plan": reports.plans_of_customer, "wallet_balance": reports.balances_of_customer}
    formats = {"wallet_balance": balances}
    search = ("name", "email", "=external_id")
    filters = ("status", Filter("plan", target=PricePlan, where=reports.customer_is_on_plan), "country")
    inline = ("phone", "city", "postal_code")
    intro = "Everybody who buys, with what they are on and what is left in their wallets."
    empty = "Make the first customer, then open an account for what will be metered and billed."
    can_create = True
    can_edit = True
    writes = Writes(customers.create, customers.update)
    form_columns = (
        "name",
        "email",
        "billing_emails",
        "phone",
        "country",
        "state_code",
        "gstin",
        "tax_id",
        "tax_treatment",
        "exempt_reason",
        "reverse_charge",
        "address_line1",
        "address_line2",
        "city",
        "postal_code",
        "status",
        "external_id",
    )
    details = (
        "name",
        "status",
        "plan",
        "wallet_balance",
        "email",
        "phone",
        "country",
        "address_line1",
        "address_line2",
        "city",
        "state_code",
        "postal_code",
        "gstin",
        "tax_id",
        "tax_treatment",
        "exempt_reason",
        "reverse_charge",
        "extra",
        "id",
        "external_id",
        "created_at",
        "updated_at",
    )
    related = (
        Related(
            Account,
            by="customer_id",
            columns=("name", "external_id", "currency", "billing_mode", "status"),
            empty="No account yet.",
        ),
        Related(
            Subscription,
            by="account.customer_id",
            columns=("plan", "version", "account", "status", "start_at"),
        ),
        Related(
            Wallet, by="account.customer_id", columns=("account", "balance", "held", "receivable", "status")
        ),
        Related(
            Invoice,
            by="customer_id",
            columns=("number", "status", "issued_on", "due_on", "total", "amount_due"),
        ),
        Related(
            Payment,
            by="account.customer_id",
            columns=("created_at", "gateway", "status", "amount", "invoice"),
        ),
        Related(
            User,
            by="customer_id",
            columns=("name", "email", "active", "last_sign_in_at"),
            title="People who sign in",
        ),
    )
