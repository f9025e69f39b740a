"""Invoices and their lines: what was billed, explained down to its tiers."""

from wtforms import SelectField, StringField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import InputRequired, Length, Optional

from admin_views import credit_notes
from admin_views.base import ModelScreen
from admin_views.document_mails import RESEND, MailRoutes
from admin_views.explanations import LineRoutes, StoryRoutes
from admin_views.fields import ExactField
from admin_views.generating import GenerateRoutes
from admin_views.operations import Operation
from admin_views.records import Download, Related
from admin_views.registry import screen
from admin_views.rerating import ReratingRoutes
from app import personal
from app.domain.money import plain
from app.domain.tds import SECTIONS, Law
from app.models import DocumentMail, DunningNotice, EInvoice, Invoice, InvoiceLine, Payment
from app.models.invoices import InvoiceStatus
from app.services import documents, issuing, payments

UNNUMBERED = (InvoiceStatus.draft, InvoiceStatus.parked)
PAYABLE = (
    InvoiceStatus.issued,
    InvoiceStatus.partially_paid,
    InvoiceStatus.overdue,
    InvoiceStatus.uncollectible,
)

# What a payer kept of an invoice, beside the money that came.
TDS_INPUTS = {
    "tds_amount": ExactField(
        label="TDS kept", scale=4, validators=[Optional()], description="Of the taxable value, without GST."
    ),
    "tds_section": SelectField(
        "TDS section",
        choices=[
            SelectChoice("", "–"),
            *(
                SelectChoice(name, f"{name}: {section.title}, {plain(section.rate)} %")
                for name, section in SECTIONS.items()
                if section.law is Law.income_tax
            ),
        ],
        default="",
    ),
    "gst_tds_amount": ExactField(
        label="GST kept", scale=4, validators=[Optional()], description="By government buyers: 2 %."
    ),
    "certificate_number": StringField(
        "Certificate", validators=[Length(max=100)], description="Where it is here already."
    ),
}


@screen(Invoice, category="Billing", icon="file-invoice", place=1)
class InvoiceScreen(GenerateRoutes, StoryRoutes, LineRoutes, ReratingRoutes, MailRoutes, ModelScreen):
    """The invoices and credit notes, and the page of one."""

    column_list = ("number", "customer", "status", "issued_on", "due_on", "kind", "total", "amount_due")
    search = ("number", "customer.name")
    filters = ("status", "kind", "currency", "customer", "account", "issued_on")
    labels = {"amount_due": "Open", "total": "Total"}
    intro = "Drafts wait for a person; an issued invoice never changes."
    empty = "Start a billing run for a month that has ended, and every account that owes gets its invoice."
    list_template = "admin/invoices.html"
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
            load=personal.document,
            file_name=documents.file_name,
            content_type="application/pdf",
            when=lambda invoice: invoice.number is not None,
        ),
    )
    operations = (
        *credit_notes.OPERATIONS,
        RESEND,
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
                "is paid, or partially paid, at once. What the payer kept as TDS counts as paid too."
            ),
            inputs={
                "amount": ExactField(
                    label="Amount",
                    scale=4,
                    validators=[InputRequired()],
                    description="What came, in the invoice's currency.",
                ),
                "reference": StringField(
                    "Reference",
                    validators=[InputRequired(), Length(max=200)],
                    description="The bank's number; the same one is taken once.",
                ),
                **TDS_INPUTS,
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
        Related(
            Invoice,
            by="original_id",
            columns=("number", "issued_on", "status", "total"),
            title="Credit notes",
            empty="Nothing was credited.",
        ),
        Related(
            EInvoice,
            by="invoice_id",
            columns=("irn", "status", "ack_no", "ack_at"),
            title="E-invoice",
            empty="No e-invoice: it is not needed, or the document is not issued.",
        ),
        Related(
            DocumentMail,
            by="document_id",
            columns=("subject", "recipient", "status", "sent_at"),
            title="Mails",
            empty="Nothing was mailed yet.",
        ),
        Related(
            DunningNotice,
            by="invoice_id",
            columns=("created_at", "step", "sent_by"),
            title="Reminders",
            empty="No reminder was sent.",
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
    empty = "The first invoice brings its lines."
    big = True
