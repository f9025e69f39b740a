"""Accounts: what is metered, priced and billed on its own."""

from datetime import date, datetime
from typing import Any

from wtforms.validators import InputRequired, Optional

from admin_views.base import ModelScreen
from admin_views.contracts import ACCOUNT_OPERATIONS, ACCOUNT_RELATED
from admin_views.fields import DayField, EnumField, WholeField
from admin_views.lookups import Lookup, LookupField
from admin_views.operations import Operation
from admin_views.records import Related
from admin_views.registry import screen
from admin_views.saving import Writes
from app.domain.periods import day_start
from app.models import Account, Invoice, Payment, PricePlan, Subscription, Wallet
from app.models.plans import Anchor
from app.permissions import Actor
from app.services import accounts, subscriptions


def open_account(values: dict[str, Any], *, actor: Actor) -> Account:
    """Open an account of the customer that the form names."""
    return accounts.create(values.pop("customer"), _with_registration(values), actor=actor)


def change_account(account: Account, values: dict[str, Any], *, actor: Actor) -> Account:
    """Change an account as its form says."""
    return accounts.update(account, _with_registration(values), actor=actor)


def _with_registration(values: dict[str, Any]) -> dict[str, Any]:
    if "registration" not in values:
        return values
    chosen = values.pop("registration")
    return {**values, "registration_id": chosen.id if chosen else None}


def subscribe(
    account: Account,
    *,
    plan: PricePlan,
    start_on: date | None,
    anchor: Anchor | None,
    trial_days: int | None,
    at: datetime,
    actor: Actor,
) -> Subscription:
    """Put an account on a plan, from now on or from a local day."""
    return subscriptions.start(
        account,
        plan.code,
        start_at=day_start(start_on, account.timezone) if start_on else at,
        anchor=anchor or Anchor.calendar,
        trial_days=trial_days or 0,
        actor=actor,
    )


@screen(Account, category="Customers", icon="building", place=2)
class AccountScreen(ModelScreen):
    """The accounts, and the page of one."""

    column_list = ("name", "customer", "external_id", "currency", "billing_mode", "status", "created_at")
    search = ("name", "=external_id", "customer.name")
    filters = ("status", "billing_mode", "customer")
    labels = {"payment_terms_days": "Days to pay"}
    inline = ("name", "payment_terms_days")
    empty = "Open an account for a customer: usage is posted to it, and its invoices are made."
    can_create = True
    can_edit = True
    writes = Writes(open_account, change_account)
    form_columns = (
        "customer",
        "name",
        "external_id",
        "currency",
        "timezone",
        "billing_mode",
        "payment_terms_days",
        "registration",
        "status",
    )
    edit_columns = (
        "name",
        "external_id",
        "currency",
        "timezone",
        "billing_mode",
        "payment_terms_days",
        "registration",
        "status",
    )
    operations = (
        Operation(
            "subscribe",
            "Put on a plan",
            run=subscribe,
            icon="tag",
            inputs={
                "plan": LookupField(Lookup("plan", PricePlan), label="Plan", validators=[InputRequired()]),
                "start_on": DayField(
                    "First day", validators=[Optional()], description="Also in the past. Empty: now."
                ),
                "anchor": EnumField(
                    Anchor,
                    nullable=True,
                    label="Billing periods",
                    validators=[Optional()],
                    description="From the 1st (calendar), or from the first day (anniversary).",
                ),
                "trial_days": WholeField(
                    "Trial days", validators=[Optional()], description="Days for nothing, the first included."
                ),
            },
            confirm="The account is charged by the version that is sold on its first day, and keeps it.",
        ),
        *ACCOUNT_OPERATIONS,
    )
    related = (
        Related(Subscription, by="account_id", columns=("plan", "version", "status", "start_at", "end_at")),
        Related(Wallet, by="account_id", columns=("account", "balance", "held", "receivable", "status")),
        Related(
            Invoice,
            by="account_id",
            columns=("number", "status", "issued_on", "due_on", "total", "amount_due"),
        ),
        Related(Payment, by="account_id", columns=("created_at", "gateway", "status", "amount", "invoice")),
        *ACCOUNT_RELATED,
    )
