"""Billing runs: one pass over the accounts for one period, resumable."""

from admin_views.base import ModelScreen
from admin_views.records import Related
from admin_views.registry import screen
from app.models import BillingRun, BillingRunItem


@screen(BillingRun, category="Billing", icon="player-play", place=2)
class BillingRunScreen(ModelScreen):
    """The billing runs, the latest first."""

    column_list = ("period", "status", "started_by", "created_at", "finished_at")
    search = ("period",)
    filters = ("status",)
    intro = "A run makes one invoice for every account that owes for the period. Starting it again does only what is left."
    empty = "Start the run of a month that has ended."
    related = (
        Related(BillingRunItem, by="run_id", columns=("account", "status", "invoice", "message"), title="Accounts", limit=50),
    )


@screen(BillingRunItem, category="Billing", title="Billing run results", icon="list-details", place=7)
class BillingRunItemScreen(ModelScreen):
    """What became of each account in each run."""

    column_list = ("account", "run", "status", "invoice", "message", "updated_at")
    search = ("account.name",)
    filters = ("run", "status", "account")
    big = True
