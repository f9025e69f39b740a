"""Simulations: choose a version, accounts and months, watch it run, see who would pay more and who less."""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from flask import request
from wtforms import SelectField, StringField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import InputRequired, Optional, Regexp

from admin_views.base import ModelScreen
from admin_views.fields import WordsField
from admin_views.filters import Filter
from admin_views.lookups import Lookup, LookupField
from admin_views.operations import Operation
from admin_views.records import Download
from admin_views.registry import screen
from admin_views.simulation_chart import Chart, chart_of
from app.db import Base
from app.models import Customer, PlanVersion, SimulatedAccount, Simulation
from app.models.simulations import SimulationScope, SimulationStatus
from app.permissions import Actor
from app.services import accounts as all_accounts
from app.services import simulation_results, simulations
from app.services.simulation_results import Total

MONTH = Regexp(r"\d{4}-\d{2}$", message="Write a year and a month: 2026-10.")
SCOPES = (
    SelectChoice("plan", "Everybody on the plan"),
    SelectChoice("all", "Every account with a subscription"),
    SelectChoice("customer", "The accounts of one customer"),
    SelectChoice("accounts", "Accounts that I name"),
)
DIRECTIONS = (
    ("more", "Pays more"),
    ("less", "Pays less"),
    ("same", "Pays the same"),
    ("skipped", "Not compared"),
)


class VersionLookup(Lookup):
    """Finds versions by their plan, and calls them by it."""

    def __init__(self) -> None:
        super().__init__("version", PlanVersion, ("plan.code", "plan.name"))

    def format(self, model: Base | None) -> tuple[str, str] | None:
        """Return the id and the label of a version: `growth v2 (draft)`."""
        if not isinstance(model, PlanVersion):
            return None
        return str(model.id), f"{model.plan.code} {model}"


def start(
    *,
    version: PlanVersion,
    scope: str,
    customer: Customer | None,
    accounts: Sequence[str],
    first_month: str,
    last_month: str,
    at: datetime,
    actor: Actor,
) -> Simulation:
    """Begin a simulation; a worker does it."""
    return simulations.start(
        version,
        scope=SimulationScope(scope),
        first_month=first_month or None,
        last_month=last_month or None,
        customer=customer,
        accounts={all_accounts.get(reference).id for reference in accounts},
        at=at,
        actor=actor,
    )


def asked_version(_: None) -> dict[str, Any]:
    """Return the version that the page before named."""
    named = request.args.get("version", "")
    found = VersionLookup().get_one(named) if re.fullmatch(r"[0-9a-f-]{36}", named) else None
    return {"version": found}


def sheet(simulation: Simulation) -> bytes:
    """Return the result as a file."""
    return simulation_results.sheet(simulation).encode()


def sheet_name(simulation: Simulation) -> str:
    """Return how the file is called."""
    version = simulation.version
    return f"simulation-{version.plan.code}-v{version.number}.csv"


@screen(Simulation, category="Catalog", icon="chart-dots", place=5)
class SimulationScreen(ModelScreen):
    """The simulations, the latest first, and the page of one with its chart."""

    column_list = ("version.plan", "version", "first_month", "last_month", "scope", "status", "created_at")
    labels = {"version.plan": "Plan", "accounts": "Accounts chosen"}
    filters = ("status", "scope", "version")
    intro = "What customers would have paid, had they been on another version. Nobody is charged by it."
    empty = "Try a draft on the usage of past months before you publish it."
    details_template = "admin/simulation.html"
    parts = ("admin/parts/simulation.html",)
    details = (
        "status",
        "version.plan",
        "version",
        "first_month",
        "last_month",
        "scope",
        "customer",
        "started_by",
        "finished_at",
        "id",
        "created_at",
        "updated_at",
    )
    downloads = (Download("csv", "CSV", load=sheet, file_name=sheet_name, content_type="text/csv"),)
    operations = (
        Operation(
            "start",
            "New simulation",
            run=start,
            icon="chart-dots",
            on_list=True,
            outcome="started",
            confirm=(
                "Past usage is priced once as it was and once by this version, before tax. Nothing is "
                "billed, and nothing changes for anybody."
            ),
            initial=asked_version,
            inputs={
                "version": LookupField(VersionLookup(), label="Version", validators=[InputRequired()]),
                "scope": SelectField("Whose usage", choices=SCOPES),
                "customer": LookupField(Lookup("customer", Customer), label="Customer", allow_blank=True),
                "accounts": WordsField("Accounts", description="Ids or external ids, separated by commas."),
                "first_month": StringField(
                    "First month",
                    validators=[Optional(), MONTH],
                    description="Such as 2026-08. Without months: the last three that have ended.",
                ),
                "last_month": StringField("Last month", validators=[Optional(), MONTH]),
            },
        ),
        Operation(
            "cancel",
            "Stop",
            run=simulations.cancel,
            icon="ban",
            bulk=False,
            when=lambda simulation: simulation.status == SimulationStatus.running,
            confirm="What is compared so far stays.",
        ),
    )

    def label_of_record(self, record: Base) -> str:
        """Return the version and the months as the title of a simulation's page."""
        return f"{record.version.label}, {record}" if isinstance(record, Simulation) else str(record)

    def done(self, simulation: Simulation) -> int:
        """Return how many accounts are compared or skipped."""
        return simulations.done(simulation.id)

    def totals(self, simulation: Simulation) -> list[Total]:
        """Return the sums, one per currency."""
        return simulation_results.totals(simulation.id)

    def reasons(self, simulation: Simulation) -> list[tuple[str, int]]:
        """Return why accounts were not compared."""
        return simulation_results.reasons(simulation.id)

    def chart(self, simulation_id: UUID, currency: str) -> Chart:
        """Return who would pay most more and most less, as a chart and a table."""
        return chart_of(simulation_results.extremes(simulation_id, currency))


@screen(SimulatedAccount, category="Catalog", icon="users", place=6, listed=False)
class SimulatedAccountScreen(ModelScreen):
    """What single accounts would have paid."""

    # The difference stands beside the account, so that it is seen on a telephone without scrolling.
    column_list = ("account", "difference", "old_amount", "new_amount", "status", "message", "simulation")
    labels = {"old_amount": "Paid", "new_amount": "Would have paid"}
    filters = (
        "simulation",
        Filter("show", "Direction", "choice", choices=DIRECTIONS, where=simulation_results.SHOWN.__getitem__),
        "currency",
        "account",
    )
    search = ("account.name", "account.external_id")
    order = "-difference"
    intro = "Amounts are before tax."
    empty = "Start a simulation: it says here what each account would have paid."
