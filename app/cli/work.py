"""Long work that several commands share."""

from sqlalchemy import func, select

from app.cli.console import progress
from app.db import db, in_transaction
from app.models import UsageDelta
from app.services import metering
from app.services.rating import Tariffs


def drain() -> int:
    """Meter all waiting usage, beside the workers if there are any; return how many deltas it was."""
    tariffs = Tariffs()
    waiting = in_transaction(lambda: db.session.scalar(select(func.count()).select_from(UsageDelta))) or 0
    total = 0
    with progress("Metering", waiting) as advance:
        while done := in_transaction(lambda: metering.drain(tariffs=tariffs)):
            total += done
            advance(done)
    return total
