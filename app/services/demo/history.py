"""Three months lived day by day: wallets filled, usage metered, months billed, invoices paid."""

from collections.abc import Callable, Sequence
from datetime import date

from app.db import in_transaction
from app.permissions import Actor
from app.services import events, metering
from app.services.demo import money, usage
from app.services.demo.customers import Buyer
from app.services.demo.timeline import Timeline
from app.services.rating import Tariffs

BATCH = 2_000
SOURCE = "demo"


def live(
    everybody: Sequence[Buyer], timeline: Timeline, actor: Actor, advance: Callable[[int], None]
) -> None:
    """Let each day of the timeline happen; what happened already adds nothing."""
    tariffs = Tariffs()
    for days in timeline.steps():
        last = days[-1]
        evening = timeline.evening(last)
        money.fill_wallets(everybody, days[0], timeline)
        _use(everybody, days, timeline, actor)
        while in_transaction(lambda at=evening: metering.drain(tariffs=tariffs, at=at)):  # type: ignore[misc]
            pass
        for on in days:
            money.bill(on, timeline)
            money.pay_invoices(everybody, on, timeline)
        advance(len(days))
    money.set_thresholds(everybody, timeline)


def _use(everybody: Sequence[Buyer], days: Sequence[date], timeline: Timeline, actor: Actor) -> None:
    sent = [event for on in days for buyer in everybody for event in usage.of_day(buyer, on, timeline)]
    for start in range(0, len(sent), BATCH):
        events.ingest(sent[start : start + BATCH], source=SOURCE, actor=actor, at=timeline.until)
