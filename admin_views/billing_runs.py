"""Billing runs: one pass over accounts for one month, resumable; and what became of each account."""

from collections.abc import Sequence
from datetime import datetime

from wtforms import BooleanField, StringField
from wtforms.validators import InputRequired, Regexp

from admin_views.base import ModelScreen
from admin_views.fields import WordsField
from admin_views.lookups import Lookup, LookupField
from admin_views.operations import Operation
from admin_views.records import Download
from admin_views.registry import screen
from app.db import Base
from app.models import BillingRun, BillingRunItem, PricePlan
from app.models.billing_runs import ItemStatus, RunStatus
from app.permissions import Actor
from app.services import accounts as all_accounts
from app.services import billing, billing_runs
from app.services.billing_runs import Total


def start(
    *,
    period: str,
    plan: PricePlan | None = None,
    accounts: Sequence[str] = (),
    dry_run: bool = False,
    at: datetime,
    actor: Actor,
) -> BillingRun:
    """Begin the run of a month, or resume it; workers do the accounts."""
    named = {all_accounts.get(reference).id for reference in accounts} or None
    run = billing.prepare(period, at=at, actor=actor, plan=plan, accounts=named, dry_run=dry_run)
    billing_runs.share_out(run.id)
    return run


def sheet(run: BillingRun) -> bytes:
    """Return the accounts of a run as a file."""
    return billing_runs.sheet(run).encode()


@screen(BillingRun, category="Billing", icon="player-play", place=2)
class BillingRunScreen(ModelScreen):
    """The billing runs, the latest first, and the page of one, which asks again while it is going on."""

    column_list = ("period", "scope", "plan", "dry_run", "status", "started_by", "created_at", "finished_at")
    search = ("period",)
    filters = ("status", "scope", "dry_run", "plan")
    labels = {"scope": "Whom"}
    intro = (
        "A run makes one invoice for every account that owes for the month. "
        "Starting it again does only what is left; a dry run shows what it would do."
    )
    empty = "Start the run of a month that has ended."
    details_template = "admin/billing_run.html"
    parts = ("admin/parts/billing_run.html",)
    downloads = (
        Download("csv", "CSV", load=sheet, file_name=billing_runs.sheet_name, content_type="text/csv"),
    )
    operations = (
        Operation(
            "start",
            "Start a run",
            run=start,
            icon="player-play",
            on_list=True,
            confirm=(
                "Every account that owes for the month gets one invoice, issued at once and sent. What a "
                "safety check stops is parked for you. A dry run issues nothing."
            ),
            inputs={
                "period": StringField(
                    "Month",
                    validators=[
                        InputRequired(),
                        Regexp(r"\d{4}-\d{2}$", message="Write a year and a month: 2026-10."),
                    ],
                    description="A month that has ended, such as 2026-10.",
                ),
                "plan": LookupField(
                    Lookup("plan", PricePlan),
                    label="Only who was on this plan",
                    allow_blank=True,
                    description="The whole invoice of these accounts is made.",
                ),
                "accounts": WordsField(
                    "Only these accounts", description="Ids or external ids, separated by commas."
                ),
                "dry_run": BooleanField(
                    "Dry run", description="Issue nothing, and show each total beside the month before."
                ),
            },
        ),
        Operation(
            "retry",
            "Try failed ones again",
            run=billing_runs.retry,
            icon="refresh",
            bulk=False,
            when=lambda run: (
                run.status != RunStatus.cancelled and bool(billing_runs.progress(run.id)[ItemStatus.failed])
            ),
            confirm="Every account that failed is tried again by a worker.",
        ),
        Operation(
            "resume",
            "Go on",
            run=billing_runs.resume,
            icon="player-play",
            bulk=False,
            when=lambda run: run.status == RunStatus.cancelled,
            confirm="Workers do the accounts that are left.",
        ),
        Operation(
            "cancel",
            "Stop",
            run=billing_runs.cancel,
            icon="ban",
            bulk=False,
            danger=True,
            when=lambda run: run.status == RunStatus.running,
            confirm="Invoices that were issued stay issued; the accounts that are left can be done later.",
        ),
    )

    def counts(self, run: BillingRun) -> dict[ItemStatus, int]:
        """Return how many accounts stand where."""
        return billing_runs.progress(run.id)

    def totals(self, run: BillingRun) -> list[Total]:
        """Return the sums by currency and state."""
        return billing_runs.totals(run.id)

    def reasons(self, run: BillingRun) -> list[tuple[ItemStatus, str, int]]:
        """Return why accounts failed or wait for a person."""
        return billing_runs.reasons(run.id)

    def latest(self, run: BillingRun) -> list[BillingRunItem]:
        """Return the accounts that were done last."""
        return billing_runs.latest(run.id)

    def whom(self, run: BillingRun) -> str:
        """Return whom the run bills, in words."""
        return billing_runs.scope_in_words(run)


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

    column_list = ("account", "status", "total", "previous", "difference", "invoice", "message", "run")
    labels = {"previous": "Month before"}
    search = ("account.name", "account.external_id")
    filters = ("run", "status", "currency", "account")
    empty = "Start a billing run: it says here what became of each account."
    order = "-updated_at"
    big = True
    operations = (
        Operation(
            "retry",
            "Try again",
            run=billing_runs.retry_item,
            icon="refresh",
            when=lambda item: item.status == ItemStatus.failed,
            confirm="A worker tries the account again.",
        ),
    )

    def label_of_record(self, record: Base) -> str:
        """Return the account and its run as the title of a page."""
        return f"{record.account}, {record.run}" if isinstance(record, BillingRunItem) else str(record)
