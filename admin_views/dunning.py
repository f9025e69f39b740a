"""Reminders of late invoices: who is late and how far, what was sent, and who is left in peace."""

from datetime import date, datetime

from wtforms import StringField
from wtforms.validators import InputRequired, Length

from admin_views.base import ModelScreen
from admin_views.fields import DayField
from admin_views.lookups import Lookup, LookupField
from admin_views.operations import Operation
from admin_views.registry import screen
from app import clock
from app.models import Customer, DunningNotice, DunningPause
from app.permissions import Actor
from app.services import dunning
from app.services.dunning import Standing


def pause(*, customer: Customer, until: date, reason: str, at: datetime, actor: Actor) -> DunningPause:
    """Leave a customer in peace."""
    return dunning.pause(customer, until=until, reason=reason, at=at, actor=actor)


@screen(DunningNotice, category="Billing", resource="billing", title="Reminders", icon="bell", place=10)
class DunningScreen(ModelScreen):
    """What was sent, the newest first; above it the invoices that are late."""

    column_list = ("created_at", "invoice", "invoice.customer", "step", "last", "payment", "sent_by")
    labels = {"created_at": "Sent", "step": "Days after the due day", "last": "The last"}
    search = ("invoice.number",)
    filters = ("invoice", "created_at")
    intro = "Customers are reminded by the schedule of the settings, each step once, until the money came."
    empty = "Nobody had to be reminded yet."
    list_template = "admin/reminders.html"
    list_parts = ("admin/parts/reminders.html",)

    def late(self) -> list[Standing]:
        """Return the invoices that are late, the longest first."""
        return dunning.standing(at=clock.now())


@screen(
    DunningPause,
    category="Billing",
    resource="billing",
    title="Paused reminders",
    icon="clock-pause",
    place=11,
)
class DunningPauseScreen(ModelScreen):
    """Customers who get no reminders for a while."""

    column_list = ("customer", "until", "reason", "paused_by", "created_at")
    search = ("customer.name",)
    empty = "Every customer is reminded by the schedule."
    operations = (
        Operation(
            "pause",
            "Pause reminders",
            run=pause,
            icon="clock-pause",
            on_list=True,
            confirm="The customer gets no reminders by the schedule until that day is over.",
            inputs={
                "customer": LookupField(
                    Lookup("customer", Customer), label="Customer", validators=[InputRequired()]
                ),
                "until": DayField("Until", validators=[InputRequired()], description="This day included."),
                "reason": StringField("Reason", validators=[InputRequired(), Length(max=300)]),
            },
        ),
        Operation(
            "resume",
            "Remind again",
            run=dunning.resume,
            icon="bell",
            confirm="The next step of the schedule is sent when its day comes, or has come.",
        ),
    )
