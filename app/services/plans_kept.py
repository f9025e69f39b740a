"""Plans as readers get them, kept in Redis for an hour (specification 9.1.3; docs/adr/0007).

Money never reads them: billing goes by the frozen versions themselves. Any write of a plan, a version or a
component, by whichever process and through whichever edge, makes what is kept unreadable when it commits.
"""

from collections.abc import Callable
from typing import Any

from sqlalchemy import event

from app.models import PlanVersion, PriceComponent, PricePlan
from app.services import cache

PLANS = "plans"
KEPT_SECONDS = 3600

Wire = dict[str, Any]


def read(code: str, make: Callable[[], Wire]) -> Wire:
    """Return a plan with its versions as the API writes it: the kept one, or what `make` returns."""
    return cache.get_or_make(f"plan:{code}", (PLANS,), KEPT_SECONDS, make, Wire)


def read_list(limit: int, cursor: str | None, make: Callable[[], Wire]) -> Wire:
    """Return a page of the list of plans, as `make` returns it or the kept one."""
    return cache.get_or_make(f"plans:{limit}:{cursor or ''}", (PLANS,), KEPT_SECONDS, make, Wire)


def _changed(*_: Any) -> None:
    cache.changed((PLANS,))


for model in (PricePlan, PlanVersion, PriceComponent):
    for moment in ("after_insert", "after_update", "after_delete"):
        event.listen(model, moment, _changed)
