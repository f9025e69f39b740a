"""Invoices and their lines: what was billed, explained down to its tiers."""

from datetime import date, datetime, timedelta

from wtforms import StringField
from wtforms.validators import InputRequired, Length

from admin_views.base import ModelScreen
from admin_views.explanations import LineRoutes
from admin_views.fields import DayField, DocumentField, ExactField
from admin_views.lookups import Lookup, LookupField
from admin_views.operations import Operation
from admin_views.records import Download, Related
from admin_views.registry import screen
from admin_views.rerating import ReratingRoutes
from app.domain.periods import Period, day_start
from app.errors import Invalid
from app.models import Account, Invoice, InvoiceLine, Payment
from app.models.invoices import InvoiceStatus
from app.permissions import Actor
from app.services import documents, invoices, issuing, payments

LINES_HELP = (
    'Lines of your own beside those from usage: [{"description": "Setup", '
    '"quantity": "1", "unit_price": "5000"}]'
)
UNNUMBERED = (InvoiceStatus.draft, InvoiceStatus.parked)
PAYABLE = (
    InvoiceStatus.issued,
    InvoiceStatus.partially_paid,
    InvoiceStatus.overdue,
    InvoiceStatus.uncollectible,
)


def draft(
    *,
    account: Account,
    first: date,
    last: date,
    lines: list[dict[str, str]],
    purchase_order: str,
    at: datetime,
    actor: Actor,
) -> Invoice:
    """Draft the invoice of an account for whole local days.

    Raises:
        Invalid: the period ends before it begins.
    """
    if last < first:
        raise Invalid.at("/last", "The period ends before it begins.")
    end_on = last + timedelta(days=1)
    zone = account.timezone
    period = Period(start=day_start(first, zone), end=day_start(end_on, zone), start_on=first, end_on=end_on)
    return invoices.draft_by_hand(
        account, period, lines=lines or [], purchase_order=purchase_order or None, at=at, actor=actor
    )


@screen(Invoice, category="Billing", icon="file-invoice", place=1)
class InvoiceScreen(LineRoutes, ReratingRoutes, ModelScreen):
    """The invoices and credit notes, and the page of one."""

    column_list = ("number", "customer", "status", "issued_on", "due_on", "kind", "total", "amount_due")
    search = ("number", "customer.name")
    filters = ("status", "kind", "currency", "customer", "account", "issued_on")
    labels = {"amount_due": "Open", "total": "Total"}
    intro = "Drafts wait for a person; an issued invoice never changes."
    empty = "Start a billing run for a month that has ended, and every account that owes gets its invoice."
    details_template = "admin/invoice.html"
    parts = ("admin/parts/invoice.html",)
    details = (
        "number",
        "status",
        "kind",
        "customer",
        "account",
        "period_start",
        "period_end",
        "issued_on",
        "due_on",
        "place_of_supply",
        "reverse_charge",
        "purchase_order",
        "registration",
        "snapshot_sha256",
        "id",
        "created_at",
        "updated_at",
    )
    downloads = (
        Download(
            "pdf",
            "PDF",
            load=documents.load_invoice_pdf,
            file_name=documents.invoice_file_name,
            content_type="application/pdf",
            when=lambda invoice: invoice.number is not None,
        ),
    )
    operations = (
        Operation(
            "draft",
            "New invoice",
            run=draft,
            icon="plus",
            on_list=True,
            confirm=(
                "Drafts everything that the account has used and owes up to the end of the "
                "period. Nothing is billed before the draft is issued."
            ),
            inputs={
                "account": LookupField(
                    Lookup("account", Account), label="Account", validators=[InputRequired()]
                ),
                "first": DayField("First day", validators=[InputRequired()]),
                "last": DayField(
                    "Last day", validators=[InputRequired()], description="This day is billed too."
                ),
                "purchase_order": StringField("Purchase order", validators=[Length(max=100)]),
                "lines": DocumentField(label="Added lines", description=LINES_HELP),
            },
        ),
        Operation(
            "issue",
            "Issue",
            run=issuing.issue,
            icon="send",
            when=lambda invoice: invoice.status in UNNUMBERED,
            confirm=(
                "It gets its number and can never change again; the PDF is made and "
                "sent. A mistake is mended by a credit note only."
            ),
        ),
        Operation(
            "record_payment",
            "Record a payment",
            run=payments.record_manual,
            icon="cash",
            when=lambda invoice: invoice.status in PAYABLE,
            confirm=(
                "For money that came by bank transfer or cheque. The invoice "
                "is paid, or partially paid, at once."
            ),
            inputs={
                "amount": ExactField(
                    label="Amount",
                    scale=4,
                    validators=[InputRequired()],
                    description="In the invoice's currency.",
                ),
                "reference": StringField(
                    "Reference",
                    validators=[InputRequired(), Length(max=200)],
                    description="The bank's number; the same one is taken once.",
                ),
            },
            initial=lambda invoice: {"amount": invoice.amount_due},
        ),
    )
    related = (
        Related(
            Payment,
            by="invoice_id",
            columns=("created_at", "gateway", "status", "amount", "settled_at"),
            empty="No payment yet.",
        ),
    )


@screen(InvoiceLine, category="Billing", icon="list", place=6, listed=False)
class InvoiceLineScreen(ModelScreen):
    """The lines of all invoices."""

    column_list = (
        "description",
        "invoice",
        "kind",
        "quantity",
        "unit_price",
        "amount",
        "tax_rate",
        "period_start",
    )
    search = ("=metric_code", "invoice.number")
    filters = ("kind", "metric_code", "invoice")
    big = True
