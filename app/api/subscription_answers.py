"""How what a change of a subscription would do looks on the wire."""

from decimal import Decimal
from typing import Any

from app.api.envelope import decimal_text, instant_text
from app.services.subscription_previews import Preview


def as_preview(found: Preview) -> dict[str, Any]:
    """Return what a change would do to the amounts of a subscription."""

    def text(amount: Decimal) -> str | None:
        return decimal_text(amount, found.currency)

    attributes = {
        "effective_at": instant_text(found.effective_at),
        "plan_version": found.version_label,
        "currency": found.currency,
        "fees": [
            {
                "description": fee.description,
                "plan_version": fee.version_label,
                "period_start": instant_text(fee.period.start),
                "period_end": instant_text(fee.period.end),
                "before": text(fee.before),
                "after": text(fee.after),
                "billed": text(fee.billed),
                "due": text(fee.due),
            }
            for fee in found.fees
        ],
        "fees_before": text(found.fees_before),
        "fees_after": text(found.fees_after),
        "usage_before": text(found.usage_before),
        "usage_after": text(found.usage_after),
        "difference": text(found.difference),
    }
    return {"type": "subscription_preview", "attributes": attributes}
