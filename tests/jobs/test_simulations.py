"""The jobs of simulations: one is done by its wake-up, and found again where that was lost."""

from sqlalchemy.orm import Session

from app.models.simulations import SimulationStatus
from app.services import simulations
from jobs import simulations as jobs
from tests import factories as make
from tests.services.simulating import TODAY


def test_a_simulation_is_done_by_its_job_and_found_where_it_was_left(session: Session) -> None:
    plan = make.make_plan(components=[make.fee("100")])
    make.make_subscription(plan=plan)
    begun = simulations.start(
        plan.versions[0], first_month="2026-10", last_month="2026-10", at=TODAY, actor=make.ACTOR
    )
    assert (simulations.has_unfinished(), jobs.resume()) == (True, {"simulations": 1})
    assert jobs.run(str(begun.id)) == {"accounts": 1}
    assert jobs.run(str(begun.id)) == {"accounts": 0}
    session.refresh(begun)
    assert begun.status is SimulationStatus.done
    assert (simulations.has_unfinished(), jobs.resume()) == (False, {"simulations": 0})
