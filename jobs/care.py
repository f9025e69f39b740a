"""Care of the data: the months that come next, the months that go into files, and an end for what is old."""

from typing import Any

from app import clock
from app.db import in_transaction
from app.permissions import Actor
from app.services import archives, care
from app.services.callers import nonces
from jobs.runner import job

ACTOR = Actor.system("jobs.care")


def lacks_partitions() -> bool:
    """Tell whether one of the months that come next has no partition."""
    return bool(care.missing_months(clock.now()))


@job("default", cron="10 0 * * *", retries=3)
def ensure_partitions() -> dict[str, object]:
    """Make the months of usage events that come next."""
    return {"partitions": care.ensure_partitions(clock.now())}


@job("default", cron=300, due=lacks_partitions, retries=3)
def mend_partitions() -> dict[str, object]:
    """Make them also when the scheduler starts, or when one was lost since."""
    return {"partitions": care.ensure_partitions(clock.now())}


@job("default", cron="40 21 * * *", transactional=False, timeout_seconds=6 * 3600)
def archive_events() -> dict[str, Any]:
    """Move the months that are older than the retention into files, at 03:10 IST."""
    at = clock.now()
    asked_for = in_transaction(
        lambda: sorted({row.month for row in archives.request_old(at=at, actor=ACTOR)})
    )
    return {"months": asked_for, **archives.work(at=at, actor=ACTOR, again=True)}


@job("default", cron=60, due=archives.has_work, transactional=False, timeout_seconds=6 * 3600)
def work_archives() -> dict[str, int]:
    """Archive and restore what somebody asked for, and finish what was interrupted."""
    return archives.work(at=clock.now(), actor=ACTOR)


@job("default", cron="10 22 * * *", transactional=False, timeout_seconds=3600)
def clean_up() -> dict[str, int]:
    """Delete what `care.RULES` let go, at 03:40 IST."""
    return care.clean_up(clock.now())


@job("default", cron=300, transactional=False)
def forget_nonces() -> dict[str, int]:
    """Forget the nonces of signed requests that are too old to be sent again."""
    return {"nonces": nonces.forget_nonces(clock.now())}
