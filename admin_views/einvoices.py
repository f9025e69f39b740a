"""e-invoices: what waits for its reference number, what the portal refused, and cancelling within a day."""

from datetime import datetime

from wtforms import SelectField, StringField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import InputRequired, Length

from admin_views.base import ModelScreen
from admin_views.operations import Operation
from admin_views.records import Download
from admin_views.registry import screen
from app import clock
from app.models import EInvoice
from app.models.einvoices import EInvoiceStatus
from app.permissions import Actor
from app.services import einvoices

WAITS = (EInvoiceStatus.awaiting_irn, EInvoiceStatus.failed)
REASONS = [SelectChoice(str(code), words) for code, words in einvoices.REASONS.items()]


def register_again(row: EInvoice, *, at: datetime, actor: Actor) -> str:
    """Take it to the portal now."""
    einvoices.register_again(row, at=at, actor=actor)
    return "The portal is asked again; the page shows in a moment what it says."


def cancel(row: EInvoice, *, reason: str, remark: str, at: datetime, actor: Actor) -> str:
    """Ask the portal to cancel a registration."""
    einvoices.cancel(row, reason=int(reason), remark=remark, at=at, actor=actor)
    return (
        "The portal is asked to cancel it. Then void the invoice itself: its credit note needs no e-invoice."
    )


def file_name(row: EInvoice) -> str:
    """Return the name a person saves the INV-01 document under: `OT-26-27-000042.json`."""
    return f"{(row.invoice.number or 'draft').replace('/', '-')}.json"


@screen(EInvoice, category="Billing", icon="shield-check", place=8, title="E-invoices", slug="e-invoices")
class EInvoiceScreen(ModelScreen):
    """The documents that the law wants registered at the Invoice Registration Portal."""

    column_list = ("invoice", "status", "ack_no", "ack_at", "attempts", "failure")
    search = ("invoice.number", "=irn", "=ack_no")
    filters = ("status", "provider", "ack_at")
    labels = {"irn": "IRN", "ack_no": "Acknowledgement", "ack_at": "Acknowledged", "failure": "Refused"}
    intro = (
        "A document that needs an e-invoice has no PDF and no mail before the portal has signed it. "
        "What the portal refused waits here for a person."
    )
    empty = "No document needed an e-invoice yet. They are switched on by the settings."
    details = (
        "invoice",
        "status",
        "irn",
        "ack_no",
        "ack_at",
        "provider",
        "attempts",
        "next_try_at",
        "failure",
        "last_error",
        "cancel_reason",
        "cancel_remark",
        "cancel_asked_by",
        "cancelled_at",
        "created_at",
        "updated_at",
    )
    downloads = (
        Download(
            "inv01",
            "INV-01",
            load=lambda row: einvoices.export([row.invoice]),
            personal=True,
            file_name=file_name,
            content_type="application/json",
        ),
    )
    operations = (
        Operation(
            "register_again",
            "Register again",
            run=register_again,
            icon="refresh",
            when=lambda row: row.status in WAITS,
            confirm="Asks the portal now. What is registered there already is found, never registered twice.",
        ),
        Operation(
            "cancel",
            "Cancel",
            run=cancel,
            icon="ban",
            danger=True,
            when=lambda row: einvoices.is_cancellable(row, clock.now()),
            inputs={
                "reason": SelectField("Reason", choices=REASONS, validators=[InputRequired()]),
                "remark": StringField(
                    "Remark",
                    validators=[InputRequired(), Length(min=3, max=100)],
                    description="The portal keeps it.",
                ),
            },
            confirm=(
                "The portal cancels within 24 hours of the registration; the number is never used again. "
                "The invoice itself stays until you void it."
            ),
        ),
    )
