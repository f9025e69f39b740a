"""Documents on their way to customers: made after the issue, then mailed once with the PDF, and again when
somebody asks.

What a mail says is worked out from the snapshot, so a preview shows exactly what is sent.
"""

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, cast
from uuid import UUID

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert

from app import clock
from app.config import current_settings
from app.db import db, lock
from app.errors import Conflict
from app.formatting import format_date, format_money
from app.gateways.mail import Attachment, Mail, open_mailer
from app.gateways.pdf import CONTENT_TYPE
from app.ids import new_id
from app.models import DocumentMail, Invoice, OutboxMessage, Voucher
from app.models.exports import MailStatus
from app.permissions import Actor
from app.services import audit, branding, documents, outbox, vouchers
from app.services.document_kinds import Snapshot

# What `app.services.issuing` promises; the payload is {"invoice_id"}.
INVOICE_DOCUMENT = "invoice.document"
MAIL = "document.mail"
TEMPLATES = Path(__file__).resolve().parents[2] / "templates" / "mail"
FORMS = ("txt", "html")
AT_ISSUE = "issue"

Mailed = Invoice | Voucher
MAILED: dict[str, type[Mailed]] = {"Invoice": Invoice, "Voucher": Voucher}


@dataclass(frozen=True, slots=True)
class Preview:
    """A mail as it goes out: to whom, with which words, and the files that go along by name."""

    to: str
    cc: tuple[str, ...]
    subject: str
    text: str
    html: str
    attachments: tuple[str, ...]


def preview(document: Mailed) -> Preview:
    """Return the mail of an issued document as it is, or would be, sent now.

    Raises:
        Conflict: the document is a draft.
    """
    snapshot = document.snapshot
    if snapshot is None:
        raise Conflict("A draft is not mailed: issue the invoice first.")
    context = _context(snapshot)
    text, html = (_environment().get_template(f"document.{form}").render(context) for form in FORMS)
    return Preview(
        to=document.customer.email,
        cc=tuple(document.customer.billing_emails),
        subject=_subject(snapshot),
        text=text,
        html=html,
        attachments=(documents.file_name(document),),
    )


def promise(document: Mailed) -> None:
    """Promise the mail of a document that was issued; once for ever, however often this is called."""
    _promise(document, 1, AT_ISSUE)


def resend(document: Mailed, *, at: datetime, actor: Actor) -> str:
    """Send the mail of an issued document once more, to today's addresses; return what a person is told.

    Raises:
        Conflict: the document is a draft.
    """
    lock(type(document), [document.id])
    told = preview(document)
    last = db.session.scalar(select(func.max(DocumentMail.n)).where(*_of(document)))
    _promise(document, (last or 0) + 1, actor.label)
    to = ", ".join([told.to, *told.cc])
    kind = type(document).__name__.lower()
    audit.record(actor, f"{kind}.mailed", document, summary=f"{document.number} is sent to {to}", at=at)
    return f"{document.number} is on its way to {to}."


def sent(document: Mailed) -> list[DocumentMail]:
    """Return the mails of a document, the latest first."""
    return list(
        db.session.scalars(select(DocumentMail).where(*_of(document)).order_by(DocumentMail.n.desc()))
    )


def _of(document: Mailed) -> tuple[Any, Any]:
    return DocumentMail.document_type == type(document).__name__, DocumentMail.document_id == document.id


def _promise(document: Mailed, n: int, requested_by: str) -> None:
    told = preview(document)
    row = {
        "id": new_id(),
        "document_type": type(document).__name__,
        "document_id": document.id,
        "n": n,
        "customer_id": document.customer_id,
        "recipient": told.to,
        "copies": list(told.cc),
        "subject": told.subject,
        "requested_by": requested_by,
    }
    db.session.execute(insert(DocumentMail).values(row).on_conflict_do_nothing())
    key = f"{row['document_type']}:{document.id}:{n}"
    outbox.promise(MAIL, key, {"type": row["document_type"], "id": str(document.id), "n": n})


def _context(snapshot: Snapshot) -> dict[str, Any]:
    home = current_settings().public_url.rstrip("/")
    return {
        "title": snapshot["title"],
        "number": snapshot["number"],
        "buyer": snapshot["buyer"]["name"],
        "seller": snapshot["seller"]["name"],
        "facts": _facts(snapshot),
        "url": f"{home}/portal/",
        "home": home,
        "brand": branding.current(),
    }


def _facts(snapshot: Snapshot) -> list[tuple[str, str]]:
    currency = snapshot["currency"]
    facts = [("Number", snapshot["number"]), ("Date", format_date(snapshot["issued_on"]))]
    if snapshot.get("original"):
        facts.append(("Of invoice", snapshot["original"]["number"]))
    facts.append(("Amount", format_money(_amount(snapshot), currency)))
    if snapshot.get("due_on"):
        facts.append(("To be paid", format_money(snapshot["amount_due"], currency)))
        facts.append(("Due on", format_date(snapshot["due_on"])))
    return facts


def _amount(snapshot: Snapshot) -> str:
    return cast(str, snapshot["total"] if "total" in snapshot else snapshot["amount"])


def _subject(snapshot: Snapshot) -> str:
    amount = format_money(_amount(snapshot), snapshot["currency"])
    return f"{snapshot['title']} {snapshot['number']}: {amount}"


@lru_cache(maxsize=1)
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=select_autoescape(("html",)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@outbox.handler(INVOICE_DOCUMENT)
def _make_and_mail(message: OutboxMessage) -> None:
    invoice = db.session.get_one(Invoice, UUID(message.payload["invoice_id"]))
    documents.render(invoice)
    promise(invoice)


@outbox.handler(vouchers.DOCUMENT)
def _make_and_mail_voucher(message: OutboxMessage) -> None:
    voucher = db.session.get_one(Voucher, UUID(message.payload["voucher_id"]))
    documents.render(voucher)
    promise(voucher)


@outbox.handler(MAIL)
def _send(message: OutboxMessage) -> None:
    """Send a mail with its PDF. Where the server took it and the mark was lost, it goes out again with the
    same Message-ID."""
    model, n = MAILED[message.payload["type"]], message.payload["n"]
    document = cast(Mailed, db.session.get_one(model, UUID(message.payload["id"])))
    mail = db.session.scalars(select(DocumentMail).where(*_of(document), DocumentMail.n == n)).one()
    told = preview(document)
    attached = Attachment(told.attachments[0], documents.load(document), CONTENT_TYPE)
    mail.recipient, mail.copies, mail.subject = told.to, list(told.cc), told.subject
    mail.message_id = open_mailer(current_settings()).send(
        Mail(
            key=f"{MAIL}:{message.key}",
            to=told.to,
            cc=told.cc,
            subject=told.subject,
            text=told.text,
            html=told.html,
            attachments=(attached,),
        )
    )
    mail.status, mail.sent_at = MailStatus.sent, clock.now()
