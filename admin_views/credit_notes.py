"""What people do to issued invoices beside payments: credit, cancel, give up; and what they do to drafts."""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from wtforms import BooleanField, SelectField, StringField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import InputRequired, Length

from admin_views.fields import DayField, DocumentField, ExactField
from admin_views.operations import Operation
from app import clock
from app.formatting import format_money
from app.models import Invoice
from app.models.invoices import InvoiceKind, InvoiceStatus
from app.permissions import Actor
from app.services import credit_notes, drafts, dunning, invoices
from app.services.credit_notes import RefundTo

UNNUMBERED = (InvoiceStatus.draft, InvoiceStatus.parked)
PAYABLE = (
    InvoiceStatus.issued,
    InvoiceStatus.partially_paid,
    InvoiceStatus.overdue,
    InvoiceStatus.uncollectible,
)
TARGETS = [
    SelectChoice(RefundTo.none.value, "Leave it with the invoice"),
    SelectChoice(RefundTo.wallet.value, "Put it into the wallet"),
    SelectChoice(RefundTo.gateway.value, "Back through the gateway that took it"),
]
LINES_HELP = (
    'To take back single lines instead of an amount: [{"n": 1, "quantity": "100"}] or '
    '[{"n": 1, "amount": "250.00"}], before tax.'
)
MANUAL_HELP = (
    'All lines of yours: [{"description": "Setup", "quantity": "1", "unit_price": "5000"}]. The lines of '
    "usage and fees are worked out anew."
)


def why(description: str) -> Any:
    """Return the field of a reason."""
    return StringField("Reason", validators=[InputRequired(), Length(max=300)], description=description)


def where_to() -> Any:
    """Return the field that says where overpaid money goes."""
    return SelectField("What was paid too much", choices=TARGETS, default=RefundTo.none.value)


def can_be_credited(invoice: Invoice) -> bool:
    """Tell whether something is left of an issued invoice."""
    issued = invoice.status not in UNNUMBERED and invoice.kind is not InvoiceKind.credit_note
    return issued and invoice.amount_credited < invoice.total


def waits_for_money(invoice: Invoice) -> bool:
    """Tell whether somebody should pay it."""
    return invoice.status in PAYABLE and invoice.amount_due > 0


def credit(
    invoice: Invoice,
    *,
    amount: Decimal | None,
    lines: list[dict[str, Any]] | None,
    refund_to: str,
    reason: str,
    at: datetime,
    actor: Actor,
) -> str:
    """Issue a credit note over lines where some are named, else over the amount."""
    made = credit_notes.issue(
        invoice,
        lines=lines or None,
        amount=None if lines else amount,
        reason=reason,
        refund_to=RefundTo(refund_to),
        at=at,
        actor=actor,
    )
    return f"Credit note {made.number} over {format_money(made.total, made.currency)} was issued."


def void(invoice: Invoice, *, rebill: bool, refund_to: str, reason: str, at: datetime, actor: Actor) -> str:
    """Cancel an invoice by a credit note over the rest."""
    made = credit_notes.void(
        invoice, reason=reason, rebill=rebill, refund_to=RefundTo(refund_to), at=at, actor=actor
    )
    return f"{invoice.number} is cancelled by credit note {made.number}."


def change(
    invoice: Invoice,
    *,
    lines: list[dict[str, Any]] | None,
    purchase_order: str,
    due_on: date | None,
    at: datetime,
    actor: Actor,
) -> Invoice:
    """Change a draft."""
    values = {"lines": lines or [], "purchase_order": purchase_order or None, "due_on": due_on}
    return drafts.change(invoice, values, at=at, actor=actor)


def discard(invoice: Invoice, *, reason: str, at: datetime, actor: Actor) -> str:
    """Throw a draft away."""
    drafts.discard(invoice, reason=reason, at=at, actor=actor)
    return "The draft was discarded; what it held waits for the next invoice."


