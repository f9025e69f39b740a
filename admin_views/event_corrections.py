"""What super admins do to an event that should not have counted, or not so."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import select
from wtforms import SelectField, StringField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import InputRequired, Length

from admin_views.fields import ExactField, InstantField
from admin_views.operations import Operation
from admin_views.payload_field import PayloadField
from app.db import db
from app.formatting import format_instant, format_quantity
from app.models import Metric, UsageEvent
from app.models.customers import BillingMode
from app.models.invoices import InvoiceStatus
from app.permissions import Actor
from app.services import corrections, event_stories

NOT_ISSUED = (InvoiceStatus.draft, InvoiceStatus.parked, InvoiceStatus.cancelled)
STAYS = "Leave it empty where it stays as it was."


def counts(event: UsageEvent) -> bool:
    """Tell whether an event was not taken back yet."""
    return event.correction is None


def cancel(event: UsageEvent, *, reason: str, at: datetime, actor: Actor) -> str:
    """Take an event back."""
    corrections.cancel(event.account, event.event_id, reason=reason, at=at, actor=actor)
    return f"{event.event_id} no longer counts."


def amend(
    event: UsageEvent,
    *,
    quantity: Decimal | None,
    properties: dict[str, Any],
    timestamp: datetime | None,
    metric: str,
    reason: str,
    at: datetime,
    actor: Actor,
) -> str:
    """Replace an event by another with what was filled in."""
    changes: dict[str, Any] = {}
    if quantity is not None:
        changes["quantity"] = quantity
    if properties != corrections.exact_properties(event):
        changes["properties"] = properties
    if timestamp is not None:
        changes["timestamp"] = timestamp.isoformat()
    if metric:
        changes["metric"] = metric
    made = corrections.amend(event.account, event.event_id, changes, reason=reason, at=at, actor=actor)
    return f"{made.replacement_event_id} counts in its place."


def tell_cancel(event: UsageEvent) -> str:
    """Say what cancelling an event will do: to its quantity, and to its period."""
    return f"{_taken_back(event)} {_money(event)} Its id stays used: sending it again counts nothing."


def tell_amend(event: UsageEvent) -> str:
    """Say what amending an event will do."""
    return (
        f"{_taken_back(event)} A new event with what you fill in takes its place, checked as every event is. "
        f"{_money(event)}"
    )


def _taken_back(event: UsageEvent) -> str:
    unit = event.metric.unit + ("" if event.quantity == 1 else "s")
    occurred = format_instant(event.occurred_at, event.account.timezone)
    taken = "is" if event.quantity == 1 else "are"
    return f"{format_quantity(event.quantity)} {unit} of {event.metric.name} ({occurred}) {taken} taken back."


def _money(event: UsageEvent) -> str:
    story = event_stories.tell(event)
    numbers = [line.invoice.number for line in story.lines if line.invoice.status not in NOT_ISSUED]
    if event.account.billing_mode == BillingMode.prepaid:
        return "The wallet gets or pays the exact difference in price within seconds."
    if numbers:
        return (
            f"Its period is invoiced already, on {', '.join(filter(None, numbers))}: that invoice does not "
            "change, the next one adjusts the difference."
        )
    return "Its period is not invoiced yet, so it is billed as it will stand then."


def metric_choices() -> list[SelectChoice]:
    """Return the metrics that an event can be moved to."""
    query = select(Metric.code, Metric.name).where(Metric.active).order_by(Metric.name)
    named = [SelectChoice(code, f"{name} ({code})") for code, name in db.session.execute(query)]
    return [SelectChoice("", "As it was"), *named]


def _reason() -> Any:
    return StringField(
        "Reason",
        validators=[InputRequired(), Length(max=corrections.LONGEST_REASON)],
        description="For the audit trail; whoever reads the event sees it.",
    )


CORRECTIONS = (
    Operation(
        "amend",
        "Amend event",
        run=amend,
        icon="edit",
        when=counts,
        explain=tell_amend,
        inputs={
            "quantity": ExactField(label="Quantity", description=f"As it was sent. {STAYS}"),
            "properties": PayloadField(label="Properties"),
            "timestamp": InstantField("Time", description=f"In your time zone. {STAYS}"),
            "metric": SelectField("Metric", choices=metric_choices),
            "reason": _reason(),
        },
        initial=lambda event: {"properties": corrections.exact_properties(event)},
    ),
    Operation(
        "cancel",
        "Cancel event",
        run=cancel,
        icon="x",
        danger=True,
        when=counts,
        explain=tell_cancel,
        inputs={"reason": _reason()},
    ),
)
