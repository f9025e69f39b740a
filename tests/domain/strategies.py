"""Hypothesis strategies for money, terms and usage, shared by the property tests of the domain."""

from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

MODELS = ("flat", "per_unit", "graduated", "volume", "package", "percentage", "graduated_percentage")


def decimals(largest: int, places: int, smallest: int = 0) -> st.SearchStrategy[Decimal]:
    """Exact decimals from `smallest` to `largest` with at most that many places."""
    unit = 10**places
    return st.integers(smallest * unit, largest * unit).map(lambda n: Decimal(n).scaleb(-places))


rates = st.one_of(decimals(1000, 2), decimals(10, 12)).map(str)
quantities = st.one_of(decimals(10_000, 0), decimals(2000, 3), decimals(50, 12))


@st.composite
def tiers(draw: st.DrawFn, price: str, flats: bool = True) -> list[dict[str, Any]]:
    """Up to five tiers with rising decimal bounds, the last one open."""
    bounds = sorted(draw(st.sets(decimals(3000, 2, smallest=1), max_size=4)))
    flat = rates if flats else st.just("0")
    return [
        {"up_to": up_to, price: draw(rates), "flat": draw(flat)}
        for up_to in [*(str(one) for one in bounds), None]
    ]


@st.composite
def terms(draw: st.DrawFn, model: str) -> dict[str, Any]:
    """The wire terms of a model, its optional fields sometimes present."""
    shapes: dict[str, dict[str, st.SearchStrategy[Any]]] = {
        "flat": {"price": rates},
        "per_unit": {"unit": rates},
        "graduated": {"tiers": tiers("unit")},
        "volume": {"tiers": tiers("unit")},
        "package": {"size": decimals(500, 3, smallest=1).map(str), "price": rates},
        "percentage": {"rate": rates},
        "graduated_percentage": {"tiers": tiers("rate")},
    }
    free = quantities.map(str)
    extras: dict[str, dict[str, st.SearchStrategy[Any]]] = {
        "flat": {},
        "percentage": {
            "fixed": rates,
            "free_events": st.integers(0, 4),
            "free_amount": free,
            "min_per_event": decimals(3, 2).map(str),
            "max_per_event": decimals(9, 2, smallest=3).map(str),
        },
        "graduated_percentage": {"free_amount": free},
        "package": {"free_units": free, "rounding": st.sampled_from(("up", "down"))},
    }
    limits = {"minimum": decimals(9, 2).map(str), "maximum": decimals(9999, 2, smallest=9).map(str)}
    optional = {**extras.get(model, {"free_units": free}), **limits}
    return draw(st.fixed_dictionaries(shapes[model], optional=optional))


# A model's name with terms for it.
cases = st.sampled_from(MODELS).flatmap(lambda model: st.tuples(st.just(model), terms(model)))
