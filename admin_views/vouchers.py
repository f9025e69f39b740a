"""Vouchers for money in advance, what invoices took up of them, and the TDS that payers kept."""

from collections.abc import Mapping
from datetime import date, datetime

from wtforms import StringField
from wtforms.validators import InputRequired, Length, Optional

from admin_views.base import ModelScreen
from admin_views.document_mails import RESEND, MailRoutes
from admin_views.fields import DayField
from admin_views.operations import Operation
from admin_views.records import Download, Related
from admin_views.registry import screen
from app import personal
from app.models import DocumentMail, TdsReceivable, Voucher, VoucherAdjustment
from app.models.tds import TdsStatus
from app.permissions import Actor
from app.services import documents
from app.services import tds as service


def certify(
    receivable: TdsReceivable,
    *,
    certificate_number: str,
    certified_on: date | None,
    at: datetime,
    actor: Actor,
) -> None:
    """Note that the certificate came."""
    service.certify(
        receivable, certificate_number=certificate_number, certified_on=certified_on, at=at, actor=actor
    )


@screen(Voucher, category="Billing", icon="receipt", place=7)
class VoucherScreen(MailRoutes, ModelScreen):
    """Receipt vouchers of top-ups and refund vouchers of what went back; none is ever changed."""

    details_template = "admin/voucher.html"

    column_list = (
        "number",
        "issued_on",
        "customer",
        "kind",
        "taxable",
        "tax",
        "amount",
        "place_of_supply",
        "receipt",
    )
    search = ("=number", "customer.name")
    filters = ("kind", "customer", "wallet", "issued_on")
    details = (
        "kind",
        "number",
        "issued_at",
        "customer",
        "account",
        "wallet",
        "transaction",
        "payment",
        "receipt",
        "registration",
        "place_of_supply",
        "service_code",
        "rate",
        "taxable",
        "tax",
        "amount",
        "id",
        "created_at",
    )
    labels: Mapping[str, str] = {"rate": "Rate in percent", "service_code": "SAC"}
    operations = (RESEND,)
    intro = "Money for a wallet is an advance: its tax falls due with it, and is charged once."
    empty = "A voucher is issued when taxed money comes for a wallet, or goes back."
    downloads = (
        Download(
            "pdf",
            "PDF",
            load=personal.document,
            file_name=documents.file_name,
            content_type="application/pdf",
        ),
    )
    related = (
        Related(
            VoucherAdjustment,
            by="voucher_id",
            columns=("invoice", "taxable", "tax"),
            title="Taken up by invoices",
            empty="No invoice has taken up a part of it.",
        ),
        Related(
            Voucher,
            by="receipt_id",
            columns=("number", "issued_on", "taxable", "tax"),
            title="Given back",
            empty="Nothing of it went back.",
        ),
        Related(
            DocumentMail,
            by="document_id",
            columns=("subject", "recipient", "status", "sent_at"),
            title="Mails",
            empty="Nothing was mailed yet.",
        ),
    )


@screen(VoucherAdjustment, category="Billing", icon="receipt-2", place=8, listed=False)
class VoucherAdjustmentScreen(ModelScreen):
    """What invoices took up of advances."""

    column_list = ("created_at", "voucher", "invoice", "taxable", "tax")
    filters = ("voucher", "invoice", "created_at")
    empty = "An invoice that takes up a voucher, or a refund that gives it back, shows here."


@screen(
    TdsReceivable,
    category="Billing",
    resource="payments",
    title="TDS receivables",
    icon="building-bank",
    place=9,
)
class TdsReceivableScreen(ModelScreen):
    """What payers kept of invoices for the government, until its certificate has come."""

    column_list = (
        "created_at",
        "customer",
        "invoice",
        "kind",
        "section",
        "amount",
        "status",
        "certificate_number",
    )
    search = ("=certificate_number", "customer.name")
    filters = ("status", "kind", "customer", "created_at")
    empty = "TDS is recorded with a payment, on the page of its invoice."
    operations = (
        Operation(
            "certify",
            "Certificate came",
            run=certify,
            icon="checks",
            when=lambda receivable: receivable.status is TdsStatus.expected,
            inputs={
                "certificate_number": StringField(
                    "Certificate number",
                    validators=[InputRequired(), Length(max=100)],
                    description="Of Form 16A, or of GSTR-7A for GST.",
                ),
                "certified_on": DayField("Its day", validators=[Optional()], description="Empty: today."),
            },
            confirm="The receivable is certified from then on. A certificate comes once.",
        ),
    )
