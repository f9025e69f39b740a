"""Moves subscriptions to another version of their plan, and finishes moves that were begun."""

from collections import Counter
from uuid import UUID

from app import clock
from app.permissions import Actor
from app.queue import enqueue
from app.services import plan_moves
from jobs.runner import job

SYSTEM = Actor.system("plan moves")


@job("default", transactional=False, timeout_seconds=7200)
def move_subscriptions(move_id: str) -> dict[str, int]:
    """Move the pending subscriptions of a move; tell how many became what."""
    done = Counter(plan_moves.work(UUID(move_id), at=clock.now(), actor=SYSTEM))
    return {str(status): number for status, number in done.items()}


@job("default", cron=60, due=plan_moves.has_unfinished)
def resume_moves() -> dict[str, int]:
    """Wake up a worker for each move that is not done: its wake-up or worker was lost."""
    left = plan_moves.unfinished()
    for move_id in left:
        enqueue(plan_moves.JOB, str(move_id))
    return {"moves": len(left)}
