"""What differs between two price lists: component by component, field by field, tiers side by side."""

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any

from app.domain.pricing import price_models, terms_schema

IDENTITY = ("code", "currency")
TITLES = {
    "name": "Name",
    "kind": "Kind",
    "metric": "Metric",
    "model": "Price model",
    "filters": "Only for",
    "group_by": "Each by itself",
    "timing": "Billed",
    "prorated": "Prorated",
    "sac": "SAC",
    "interval": "Billing period",
    "effective_on": "First day",
    "charge_zero_first_tier": "No usage pays the first tier's flat part",
    "suspend_when_empty": "Stops when the wallet is empty",
}

Wire = Mapping[str, Any]


def compare(before: Sequence[Wire], after: Sequence[Wire]) -> dict[str, Any]:
    """Return how a list of components became another one: `components` in the order of `after`, those that
    are gone last, and whether the common ones stand in another order (`reordered`).

    Components are the same by code and currency. Each entry has its `change` (`added removed changed same`),
    the `fields` that differ and, where tiers differ, all `tiers` side by side.
    """
    old, new = _by_identity(before), _by_identity(after)
    keys = [*new, *(key for key in old if key not in new)]
    return {
        "components": [_entry(key, old.get(key), new.get(key)) for key in keys],
        "reordered": [key for key in old if key in new] != [key for key in new if key in old],
    }


def compare_fields(before: Wire | None, after: Wire | None) -> list[dict[str, Any]]:
    """Return the plain fields that differ, with their titles; one that is not there is None."""
    old, new = before or {}, after or {}
    names = dict.fromkeys((*new, *old))
    return [
        {"field": name, "title": _title(name, old, new), "before": old.get(name), "after": new.get(name)}
        for name in names
        if not _is_tiers(old.get(name)) and not _is_tiers(new.get(name)) and old.get(name) != new.get(name)
    ]


def _by_identity(components: Sequence[Wire]) -> dict[tuple[Any, ...], Wire]:
    return {tuple(one[name] for name in IDENTITY): one for one in components}


def _entry(key: tuple[Any, ...], old: Wire | None, new: Wire | None) -> dict[str, Any]:
    fields = [field for field in compare_fields(old, new) if field["field"] not in IDENTITY and _says(field)]
    tiers = _compare_tiers(old or {}, new or {})
    if old is None or new is None:
        change = "added" if old is None else "removed"
    else:
        change = "changed" if fields or tiers else "same"
    named = new or old or {}
    return {
        **dict(zip(IDENTITY, key, strict=True)),
        "name": named.get("name"),
        "change": change,
        "fields": fields,
        "tiers": tiers,
    }


def _says(field: Mapping[str, Any]) -> bool:
    """Tell whether a field says anything: nothing that stays nothing in other words does not."""
    return any(field[side] not in (None, {}, []) for side in ("before", "after"))


def _compare_tiers(old: Wire, new: Wire) -> list[dict[str, Any]]:
    names = [name for name in dict.fromkeys((*new, *old)) if _is_tiers(old.get(name) or new.get(name))]
    rows = []
    for name in names:
        left, right = old.get(name) or [], new.get(name) or []
        if left == right:
            continue
        for n, (one, other) in enumerate(zip_longest(left, right), 1):
            change = "added" if one is None else "removed" if other is None else "changed"
            rows.append({"n": n, "change": "same" if one == other else change, "before": one, "after": other})
    return rows


def _is_tiers(value: Any) -> bool:
    return isinstance(value, list | tuple) and bool(value) and all(isinstance(one, Mapping) for one in value)


def _title(name: str, *components: Wire) -> str:
    if name in TITLES:
        return TITLES[name]
    for component in components:
        model = component.get("model")
        if isinstance(model, str) and model in price_models:
            known = terms_schema(model)["properties"]
            if name in known:
                return str(known[name]["title"])
    return name.replace("_", " ").capitalize()
