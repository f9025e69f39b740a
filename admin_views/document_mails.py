"""The mail of a document on the document's page: what is sent to whom, and sending it again."""

from collections.abc import Callable
from typing import Any

from flask import request
from flask_admin import expose

from admin_views.access import require
from admin_views.operations import Operation
from app.db import Base
from app.models import Invoice, Voucher
from app.permissions import Verb
from app.services import document_mails


def _question(document: Any) -> str:
    told = document_mails.preview(document)
    to = ", ".join([told.to, *told.cc])
    return f"“{told.subject}” goes to {to}, with {told.attachments[0]}."


RESEND = Operation(
    "mail",
    "Send by mail",
    run=document_mails.resend,
    explain=_question,
    icon="mail",
    bulk=False,
    when=lambda document: document.snapshot is not None,
)


class MailRoutes:
    """What the screen of a document knows about its mail."""

    resource: str
    render: Callable[..., str]
    get_one: Callable[[str], Base]

    def _handle_view(self, name: str, /, **values: Any) -> None:
        if name == "mail_view":
            require(self.resource, Verb.read)
        else:
            super()._handle_view(name, **values)  # type: ignore[misc]

    @expose("/mail/")
    def mail_view(self) -> str:
        """Show the mail of a document exactly as it is sent, and when it was."""
        record = self.get_one(request.args.get("id", ""))
        assert isinstance(record, Invoice | Voucher)
        told, sent = document_mails.preview(record), document_mails.sent(record)
        return self.render("admin/mail.html", record=record, told=told, sent=sent)
