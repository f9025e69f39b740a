"""What a plan version says, as plain JSON, and how two versions differ."""

import json
from hashlib import sha256
from typing import Any

from app.domain import plan_diffs
from app.models import PlanVersion
from app.services import components

ATTRIBUTES = ("interval", "effective_on", "charge_zero_first_tier", "suspend_when_empty")


def of(version: PlanVersion) -> dict[str, Any]:
    """Return what a version says: its attributes and its components."""
    stated = {name: getattr(version, name) for name in ATTRIBUTES}
    if version.effective_on is not None:
        stated["effective_on"] = version.effective_on.isoformat()
    return {**stated, "components": components.as_prices(version)}


def mark(version: PlanVersion) -> str:
    """Return a word that changes with anything that a version says."""
    return sha256(json.dumps(of(version), sort_keys=True).encode()).hexdigest()


def compare(before: PlanVersion, after: PlanVersion) -> dict[str, Any]:
    """Return what differs between two versions: `attributes`, and the components as `plan_diffs.compare`
    tells them.
    """
    old, new = of(before), of(after)
    prices = plan_diffs.compare(old.pop("components"), new.pop("components"))
    return {
        "before": before.label,
        "after": after.label,
        "attributes": plan_diffs.compare_fields(old, new),
        **prices,
    }
