"""The demonstration: forty customers, their plans, three months of usage, invoices and wallets, as if lived.

Everything goes through the services that real data goes through: events are ingested and metered, months are
billed, invoices are paid. `steps` are done in order; each finds what an interrupted loading has done already.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import exists, select

from app.db import db
from app.models import User
from app.permissions import Actor
from app.services.demo import history, people, sales
from app.services.demo.customers import buyers
from app.services.demo.timeline import Timeline

Advance = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Step:
    """A part of the loading: what it is, how many pieces it has, and what does them, telling of each."""

    label: str
    pieces: int
    run: Callable[[Advance], None]


def is_loaded() -> bool:
    """Tell whether the demonstration was loaded to its end: its people come last."""
    return bool(db.session.scalar(select(exists().where(User.email == people.LAST))))


def steps(*, at: datetime, actor: Actor) -> list[Step]:
    """Return what loads the demonstration as of the instant `at`; each step commits by itself."""
    everybody = buyers()
    timeline = Timeline.ending(at)
    return [
        Step("Plans and customers", len(everybody), lambda go: sales.load(everybody, timeline, actor, go)),
        Step(
            "Three months of usage", timeline.length, lambda go: history.live(everybody, timeline, actor, go)
        ),
        Step("People", len(people.STAFF) + len(people.CUSTOMERS), lambda go: people.load(actor, go)),
    ]
