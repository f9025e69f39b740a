"""The lists that can be exported. Each is one statement whose rows stream, be there a million."""

from typing import Any

from sqlalchemy import Select, case, func, select

from app.models import (
    Account,
    AuditRecord,
    AuditSeal,
    Customer,
    Invoice,
    Journal,
    Metric,
    Payment,
    Posting,
    UsageEvent,
)
from app.models.invoices import InvoiceKind
from app.services import audit_search
from app.services.exports.kinds import Scope, export_kind


@export_kind(
    "invoices",
    "Invoices and credit notes",
    resource="billing",
    headings=(
        *("Number", "Kind", "Status", "Date", "Due", "Customer", "GSTIN", "Account", "Place of supply"),
        *("Purchase order", "Currency", "Subtotal", "Tax", "Round off", "Total", "Paid", "Credited", "Open"),
    ),
)
def invoices(scope: Scope) -> Select[*tuple[Any, ...]]:
    """The issued documents by their date."""
    left = Invoice.total - Invoice.amount_paid - Invoice.amount_credited
    is_open = (Invoice.kind != InvoiceKind.credit_note) & (left > 0)
    return (
        select(
            *(Invoice.number, Invoice.kind, Invoice.status, Invoice.issued_on, Invoice.due_on),
            *(Customer.name, Customer.gstin, Account.name, Invoice.place_of_supply, Invoice.purchase_order),
            *(Invoice.currency, Invoice.subtotal, Invoice.tax_total, Invoice.round_off, Invoice.total),
            *(Invoice.amount_paid, Invoice.amount_credited, case((is_open, left), else_=0)),
        )
        .join(Invoice.customer)
        .join(Invoice.account)
        .where(Invoice.number.is_not(None), *scope.days(Invoice.issued_on), *scope.whose(Customer.id))
        .order_by(Invoice.issued_on, Invoice.id)
    )


@export_kind(
    "payments",
    "Payments",
    resource="payments",
    headings=(
        *("Made", "Settled", "Status", "Customer", "Account", "For", "Gateway", "Reference", "Currency"),
        *("Amount", "Refunded"),
    ),
)
def payments(scope: Scope) -> Select[*tuple[Any, ...]]:
    """The payments in the order they were begun."""
    purpose = case((Payment.wallet_id.is_not(None), "wallet"), else_=Invoice.number)
    return (
        select(
            *(Payment.created_at, Payment.settled_at, Payment.status, Customer.name, Account.name, purpose),
            *(Payment.gateway, Payment.gateway_payment_ref, Payment.currency, Payment.amount),
            Payment.refunded,
        )
        .join(Payment.account)
        .join(Account.customer)
        .outerjoin(Payment.invoice)
        .where(*scope.instants(Payment.created_at), *scope.whose(Customer.id))
        .order_by(Payment.id)
    )


@export_kind(
    "usage",
    "Usage events",
    resource="usage",
    headings=("Occurred", "Account", "External id", "Metric", "Event", "Quantity", "Properties", "Received"),
)
def usage(scope: Scope) -> Select[*tuple[Any, ...]]:
    """The events in the database, in no order; those of archived months are in their files."""
    return (
        select(
            *(UsageEvent.occurred_at, Account.name, Account.external_id, Metric.code, UsageEvent.event_id),
            *(UsageEvent.quantity, UsageEvent.properties, UsageEvent.received_at),
        )
        .join(Account, Account.id == UsageEvent.account_id)
        .join(Metric, Metric.id == UsageEvent.metric_id)
        .where(*scope.instants(UsageEvent.occurred_at), *scope.whose(Account.customer_id))
    )


@export_kind(
    "customers",
    "Customers",
    resource="customers",
    own=False,
    headings=(
        *("Name", "External id", "E-mail", "Phone", "Country", "State", "City", "Postal code", "GSTIN"),
        *("Tax number", "Tax treatment", "Status", "Since"),
    ),
)
def customers(scope: Scope) -> Select[*tuple[Any, ...]]:
    """The customers in the order they came."""
    return (
        select(
            *(Customer.name, Customer.external_id, Customer.email, Customer.phone, Customer.country),
            *(Customer.state_code, Customer.city, Customer.postal_code, Customer.gstin, Customer.tax_id),
            *(Customer.tax_treatment, Customer.status, Customer.created_at),
        )
        .where(*scope.instants(Customer.created_at), *scope.whose(Customer.id))
        .order_by(Customer.id)
    )


@export_kind(
    "ledger",
    "Ledger",
    resource="wallets",
    own=False,
    headings=(
        *("Posting", "Made", "Journal", "Kind", "Book", "Customer", "Account", "Currency", "Amount"),
        *("Balance after", "Sequence", "Reason", "By", "Reference"),
    ),
)
def ledger(scope: Scope) -> Select[*tuple[Any, ...]]:
    """Every posting in the order of the books; the amounts of a journal add up to zero."""
    return (
        select(
            *(Posting.id, Journal.created_at, Journal.id, Journal.kind, Posting.book, Customer.name),
            *(Account.name, Posting.currency, Posting.amount, Posting.balance_after, Posting.seq),
            *(Journal.reason, Journal.actor, Journal.reference_id),
        )
        .join(Posting.journal)
        .join(Posting.account)
        .join(Account.customer)
        .where(*scope.instants(Journal.created_at), *scope.whose(Customer.id))
        .order_by(Posting.id)
    )


@export_kind(
    "audit",
    "Audit trail",
    resource="audit",
    own=False,
    filters=audit_search.FILTERS,
    headings=(
        *("Sealed as", "At", "Who", "Kind of caller", "Caller's id", "Role", "IP", "Request", "Action"),
        *("Record", "Record's id", "What happened", "Before", "After", "Content SHA-256", "Seal SHA-256"),
        "Id",
    ),
)
def audit_trail(scope: Scope) -> Select[*tuple[Any, ...]]:
    """Every record with its seal, so that the chain can be followed in the file; those of a customer are what
    happened to the customer's own row. The filters are those of the list."""
    about = AuditRecord.resource_type == "Customer"
    asked = audit_search.asked_by(scope.filters)
    whose = [about, AuditRecord.resource_id == str(scope.customer_id)] if scope.customer_id else []
    return (
        select(
            *(AuditSeal.seq, AuditRecord.at, AuditRecord.actor, AuditRecord.actor_kind, AuditRecord.actor_id),
            *(AuditRecord.role, AuditRecord.ip, AuditRecord.request_id, AuditRecord.action),
            *(AuditRecord.resource_type, AuditRecord.resource_id, AuditRecord.summary, AuditRecord.before),
            *(AuditRecord.after, func.encode(AuditRecord.hash, "hex"), func.encode(AuditSeal.hash, "hex")),
            AuditRecord.id,
        )
        .outerjoin(AuditSeal, AuditSeal.record_id == AuditRecord.id)
        .where(*scope.instants(AuditRecord.at), *whose, *audit_search.conditions(asked))
        .order_by(AuditRecord.at, AuditRecord.id)
    )
