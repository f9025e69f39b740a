"""Invoices and their lines: what was billed, explained down to its tiers."""

from admin_views.base import ModelScreen
from admin_views.records import Related
from admin_views.registry import screen
from app.models import Invoice, InvoiceLine, Payment


@screen(Invoice, category="Billing", icon="file-invoice", place=1)
class InvoiceScreen(ModelScreen):
    """The invoices and credit notes, and the page of one."""

    column_list = ("number", "customer", "account", "kind", "status", "issued_on", "due_on", "total", "amount_due")
    search = ("number", "customer.name")
    filters = ("status", "kind", "currency", "customer", "account", "issued_on")
    labels = {"amount_due": "Due"}
    intro = "Drafts wait for a billing run or a person; an issued invoice never changes."
    empty = "Start a billing run for a period that has ended, and every account that owes gets its invoice."
    parts = ("admin/parts/invoice.html",)
    details = (
        "number", "status", "kind", "customer", "account", "period_start", "period_end", "issued_on", "due_on", "place_of_supply",
        "reverse_charge", "purchase_order", "registration", "parked_reason", "snapshot_sha256", "id", "created_at", "updated_at",
    )  # fmt: skip
    related = (Related(Payment, by="invoice_id", columns=("created_at", "gateway", "status", "amount", "settled_at"), empty="No payment yet."),)


@screen(InvoiceLine, category="Billing", icon="list", place=6)
class InvoiceLineScreen(ModelScreen):
    """The lines of all invoices."""

    column_list = ("description", "invoice", "kind", "quantity", "unit_price", "amount", "tax_rate", "period_start")
    search = ("=metric_code", "invoice.number")
    filters = ("kind", "metric_code", "invoice")
    big = True
