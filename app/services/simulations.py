"""Simulations: a version of a plan tried on the usage of months that are past, before anybody is on it.

A simulation is its rows: `start` writes one per account, `work` does what is pending, some accounts to a
transaction. So a killed one is resumed by `work`, and doing it twice changes nothing. Nothing but these rows
is written, and only rollups are read.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from hashlib import sha256
from uuid import UUID

from sqlalchemy import Select, func, insert, select, update
from sqlalchemy.orm import joinedload, selectinload

from app import clock
from app.db import db, in_transaction, lock
from app.domain.invoicing import canonical_json
from app.domain.money import add_up, plain
from app.domain.periods import Period
from app.errors import Conflict, Invalid, NotFound
from app.ids import new_id
from app.models import Customer, PlanVersion, PriceComponent, SimulatedAccount, Simulation
from app.models.simulations import SimulationItemStatus, SimulationScope, SimulationStatus
from app.permissions import Actor
from app.queue import enqueue
from app.services import audit
from app.services.comparisons import Compared, compare
from app.services.components import as_prices
from app.services.price_book import PriceBook
from app.services.scenarios import Candidate
from app.services.simulation_choices import accounts_of, check_months, months_of

BATCH = 50
AT_ONCE = 20
JOB = "jobs.simulations.run"
SYSTEM = Actor.system("simulations")


def start(
    version: PlanVersion,
    *,
    scope: SimulationScope = SimulationScope.plan,
    first_month: str | None = None,
    last_month: str | None = None,
    customer: Customer | None = None,
    accounts: Collection[UUID] = (),
    at: datetime,
    actor: Actor,
) -> Simulation:
    """Return the simulation of a version over whole local months (`2026-08`), by default the last three that
    have ended everywhere; a worker does it.

    Raises:
        Invalid: a month that is none, has not ended or comes before the first; more than 24 months; no
            account; a version without prices.
    """
    first, last = check_months(first_month, last_month, at)
    if not version.components:
        raise Invalid("The version has no prices yet.")
    if scope is SimulationScope.customer and customer is None:
        raise Invalid.at("/customer_id", "Choose the customer.", code="required")
    simulation = Simulation(
        plan_version_id=version.id,
        version=version,
        first_month=first,
        last_month=last,
        scope=scope,
        customer_id=customer.id if customer and scope is SimulationScope.customer else None,
        prices_sha256=fingerprint(version),
        accounts=0,
        started_by=actor.label,
    )
    db.session.add(simulation)
    db.session.flush()
    rows = [
        {"id": new_id(), "simulation_id": simulation.id, "account_id": account_id, "currency": currency}
        for account_id, currency in accounts_of(simulation, accounts)
    ]
    if rows:
        db.session.execute(insert(SimulatedAccount), rows)
    simulation.accounts = len(rows)
    if not simulation.accounts:
        raise Invalid.at("/accounts", "No account was chosen: nobody was on the plan then.", code="required")
    summary = f"Simulation of {_name(simulation)} for {simulation.accounts:,} accounts was started"
    after = {"scope": scope, "first_month": first, "last_month": last, "accounts": simulation.accounts}
    audit.record(actor, "simulation.started", simulation, summary=summary, at=at, after=after)
    enqueue(JOB, str(simulation.id))
    return simulation


def work(simulation_id: UUID) -> int:
    """Do what is left of a simulation; return how many accounts that was."""
    done, book = 0, PriceBook()
    while (batch := in_transaction(lambda: _work_batch(simulation_id, book))) is not None:
        done += batch
    return done


def cancel(simulation: Simulation, *, at: datetime, actor: Actor) -> Simulation:
    """Stop a simulation; what was compared stays.

    Raises:
        Conflict: it is over.
    """
    (row,) = lock(Simulation, [simulation.id])
    if row.status is not SimulationStatus.running:
        raise Conflict(f"The simulation is {row.status} already.")
    row.status, row.finished_at = SimulationStatus.cancelled, at
    summary = f"Simulation of {_name(get(row.id))} was cancelled"
    audit.record(actor, "simulation.cancelled", row, summary=summary, at=at)
    return row


def get(simulation_id: UUID) -> Simulation:
    """Return a simulation with its version and plan.

    Raises:
        NotFound: there is none with this id.
    """
    found = db.session.scalar(_loaded().where(Simulation.id == simulation_id))
    if found is None:
        raise NotFound("There is no such simulation.")
    return found


def unfinished() -> list[UUID]:
    """Return the simulations that were begun and are not over, the oldest first."""
    query = select(Simulation.id).where(Simulation.status == SimulationStatus.running)
    return list(db.session.scalars(query.order_by(Simulation.id)))


def has_unfinished() -> bool:
    """Tell whether a simulation waits or is under way."""
    return bool(unfinished())


def done(simulation_id: UUID) -> int:
    """Return how many accounts of a simulation are done."""
    query = select(func.count()).where(
        SimulatedAccount.simulation_id == simulation_id,
        SimulatedAccount.status != SimulationItemStatus.pending,
    )
    return db.session.scalar(query) or 0


def fingerprint(version: PlanVersion) -> bytes:
    """Return the hash of what a version charges: a draft may change while it is tried."""
    rule = {"interval": version.interval, "charge_zero_first_tier": version.charge_zero_first_tier}
    return sha256(canonical_json({**rule, "prices": as_prices(version)})).digest()


def _name(simulation: Simulation) -> str:
    return f"{simulation.version.label}, {simulation}"


def _loaded() -> Select[Simulation]:
    components = selectinload(PlanVersion.components).joinedload(PriceComponent.metric)
    version = joinedload(Simulation.version, innerjoin=True)
    return select(Simulation).options(
        version.options(joinedload(PlanVersion.plan, innerjoin=True), components),
        joinedload(Simulation.customer),
    )


def _work_batch(simulation_id: UUID, book: PriceBook) -> int | None:
    """Compare the next accounts; None where nothing is left, or where it was stopped."""
    running = _loaded().where(Simulation.id == simulation_id).with_for_update(of=Simulation, read=True)
    simulation = db.session.scalar(running.execution_options(populate_existing=True))
    if simulation is None or simulation.status is not SimulationStatus.running:
        return None
    if fingerprint(simulation.version) != simulation.prices_sha256:
        _stop(simulation_id)
        return None
    items = _claim(simulation_id)
    if not items:
        _finish(simulation_id)
        return None
    accounts = [item.account for item in items]
    months = {account.id: months_of(simulation, account.timezone) for account in accounts}
    found = compare(accounts, months, Candidate.of(simulation.version), book)
    rows = [_row(item, found[item.account_id], months[item.account_id]) for item in items]
    db.session.execute(update(SimulatedAccount), rows)
    return len(items)


def _claim(simulation_id: UUID) -> Sequence[SimulatedAccount]:
    query = (
        select(SimulatedAccount)
        .where(
            SimulatedAccount.simulation_id == simulation_id,
            SimulatedAccount.status == SimulationItemStatus.pending,
        )
        .options(joinedload(SimulatedAccount.account, innerjoin=True))
        .order_by(SimulatedAccount.id)
        .limit(BATCH)
    )
    return db.session.scalars(query.with_for_update(of=SimulatedAccount, skip_locked=True)).all()


def _row(item: SimulatedAccount, found: Compared, months: Sequence[Period]) -> dict[str, object]:
    if found.problem is not None:
        status = SimulationItemStatus.failed if found.failed else SimulationItemStatus.skipped
        return {"id": item.id, "status": status, "message": found.problem}
    old, new = (add_up(amounts, item.currency) for amounts in (found.old, found.new))
    told = [
        {"month": f"{month.start_on:%Y-%m}", "old": plain(before), "new": plain(after)}
        for month, before, after in zip(months, found.old, found.new, strict=True)
    ]
    return {
        "id": item.id,
        "status": SimulationItemStatus.compared,
        "old_amount": old,
        "new_amount": new,
        "difference": new - old,
        "months": told,
    }


def _finish(simulation_id: UUID) -> None:
    """Close a simulation of which nothing is pending; another worker may still hold the last accounts."""
    left = select(SimulatedAccount.id).where(
        SimulatedAccount.simulation_id == simulation_id,
        SimulatedAccount.status == SimulationItemStatus.pending,
    )
    over = update(Simulation).where(Simulation.id == simulation_id, ~left.exists())
    running = over.where(Simulation.status == SimulationStatus.running)
    at = clock.now()
    values = running.values(status=SimulationStatus.done, finished_at=at).returning(Simulation.id)
    if db.session.scalar(values) is not None:
        _tell_over(simulation_id, at, "finished")


def _stop(simulation_id: UUID) -> None:
    at = clock.now()
    (simulation,) = lock(Simulation, [simulation_id])
    simulation.status, simulation.finished_at = SimulationStatus.failed, at
    simulation.error = "The draft was changed meanwhile. Simulate it again."
    _tell_over(simulation_id, at, "stopped: its draft was changed")


def _tell_over(simulation_id: UUID, at: datetime, how: str) -> None:
    simulation = get(simulation_id)
    summary = f"Simulation of {_name(simulation)} {how}"
    audit.record(
        SYSTEM,
        "simulation.finished",
        simulation,
        summary=summary,
        at=at,
        after={"accounts": done(simulation_id), "started_by": simulation.started_by},
    )
