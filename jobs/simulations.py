"""Simulations of plan versions, done while nobody has to wait."""

from uuid import UUID

from app.queue import enqueue
from app.services import simulations
from jobs.runner import job


@job("default", transactional=False, retries=3, timeout_seconds=3600)
def run(simulation_id: str) -> dict[str, int]:
    """Compare the accounts of a simulation that are left."""
    return {"accounts": simulations.work(UUID(simulation_id))}


@job("default", cron=60, due=simulations.has_unfinished)
def resume() -> dict[str, int]:
    """Wake up the simulations that are not over: their wake-up or worker may have been lost."""
    left = simulations.unfinished()
    for simulation_id in left:
        enqueue(simulations.JOB, str(simulation_id))
    return {"simulations": len(left)}
