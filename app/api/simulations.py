"""Simulations: a version of a plan over past usage, before anybody is on it (docs/api/simulations.md)."""

from typing import Annotated, Any
from uuid import UUID

from flask import Blueprint, Response

from app import clock
from app.api.attachments import attachment
from app.api.body import Body, Meta, Page
from app.api.endpoint import endpoint
from app.api.envelope import decimal_text, instant_text, paginate, related, resource, success
from app.api.guards import current_actor, get_account, guard
from app.api.idempotency import idempotent
from app.api.serializers import need_staff
from app.errors import Invalid
from app.models import SimulatedAccount, Simulation
from app.models.simulations import SimulationScope, SimulationStatus
from app.services import customers, plans, simulation_results, simulations
from app.services.simulation_results import Total

blueprint = Blueprint("simulations", __name__)

CSV = "text/csv"
Month = Annotated[str, Meta(pattern=r"^\d{4}-\d{2}$", description="A year and a month: 2026-10")]


class NewSimulation(Body):
    """Whose usage of which local months a version is tried on. Without a customer and accounts it is of who
    was on the plan then, or of `all`.

    Without months they are the last three that have ended everywhere.
    """

    scope: (
        Annotated[str, Meta(description="`plan` (the default), `all`, `customer` or `accounts`")] | None
    ) = None
    accounts: (
        Annotated[list[str], Meta(max_length=10_000, description="These, by id or external id")] | None
    ) = None
    customer_id: Annotated[str, Meta(max_length=255, description="By id or external id")] | None = None
    first_month: Month | None = None
    last_month: Month | None = None
    wait: Annotated[bool, Meta(description="Answer with the result, where it is of at most 20 accounts")] = (
        False
    )


class RowQuery(Page):
    """Which accounts of a simulation."""

    show: Annotated[str, Meta(description="`more`, `less`, `same` or `skipped`")] | None = None


@blueprint.post("/pricing/<code>/versions/<int:number>/simulate")
@guard("catalog", "write")
@idempotent
@endpoint("Simulate a version", body=NewSimulation, answers="simulation", status=202, also=(200,))
def simulate(code: str, number: int, body: NewSimulation) -> Response:
    """What accounts paid in past months, and would have paid on this version, before tax. A worker does it:
    look at the simulation for how far it is. Nobody is charged by it.
    """
    need_staff("Simulating")
    customer = None if body.customer_id is None else customers.get(body.customer_id)
    begun = simulations.start(
        plans.get_version(code, number),
        scope=_scope(body),
        first_month=body.first_month,
        last_month=body.last_month,
        customer=customer,
        accounts={get_account(reference).id for reference in body.accounts or ()},
        at=clock.now(),
        actor=current_actor(),
    )
    at_once = body.wait and begun.accounts <= simulations.AT_ONCE
    if at_once:
        simulations.work(begun.id)
    return success(_simulation(simulations.get(begun.id)), 200 if at_once else 202)


@blueprint.get("/simulations/<uuid:simulation_id>")
@guard("catalog", "read")
@endpoint("Read a simulation", answers="simulation")
def read_simulation(simulation_id: UUID) -> Response:
    """How far it is, with the sums by currency of what is compared so far."""
    need_staff("Simulations")
    return success(_simulation(simulations.get(simulation_id)))


@blueprint.get("/simulations/<uuid:simulation_id>/rows")
@guard("catalog", "read")
@endpoint("List the accounts of a simulation", query=RowQuery, answers="simulated_account", many=True)
def list_rows(simulation_id: UUID, query: RowQuery) -> Response:
    """Old and new amount of each account, in all and by month, or why it was skipped. With `show=more` or
    `less` the greatest differences come first.
    """
    need_staff("Simulations")
    chosen = simulation_results.rows(simulations.get(simulation_id).id, query.show)
    first = [SimulatedAccount.difference] if query.show in {"more", "less"} else []
    key = (*first, SimulatedAccount.id)
    rows, cursor = paginate(chosen, query, key, descending=query.show == "more")
    return success([_row(row) for row in rows], next_cursor=cursor)


@blueprint.get("/simulations/<uuid:simulation_id>/csv")
@guard("catalog", "read")
@endpoint("Download a simulation", media=CSV)
def download_simulation(simulation_id: UUID) -> Response:
    """A row for each account and month, who would pay most more first."""
    need_staff("Simulations")
    found = simulations.get(simulation_id)
    name = f"simulation-{found.version.plan.code}-v{found.version.number}.csv"
    return attachment(simulation_results.sheet(found), name, CSV)


@blueprint.post("/simulations/<uuid:simulation_id>/cancel")
@guard("catalog", "write")
@idempotent
@endpoint("Cancel a simulation", answers="simulation")
def cancel_simulation(simulation_id: UUID) -> Response:
    """What was compared stays. 409 where it is over."""
    need_staff("Simulating")
    found = simulations.get(simulation_id)
    simulations.cancel(found, at=clock.now(), actor=current_actor())
    return success(_simulation(found))


def _scope(body: NewSimulation) -> SimulationScope:
    if body.scope is None:
        named = SimulationScope.customer if body.customer_id is not None else SimulationScope.plan
        return SimulationScope.accounts if body.accounts is not None else named
    if body.scope not in set(SimulationScope):
        message = f"Choose one of: {', '.join(SimulationScope)}."
        raise Invalid.at("/scope", message, code="unknown_choice")
    return SimulationScope(body.scope)


def _simulation(row: Simulation) -> dict[str, Any]:
    over = row.status is not SimulationStatus.running
    attributes = {
        "plan_code": row.version.plan.code,
        "version": row.version.number,
        "status": row.status,
        "scope": row.scope,
        "first_month": row.first_month,
        "last_month": row.last_month,
        "accounts": row.accounts,
        "done": simulations.done(row.id),
        "totals": [_total(total) for total in simulation_results.totals(row.id)],
        "skipped": [
            {"reason": reason, "accounts": number} for reason, number in simulation_results.reasons(row.id)
        ],
        "error": row.error,
        "started_by": row.started_by,
        "created_at": instant_text(row.created_at),
        "finished_at": instant_text(row.finished_at) if over else None,
    }
    return resource(
        "simulation",
        row.id,
        attributes,
        {
            "version": related("plan_version", row.plan_version_id),
            "customer": related("customer", row.customer_id),
        },
    )


def _total(total: Total) -> dict[str, Any]:
    amounts = {"old": total.old, "new": total.new, "difference": total.difference}
    return {
        "currency": total.currency,
        "accounts": total.accounts,
        **{name: decimal_text(amount, total.currency) for name, amount in amounts.items()},
        "more": total.more,
        "less": total.less,
        "same": total.same,
    }


def _row(row: SimulatedAccount) -> dict[str, Any]:
    amounts = {"old": row.old_amount, "new": row.new_amount, "difference": row.difference}
    attributes = {
        "account_id": str(row.account_id),
        "account": row.account.name,
        "external_id": row.account.external_id,
        "status": row.status,
        "currency": row.currency,
        **{name: decimal_text(amount, row.currency) for name, amount in amounts.items()},
        "percent": decimal_text(row.percent),
        "months": row.months,
        "message": row.message,
    }
    return resource("simulated_account", row.id, attributes, {"account": related("account", row.account_id)})
