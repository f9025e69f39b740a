"""Exports and statements: ask for a file, watch it being written, fetch it; and the mails of documents."""

from contextlib import suppress
from datetime import date, datetime
from typing import Any
from urllib.parse import parse_qsl

from flask import Response, request, send_file
from flask_admin import expose
from wtforms import SelectField, StringField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import Length, Optional

from admin_views.access import current_actor
from admin_views.base import ModelScreen
from admin_views.fields import DayField
from admin_views.filters import Filter
from admin_views.lookups import Lookup, LookupField
from admin_views.operations import Operation
from admin_views.registry import screen
from app.db import in_transaction
from app.errors import Invalid
from app.models import Customer, DocumentMail, Export, Wallet
from app.models.exports import ExportFormat, ExportStatus
from app.permissions import Actor
from app.services.exports import requests
from app.services.exports.kinds import Scope, kinds

NAMES_OF_KINDS = tuple((name, kind.title) for name, kind in kinds.items())
KINDS = [SelectChoice(name, kind.title) for name, kind in kinds.items()]
FORMATS = [SelectChoice(str(each), each.upper()) for each in ExportFormat]
LONGEST_FILTERS = 2_000
CURRENCIES = [SelectChoice("", ""), *(SelectChoice(code, code) for code in ("INR", "USD", "IDR"))]


def ask(
    *,
    kind: str,
    format: str,
    first: date | None,
    last: date | None,
    customer: Customer | None,
    wallet: Wallet | None,
    currency: str,
    filters: str,
    at: datetime,
    actor: Actor,
) -> Export:
    """Have a file written; a worker does it."""
    scope = Scope(
        first,
        last,
        customer.id if customer else None,
        wallet.id if wallet else None,
        currency or None,
        _read(filters),
    )
    return requests.request(kind, format, scope=scope, at=at, actor=actor)


def _read(filters: str) -> dict[str, str]:
    try:
        return dict(parse_qsl(filters, strict_parsing=True)) if filters else {}
    except ValueError as error:
        raise Invalid.at("/filters", "Write them as name=value&name=value.") from error


def asked_for(_: None) -> dict[str, Any]:
    """Return what the page before named."""
    asked: dict[str, Any] = {"kind": request.args.get("kind", "invoices")}
    asked |= {name: request.args.get(name, usual) for name, usual in (("format", "csv"), ("filters", ""))}
    for name in ("first", "last"):
        with suppress(ValueError):
            asked[name] = date.fromisoformat(request.args.get(name, ""))
    return asked


@screen(Export, category="Billing", icon="table", place=13)
class ExportScreen(ModelScreen):
    """The exports, the latest first, and the page of one with its file."""

    column_list = ("kind", "format", "status", "rows", "expected", "requested_by", "created_at")
    filters = (Filter("kind", kind="choice", choices=NAMES_OF_KINDS), "status", "format", "customer")
    intro = "Lists and statements as files. A worker writes them; they are kept for some days."
    empty = "Ask for invoices, payments, usage, customers, the ledger or a statement as a file."
    details_template = "admin/export.html"
    parts = ("admin/parts/export.html",)
    details = (
        "kind",
        "format",
        "parameters",
        "customer",
        "rows",
        "expected",
        "size",
        "sha256",
        "error",
        "requested_by",
        "started_at",
        "finished_at",
        "keep_until",
        "id",
        "created_at",
    )
    operations = (
        Operation(
            "new",
            "New export",
            run=ask,
            icon="table",
            on_list=True,
            confirm="The file is written in the background, and deleted when its days are over.",
            initial=asked_for,
            inputs={
                "kind": SelectField("What", choices=KINDS),
                "format": SelectField("Format", choices=FORMATS, description="Statements alone can be PDFs."),
                "first": DayField("First day", validators=[Optional()]),
                "last": DayField(
                    "Last day",
                    validators=[Optional()],
                    description="It is in it; statements need both.",
                ),
                "customer": LookupField(Lookup("customer", Customer), label="Customer", allow_blank=True),
                "wallet": LookupField(
                    Lookup("wallet", Wallet, ("account.name",)), label="Wallet", allow_blank=True
                ),
                "currency": SelectField(
                    "Currency", choices=CURRENCIES, description="Of a customer's statement."
                ),
                "filters": StringField(
                    "Filters",
                    validators=[Optional(), Length(max=LONGEST_FILTERS)],
                    description="Of the audit trail: action=invoice.issued&role=support. As of its list.",
                ),
            },
        ),
        Operation(
            "cancel",
            "Stop",
            run=requests.cancel,
            icon="ban",
            when=lambda export: export.status in requests.UNDER_WAY,
            confirm="Nothing of it is kept.",
        ),
    )

    def base_query(self) -> Any:
        """Show what the person may read."""
        return requests.visible(current_actor())

    def is_running(self, export: Export) -> bool:
        """Tell whether the page should look again by itself."""
        return export.status in requests.UNDER_WAY

    def has_file(self, export: Export) -> bool:
        """Tell whether there is a file to fetch."""
        return export.status is ExportStatus.done

    @expose("/download/<document>/")
    def download_view(self, document: str) -> Response:
        """Send the file of an export, however big it is."""
        key = request.args.get("id", "")

        def send() -> Response:
            export = self.get_one(key)
            assert isinstance(export, Export)
            return send_file(
                requests.opened(export, actor=current_actor()),
                mimetype=requests.content_type(export),
                as_attachment=True,
                download_name=requests.file_name(export),
            )

        return in_transaction(send)


@screen(DocumentMail, category="Billing", icon="mail", place=12, title="Mails of documents")
class DocumentMailScreen(ModelScreen):
    """Which document went to whom, and when."""

    column_list = ("subject", "customer", "recipient", "status", "n", "requested_by", "sent_at")
    labels = {"n": "Number"}
    search = ("recipient",)
    filters = ("status", "customer", "sent_at")
    intro = "Each document is mailed once after its issue. Send it again on the page of the document."
    empty = "The first invoice that is issued is mailed by itself."
