"""How fast usage is priced: `make bench BENCH=rating` prints one line of JSON.

Processor time of one process, the cheapest of many rounds. `graduated` with five tiers must reach 100,000
ratings a second; `floor` is bare `Decimal` arithmetic over the same tiers in the same context, without
breakdown, limits or rounding, and `ratio_to_floor` how many times as long a rating takes.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from decimal import Decimal, localcontext
from typing import Any

from app.domain.money import EXACT
from app.domain.pricing import Terms, Usage, parse_terms, price

LEAST = 100_000
TIERS = [
    {"up_to": "1000", "unit": "0.50", "flat": "10"},
    {"up_to": "10000", "unit": "0.45"},
    {"up_to": "50000", "unit": "0.40"},
    {"up_to": "200000", "unit": "0.35", "flat": "25"},
    {"up_to": None, "unit": "0.30"},
]
RATE_TIERS = [{"up_to": tier["up_to"], "rate": tier["unit"]} for tier in TIERS]
MODELS: dict[str, dict[str, Any]] = {
    "flat": {"price": "499"},
    "per_unit": {"unit": "0.25", "free_units": "100"},
    "graduated": {"tiers": TIERS},
    "volume": {"tiers": TIERS},
    "package": {"size": "100", "price": "5"},
    "percentage": {"rate": "2.9", "fixed": "0.30"},
    "graduated_percentage": {"tiers": RATE_TIERS},
}
# In each tier, so that a rating enters three of the five on average.
QUANTITIES = [Decimal(number) for number in ("512", "7250.5", "31000", "150000.25", "420000")]


def rate_all(terms: Terms, usages: Sequence[Usage]) -> list[Decimal]:
    """Return the exact price of each usage; the rounded one and the breakdown are made too."""
    return [price(terms, usage, "INR").amount_exact for usage in usages]


def bare(quantities: Sequence[Decimal]) -> list[Decimal]:
    """Return what `TIERS` come to by the least arithmetic that can be written for it."""
    tiers = [
        (
            None if tier["up_to"] is None else Decimal(tier["up_to"]),
            Decimal(tier["unit"]),
            Decimal(tier.get("flat", 0)),
        )
        for tier in TIERS
    ]
    amounts = []
    for quantity in quantities:
        with localcontext(EXACT):
            total, lower = Decimal(0), Decimal(0)
            for up_to, unit, flat in tiers:
                if quantity <= lower:
                    break
                if up_to is None or quantity <= up_to:
                    total += (quantity - lower) * unit + flat
                    break
                total += (up_to - lower) * unit + flat
                lower = up_to
        amounts.append(total)
    return amounts


def seconds_each(work: Callable[[], list[Decimal]], rounds: int) -> float:
    """Return the processor seconds of one rating, of the cheapest round."""
    cheapest = float("inf")
    for _ in range(rounds):
        begun = time.process_time()
        count = len(work())
        cheapest = min(cheapest, (time.process_time() - begun) / count)
    return cheapest


def main() -> None:
    """Measure and print; exit with 1 below the least rate."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--ratings", type=int, default=10_000, help="in a round")
    asked = parser.parse_args()
    quantities = QUANTITIES * (asked.ratings // len(QUANTITIES))
    usages = [Usage(quantity, count=3) for quantity in quantities]
    parsed = {name: parse_terms(name, terms) for name, terms in MODELS.items()}
    if rate_all(parsed["graduated"], usages[:5]) != bare(QUANTITIES):
        sys.exit("The rating and the bare arithmetic differ.")
    each = {
        name: seconds_each(lambda t=terms: rate_all(t, usages), asked.rounds)
        for name, terms in parsed.items()
    }
    floor = seconds_each(lambda: bare(quantities), asked.rounds)
    answer = {
        "ratings_per_second": {name: round(1 / seconds) for name, seconds in each.items()},
        "graduated_microseconds": round(each["graduated"] * 1e6, 2),
        "floor_microseconds": round(floor * 1e6, 2),
        "ratio_to_floor": round(each["graduated"] / floor, 2),
    }
    print(json.dumps(answer))
    if 1 / each["graduated"] < LEAST:
        sys.exit(f"Graduated reaches less than {LEAST:,} ratings a second.")


if __name__ == "__main__":
    main()
