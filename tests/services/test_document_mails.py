"""A document is mailed once after its issue, to the customer and those in copy, exactly as its preview says;
again only when somebody asks."""

from dataclasses import replace
from email import message_from_bytes, policy

import pytest
from sqlalchemy import select

from app import clock
from app.db import db, transaction
from app.errors import Conflict
from app.gateways.mail import MailUnavailable
from app.models import AuditRecord, DocumentMail, OutboxMessage
from app.models.exports import MailStatus
from app.models.invoices import InvoiceStatus
from app.services import document_mails, documents, outbox
from tests.factories import ACTOR
from tests.services.paying import make_issued_invoice

SUBJECT = "Tax Invoice OT29/26-27/00042: ₹620.00"


@pytest.fixture(autouse=True)
def folder(app, tmp_path):
    before = app.extensions["settings"]
    app.extensions["settings"] = replace(before, data_dir=tmp_path)
    yield tmp_path / "mail"
    app.extensions["settings"] = before


@pytest.fixture
def invoice():
    with transaction():
        invoice = make_issued_invoice()
        invoice.customer.email = "accounts@kirana.example"
        invoice.customer.billing_emails = ["cfo@kirana.example", "tax@kirana.example"]
        return invoice


def issued(invoice):
    with transaction():
        promised = {"invoice_id": str(invoice.id)}
        outbox.promise(document_mails.INVOICE_DOCUMENT, str(invoice.id), promised)
    return outbox.deliver(10)


def sent(folder):
    return [
        message_from_bytes(path.read_bytes(), policy=policy.default) for path in sorted(folder.glob("*.eml"))
    ]


def rows():
    return list(db.session.scalars(select(DocumentMail).order_by(DocumentMail.n)))


def test_after_the_issue_the_document_goes_to_the_customer_and_those_in_copy(invoice, folder):
    assert issued(invoice) == {"kept": 2, "failed": 0}
    (message,) = sent(folder)
    assert message["To"] == "accounts@kirana.example"
    assert message["Cc"] == "cfo@kirana.example, tax@kirana.example"
    assert message["Subject"] == SUBJECT
    (attachment,) = message.iter_attachments()
    assert attachment.get_filename() == "OT29-26-27-00042.pdf"
    assert attachment.get_content() == documents.load(invoice)
    (row,) = rows()
    assert (row.status, row.n, row.message_id) == (MailStatus.sent, 1, message["Message-ID"])


def test_the_preview_is_the_mail(invoice, folder):
    told = document_mails.preview(invoice)
    assert document_mails.sent(invoice) == []
    issued(invoice)
    (message,) = sent(folder)
    assert message.get_body(("plain",)).get_content().replace("\r\n", "\n").strip() == told.text.strip()
    assert message.get_body(("html",)).get_content().replace("\r\n", "\n").strip() == told.html.strip()
    assert (told.subject, told.attachments) == (SUBJECT, ("OT29-26-27-00042.pdf",))
    assert "To be paid: ₹620.00" in told.text
    assert "Due on: 16 Nov 2026" in told.text


def test_it_is_promised_once_however_often_it_is_issued(invoice, folder):
    issued(invoice)
    with transaction():
        document_mails.promise(invoice)
    assert outbox.deliver(10) == {"kept": 0, "failed": 0}
    assert (len(sent(folder)), len(rows())) == (1, 1)


def test_sent_again_it_goes_to_todays_addresses_and_is_written_down(invoice, folder):
    issued(invoice)
    with transaction():
        invoice.customer.email = "new@kirana.example"
        invoice.customer.billing_emails = []
        told = document_mails.resend(invoice, at=clock.now(), actor=ACTOR)
    assert told == "OT29/26-27/00042 is on its way to new@kirana.example."
    outbox.deliver(10)
    first, again = sent(folder)
    assert (again["To"], again["Cc"]) == ("new@kirana.example", None)
    assert first["Message-ID"] != again["Message-ID"]
    assert [(row.n, row.requested_by) for row in rows()] == [(1, "issue"), (2, "Test Person")]
    record = db.session.scalars(select(AuditRecord).where(AuditRecord.action == "invoice.mailed")).one()
    assert record.summary == "OT29/26-27/00042 is sent to new@kirana.example"


def test_a_mail_that_no_server_took_waits_and_says_so(invoice, folder, monkeypatch):
    def refuse(_mailer, _mail):
        raise MailUnavailable("The mail server did not take the message.")

    monkeypatch.setattr("app.gateways.mail.DirectoryMailer.send", refuse)
    assert issued(invoice) == {"kept": 1, "failed": 1}
    (row,) = rows()
    assert (row.status, row.sent_at, row.message_id) == (MailStatus.pending, None, None)
    waiting = db.session.scalars(select(OutboxMessage).where(OutboxMessage.done_at.is_(None))).one()
    assert waiting.error == "MailUnavailable: The mail server did not take the message."
    assert not folder.exists()


def test_a_draft_is_not_mailed():
    with transaction():
        blank = {"number": None, "snapshot": None, "snapshot_sha256": None}
        draft = make_issued_invoice(status=InvoiceStatus.draft, **blank)
    with pytest.raises(Conflict, match="A draft is not mailed"), transaction():
        document_mails.resend(draft, at=clock.now(), actor=ACTOR)
    assert (rows(), db.session.scalars(select(OutboxMessage)).all()) == ([], [])
