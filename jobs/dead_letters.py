"""Dead letters, replayed by thousands while nobody has to wait."""

from uuid import UUID

from app.queue import enqueue
from app.services import replays
from jobs.runner import job


@job("default", transactional=False, retries=3, timeout_seconds=3600)
def run_replay(run_id: str) -> dict[str, int]:
    """Replay what is left of the letters that were chosen."""
    return replays.work(UUID(run_id))


@job("default", cron=60, due=replays.has_unfinished)
def resume_replays() -> dict[str, int]:
    """Wake up the replays that are not done: their wake-up or worker may have been lost."""
    left = replays.unfinished()
    for run_id in left:
        enqueue("jobs.dead_letters.run_replay", str(run_id))
    return {"replays": len(left)}
