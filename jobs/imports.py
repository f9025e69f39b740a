"""Files of usage, imported while nobody has to wait."""

from uuid import UUID

from app.queue import enqueue
from app.services.imports import runs
from jobs.runner import job


@job("default", transactional=False, retries=3, timeout_seconds=3600)
def run_import(import_id: str) -> dict[str, int]:
    """Import what is left of an uploaded file."""
    return runs.work(UUID(import_id))


@job("default", cron=60, due=runs.has_unfinished)
def resume_imports() -> dict[str, int]:
    """Wake up the imports that are not done: their wake-up or worker may have been lost."""
    left = runs.unfinished()
    for import_id in left:
        enqueue("jobs.imports.run_import", str(import_id))
    return {"imports": len(left)}
