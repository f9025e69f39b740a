"""Documents on their way to customers: made after the issue, then mailed once with the PDF, and again when
somebody asks.

What a mail says is worked out from the snapshot, so a preview shows exactly what is sent. It is in the
customer's language; the document itself is not.
"""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, cast
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert

from app import clock
from app.config import current_settings
from app.db import db, lock
from app.errors import Conflict
from app.gateways.mail import Attachment, Mail, open_mailer
from app.gateways.pdf import CONTENT_TYPE
from app.ids import new_id
from app.models import DocumentMail, Invoice, OutboxMessage, Voucher
from app.models.exports import MailStatus
from app.permissions import Actor
from app.sentences import Amount, Sentence, inside, sentence
from app.services import audit, branding, documents, mail_pages, outbox, vouchers
from app.services.document_kinds import Snapshot
from app.services.told import Fact

# What `app.services.issuing` promises; the payload is {"invoice_id"}.
INVOICE_DOCUMENT = "invoice.document"
MAIL = "document.mail"
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
    language = mail_pages.language_of(document.customer.email, document.customer)
    text, html = mail_pages.render("document", language, _context(snapshot, language))
    return Preview(
        to=document.customer.email,
        cc=tuple(document.customer.billing_emails),
        subject=_subject(snapshot, language),
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


def _context(snapshot: Snapshot, language: str) -> dict[str, Any]:
    home = current_settings().public_url.rstrip("/")
    return {
        "title": Sentence(snapshot["title"]).said_in(language),
        "number": snapshot["number"],
        "buyer": snapshot["buyer"]["name"],
        "seller": snapshot["seller"]["name"],
        "facts": [(label.said_in(language), inside(value, language)) for label, value in _facts(snapshot)],
        "url": f"{home}/portal/",
        "home": home,
        "brand": branding.current(),
    }


def _facts(snapshot: Snapshot) -> list[Fact]:
    facts: list[Fact] = [
        (sentence("Number"), snapshot["number"]),
        (sentence("Date"), date.fromisoformat(snapshot["issued_on"])),
    ]
    if snapshot.get("original"):
        facts.append((sentence("Of invoice"), snapshot["original"]["number"]))
    facts.append((sentence("Amount"), _amount(snapshot)))
    if snapshot.get("due_on"):
        due = Amount(Decimal(snapshot["amount_due"]), snapshot["currency"])
        facts.append((sentence("To be paid"), due))
        facts.append((sentence("Due on"), date.fromisoformat(snapshot["due_on"])))
    return facts


def _amount(snapshot: Snapshot) -> Amount:
    amount = snapshot["total"] if "total" in snapshot else snapshot["amount"]
    return Amount(Decimal(amount), snapshot["currency"])


def _subject(snapshot: Snapshot, language: str) -> str:
    said = sentence(
        "%(title)s %(number)s: %(amount)s",
        title=Sentence(snapshot["title"]),
        number=snapshot["number"],
        amount=_amount(snapshot),
    )
    return said.said_in(language)


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
