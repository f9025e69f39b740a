"""The parts of contracts as records: own terms, commitments, discounts and credits, each with its end."""

from datetime import date, datetime

from wtforms import StringField
from wtforms.validators import InputRequired, Length, Optional

from admin_views.base import ModelScreen
from admin_views.fields import DayField
from admin_views.operations import Operation
from admin_views.records import Related
from admin_views.registry import screen
from app.errors import Invalid
from app.models import AccountCredit, Commitment, Discount, InvoiceLine, TermsOverride
from app.permissions import Actor
from app.services import commitments, contracts, discounts


def end_terms(agreed: TermsOverride, *, on: date | None, at: datetime, actor: Actor) -> str:
    """End own terms at a border."""
    if contracts.end_override(agreed, on=on, actor=actor) is None:
        raise Invalid.at("/on", "Choose a day after these terms begin.", code="not_after_start")
    return "These terms end."


def end_commitment(agreed: Commitment, *, on: date, at: datetime, actor: Actor) -> str:
    """End a commitment."""
    commitments.end(agreed, on=on, actor=actor)
    return "The commitment ends."


def end_discount(given: Discount, *, on: date, at: datetime, actor: Actor) -> str:
    """End a discount."""
    discounts.end(given, on=on, actor=actor)
    return "The discount ends."


def withdraw(credit: AccountCredit, *, reason: str, at: datetime, actor: Actor) -> str:
    """Take back what is left of a credit."""
    discounts.withdraw_credit(credit, reason=reason, at=at, actor=actor)
    return "What was left is withdrawn."


ON = {"on": DayField("First day without it", validators=[InputRequired()])}


@screen(TermsOverride, category="Billing", title="Own terms", icon="coins", place=21, listed=False)
class TermsOverrideScreen(ModelScreen):
    """Dated terms of components. They are agreed on the page of a subscription."""

    column_list = ("component", "subscription", "model", "start_at", "end_at", "reason")
    search = ("component.name",)
    empty = "Agree on own terms on the page of a subscription."
    operations = (
        Operation(
            "end",
            "End",
            run=end_terms,
            icon="ban",
            inputs={
                "on": DayField(
                    "First day without them",
                    validators=[Optional()],
                    description="A border of the billing periods; empty: the next.",
                )
            },
            confirm="From that day on the price list holds again.",
        ),
    )


@screen(Commitment, category="Billing", icon="scale", place=22, listed=False)
class CommitmentScreen(ModelScreen):
    """Minimum commitments. They are agreed on the page of a subscription."""

    column_list = ("subscription", "amount", "start_on", "end_on", "reason")
    search = ("subscription.account.name",)
    empty = "Agree on a minimum on the page of a subscription."
    operations = (
        Operation(
            "end",
            "End",
            run=end_commitment,
            icon="ban",
            inputs=ON,
            confirm="A period in which it ends counts by its days.",
        ),
    )


@screen(Discount, category="Billing", icon="percentage", place=23, listed=False)
class DiscountScreen(ModelScreen):
    """Discounts of accounts and subscriptions."""

    column_list = ("name", "account", "subscription", "percent", "amount", "start_on", "end_on")
    search = ("name", "account.name")
    filters = ("account",)
    empty = "Agree on a discount on the page of an account or a subscription."
    operations = (
        Operation(
            "end",
            "End",
            run=end_discount,
            icon="ban",
            inputs=ON,
            confirm="Invoices that were issued stay as they are.",
        ),
    )


@screen(AccountCredit, category="Billing", title="Credits", icon="plus", place=24, listed=False)
class AccountCreditScreen(ModelScreen):
    """Credits of accounts, with the lines of invoices that used them."""

    column_list = ("reason", "account", "amount", "remaining", "withdrawn", "created_at")
    search = ("account.name",)
    filters = ("account",)
    empty = "Give a credit on the page of an account."
    operations = (
        Operation(
            "withdraw",
            "Withdraw the rest",
            run=withdraw,
            icon="ban",
            danger=True,
            inputs={"reason": StringField("Reason", validators=[InputRequired(), Length(max=300)])},
            when=lambda credit: credit.remaining > 0,
            confirm="What is left reduces no further invoice. What was used stays used.",
        ),
    )
    related = (
        Related(
            InvoiceLine,
            by="source_id",
            columns=("invoice", "description", "amount"),
            title="Uses",
            empty="No invoice has used it yet.",
        ),
    )
