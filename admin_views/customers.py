"""Customers (specification 6.3.2): who buys, on which plan, and with how much money left. The page joins all
that belongs to one.
"""

from datetime import datetime
from decimal import Decimal
from typing import Any

from flask import url_for
from markupsafe import Markup
from wtforms.validators import InputRequired, NumberRange

from admin_views.base import ModelScreen
from admin_views.fields import WholeField
from admin_views.filters import Filter
from admin_views.formatters import badge
from admin_views.notes import ADD_NOTE
from admin_views.operations import Operation
from admin_views.panels import Link
from admin_views.records import Related
from admin_views.registry import screen
from admin_views.saving import Writes
from app import clock
from app.domain.periods import local_date
from app.models import (
    Account,
    ApiKey,
    Customer,
    Invoice,
    Payment,
    PricePlan,
    Subscription,
    User,
    Wallet,
)
from app.models.customers import CustomerStatus
from app.permissions import Actor
from app.services import customer_pages, customers, notes, reports
from app.templating import NOTHING, current_zone, money


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


def set_terms(customer: Customer, *, days: int, at: datetime, actor: Actor) -> str:
    """Give all accounts of a customer the same days to pay."""
    customers.set_payment_terms(customer, days=days, at=at, actor=actor)
    return f"{customer.name} has {days} days to pay."


OPERATIONS = (
    Operation(
        "set_terms",
        "Set payment terms",
        run=set_terms,
        icon="calendar",
        menu=True,
        inputs={
            "days": WholeField(
                "Days to pay",
                validators=[InputRequired(), NumberRange(0, 365)],
                description="0 to 365, from the date of the invoice.",
            )
        },
        confirm="All accounts of the customer get these terms. Issued invoices keep their due date.",
    ),
    Operation(
        "resume",
        "Resume",
        run=customers.resume,
        icon="player-play",
        when=lambda customer: customer.status is CustomerStatus.suspended,
        confirm="The customer is active again. Accounts keep the status that they have.",
    ),
    Operation(
        "suspend",
        "Suspend",
        run=customers.suspend,
        icon="player-pause",
        danger=True,
        menu=True,
        when=lambda customer: customer.status is CustomerStatus.active,
        confirm=(
            "The customer is marked as suspended, and filters find it. Usage is still metered and billed: "
            "to stop an account, change the account's own status."
        ),
    ),
)


@screen(Customer, category="Customers", icon="users", place=1)
class CustomerScreen(ModelScreen):
    """The customers, and the page of one."""

    column_list = ("name", "plan", "wallet_balance", "status", "country", "phone", "created_at")
    computed = {"plan": reports.plans_of_customer, "wallet_balance": reports.balances_of_customer}
    formats = {"wallet_balance": balances}
    search = ("name", "email", "=external_id", "=gstin")
    filters = ("status", Filter("plan", target=PricePlan, where=reports.customer_is_on_plan), "country")
    inline = ("phone",)
    intro = "Everybody who buys, with what they are on and what is left in their wallets."
    empty = "Make the first customer, then open an account for what will be metered and billed."
    can_create = True
    can_edit = True
    writes = Writes(customers.create, customers.update)
    operations = (ADD_NOTE, *OPERATIONS)
    bulk_inputs = ("set_terms",)
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
    parts = ("admin/parts/customer.html",)
    details = (
        "name",
        "status",
        "plan",
        "email",
        "billing_emails",
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
            columns=("name", "external_id", "currency", "billing_mode", "payment_terms_days", "status"),
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
            ApiKey,
            by="account.customer_id",
            columns=("name", "prefix", "account", "last_used_at", "expires_at", "revoked_at"),
            title="API keys",
            empty="No key is narrowed to an account of this customer.",
        ),
        Related(
            User,
            by="customer_id",
            columns=("name", "email", "active", "last_sign_in_at"),
            title="People who sign in",
        ),
    )

    notes = staticmethod(notes.shown)

    def owed(self, customer: Customer) -> list[customer_pages.Owed]:
        """Return what a customer owes today, per currency."""
        return customer_pages.figures(customer, local_date(clock.now(), current_zone()))

    def usage(self, customer: Customer) -> customer_pages.Usage:
        """Return what a customer used by day, in the reader's time zone."""
        return customer_pages.usage(customer, at=clock.now(), zone=current_zone())

    def links(self, record: Any) -> list[Link]:
        """Return where the next steps with a customer begin."""
        return [
            Link("New account", url_for("admin_accounts.create_view", customer=record.id), "building"),
            Link("New invoice", self._invoice_address(record), "file-plus", "billing"),
        ]

    def _invoice_address(self, customer: Customer) -> str:
        only = str(customer.accounts[0].id) if len(customer.accounts) == 1 else None
        return url_for("admin_invoices.generate_view", account=only)
