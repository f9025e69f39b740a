"""Billing runs: one pass over the accounts for one period, resumable."""

from datetime import datetime

from wtforms import StringField
from wtforms.validators import InputRequired, Regexp

from admin_views.base import ModelScreen
from admin_views.operations import Operation
from admin_views.records import Related
from admin_views.registry import screen
from app.models import BillingRun, BillingRunItem
from app.permissions import Actor
from app.queue import enqueue
from app.services import billing


def start(*, period: str, at: datetime, actor: Actor) -> BillingRun:
    """Begin the run of a month, or resume it; a worker does the accounts."""
    run = billing.prepare(period, at=at, actor=actor)
    enqueue("jobs.invoices.bill_accounts", str(run.id), "0")
    return run


@screen(BillingRun, category="Billing", icon="player-play", place=2)
class BillingRunScreen(ModelScreen):
    """The billing runs, the latest first."""

    column_list = ("period", "status", "started_by", "created_at", "finished_at")
    search = ("period",)
    filters = ("status",)
    intro = (
        "A run makes one invoice for every account that owes for the period. "
        "Starting it again does only what is left."
    )
    empty = "Start the run of a month that has ended."
    operations = (
        Operation(
            "start",
            "Start a run",
            run=start,
            icon="player-play",
            on_list=True,
            confirm=(
                "Every account that owes for the month gets one invoice, issued at once and "
                "sent. What a safety check stops is parked for you."
            ),
            inputs={
                "period": StringField(
                    "Month",
                    validators=[
                        InputRequired(),
                        Regexp(r"\d{4}-\d{2}", message="Write a year and a month: 2026-10."),
                    ],
                    description="A month that has ended, such as 2026-10.",
                )
            },
        ),
    )
    related = (
        Related(
            BillingRunItem,
            by="run_id",
            columns=("account", "status", "invoice", "message"),
            title="Accounts",
            limit=50,
        ),
    )


@screen(
    BillingRunItem,
    category="Billing",
    title="Billing run results",
    icon="list-details",
    place=7,
    listed=False,
)
class BillingRunItemScreen(ModelScreen):
    """What became of each account in each run."""

    column_list = ("account", "run", "status", "invoice", "message", "updated_at")
    search = ("account.name",)
    filters = ("run", "status", "account")
    big = True
