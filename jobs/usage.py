"""What of usage is made before somebody asks for it."""

from app import clock
from app.services import reports
from jobs.runner import job


@job("default", cron=1_200, transactional=False)
def refresh_charts() -> dict[str, int]:
    """Make the dashboard's chart anew while the last one is still kept."""
    return {"zones": reports.refresh_usage(clock.now())}