def release(invoice: Invoice, *, reason: str, at: datetime, actor: Actor) -> str:
    """Issue a parked invoice."""
    return f"{drafts.release(invoice, reason=reason, at=at, actor=actor).number} was issued."


def remind(invoice: Invoice, *, at: datetime, actor: Actor) -> str:
    """Send a reminder now."""
    dunning.remind(invoice, at=at, actor=actor)
    return f"{invoice.customer.name} is reminded of {invoice.number}."


def _left(invoice: Invoice) -> Mapping[str, Any]:
    return {"amount": credit_notes.left_of(invoice, clock.now())}


def _of_draft(invoice: Invoice) -> Mapping[str, Any]:
    return {
        "lines": drafts.manual_lines(invoice),
        "purchase_order": invoice.purchase_order,
        "due_on": invoice.due_on,
    }


def _crediting(invoice: Invoice) -> str:
    at = clock.now()
    left = format_money(credit_notes.left_of(invoice, at), invoice.currency)
    told = (
        f"{left} can be credited of {invoice}. The invoice stays as it is; the customer owes that much less."
    )
    if credit_notes.is_commercial(invoice, at):
        told += " The time to take back tax has ended (s.34(2)): the note has none."
    return told


OPERATIONS = (
    Operation(
        "change",
        "Change the draft",
        run=change,
        icon="edit",
        when=lambda invoice: invoice.status in UNNUMBERED,
        confirm="The figures are worked out anew, as of now. Nothing is billed before it is issued.",
        inputs={
            "lines": DocumentField(label="Added lines", description=MANUAL_HELP),
            "purchase_order": StringField("Purchase order", validators=[Length(max=100)]),
            "due_on": DayField("Due day", description="Empty: by the terms of the account."),
        },
        initial=_of_draft,
    ),
    Operation(
        "release",
        "Release",
        run=release,
        icon="send",
        when=lambda invoice: invoice.status is InvoiceStatus.parked,
        confirm="You have looked at what seemed wrong, and it is right: the invoice is issued for good.",
        inputs={"reason": why("Why it is right; it stays in the audit trail.")},
    ),
    Operation(
        "discard",
        "Discard",
        run=discard,
        icon="trash",
        danger=True,
        when=lambda invoice: invoice.status in UNNUMBERED,
        confirm="Nothing is lost: its usage and fees stay unbilled and wait for the next invoice.",
        inputs={"reason": why("It stays in the audit trail.")},
    ),
    Operation(
        "credit",
        "Credit note",
        run=credit,
        icon="receipt-refund",
        when=can_be_credited,
        needs_recent_sign_in=True,
        explain=lambda invoice: _crediting(invoice) if invoice is not None else "",
        inputs={
            "amount": ExactField(label="Amount with tax", scale=4, description="Spread over all lines."),
            "lines": DocumentField(label="Lines", description=LINES_HELP),
            "refund_to": where_to(),
            "reason": why("The customer reads it on the credit note."),
        },
        initial=_left,
    ),
    Operation(
        "void",
        "Cancel",
        run=void,
        icon="file-off",
        danger=True,
        when=can_be_credited,
        needs_recent_sign_in=True,
        confirm="A credit note takes back all that is left of it. The invoice itself stays as it is.",
        inputs={
            "rebill": BooleanField(
                "Bill it again", description="Its usage, fees, coupons and credits come on the next invoice."
            ),
            "refund_to": where_to(),
            "reason": why("The customer reads it on the credit note."),
        },
    ),
    Operation(
        "remind",
        "Send a reminder",
        run=remind,
        icon="bell",
        when=waits_for_money,
        confirm="The customer gets a mail with the invoice now, beside the schedule of reminders.",
    ),
    Operation(
        "write_off",
        "Write off",
        run=invoices.write_off,
        icon="ban",
        danger=True,
        when=lambda invoice: waits_for_money(invoice) and invoice.status is not InvoiceStatus.uncollectible,
        confirm="Nobody is reminded of it any more. A payment that comes after all is taken.",
        inputs={"reason": why("It stays in the audit trail.")},
    ),
)
