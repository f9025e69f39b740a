"""How the events of a metric become a quantity: a registry of aggregations (docs/adr/0006).

Count and sum add: their buckets are folded from deltas in any order. The others are recomputed from the
events of a bucket, whose state is merged into the quantity of any longer window. A new aggregation is one
class in one of these modules; the dropdown, the API, metering, reading and the contract test read the
registry.
"""

from app.domain.aggregations import adding, numbers, unique, weighted
from app.domain.aggregations.core import (
    Aggregation,
    Observation,
    State,
    ValueProperty,
    Window,
    aggregations,
    combine,
    read_value,
)

# The order in which people choose from them is that of these modules.
KINDS = (adding, numbers, unique, weighted)

__all__ = [
    "KINDS",
    "Aggregation",
    "Observation",
    "State",
    "ValueProperty",
    "Window",
    "aggregations",
    "combine",
    "read_value",
]
