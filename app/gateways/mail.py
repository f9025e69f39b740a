"""Mail behind a Protocol: `.eml` files in a directory by default, an SMTP server by URL, or Amazon SES.

`SMTP_URL` is `smtp://user:password@host:587` (STARTTLS where offered), `smtps://…:465`, or
`smtp://127.0.0.1:1025` in a test. `SES_REGION` such as `ap-south-1` chooses SES, which signs in as boto3
does: by the environment or the role of the machine.
"""

import hashlib
import os
import secrets
import smtplib
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from functools import lru_cache
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from app import clock
from app.config import Settings
from app.errors import DomainError
from app.lazy import Lazy

# Loaded only where SES is chosen.
boto3 = Lazy("boto3")
botocore_config = Lazy("botocore.config")
botocore_errors = Lazy("botocore.exceptions")

TIMEOUT_SECONDS = 15
PORTS = {"smtp": 587, "smtps": 465}


class MailUnavailable(DomainError):
    """The mail server did not take the message; try again later."""

    code = "mail_unavailable"
    status = 503


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that goes along; `content_type` such as `application/pdf`."""

    name: str
    content: bytes
    content_type: str


@dataclass(frozen=True, slots=True)
class Mail:
    """One message. `key` names it once: its Message-ID is derived from it, so a repeat is seen as one."""

    key: str
    to: str
    subject: str
    text: str
    html: str = ""
    cc: Sequence[str] = ()
    attachments: Sequence[Attachment] = ()


class Mailer(Protocol):
    """Whoever carries mail."""

    def send(self, mail: Mail) -> str:
        """Hand over one message and return its Message-ID.

        Raises:
            ValueError: a header holds a line break, or the address is empty.
            MailUnavailable: it could not be handed over.
        """


def compose(mail: Mail, *, sender: str) -> EmailMessage:
    """Return the message with text, HTML alternative and attachments.

    Raises:
        ValueError: a header holds a line break, or there is nobody to send to.
    """
    if not mail.to.strip():
        raise ValueError("A mail needs an address.")
    domain = sender.rpartition("@")[2].rstrip("> ") or "localhost"
    message = EmailMessage(policy=SMTP)
    message["From"], message["To"], message["Subject"] = sender, mail.to, mail.subject
    if mail.cc:
        message["Cc"] = ", ".join(mail.cc)
    message["Date"] = format_datetime(clock.now())
    message["Message-ID"] = f"<{hashlib.sha256(mail.key.encode()).hexdigest()[:32]}@{domain}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(mail.text)
    if mail.html:
        message.add_alternative(mail.html, subtype="html")
    for attachment in mail.attachments:
        maintype, _, subtype = attachment.content_type.partition("/")
        message.add_attachment(
            attachment.content, maintype=maintype, subtype=subtype, filename=attachment.name
        )
    return message


class DirectoryMailer:
    """A `Mailer` that writes `.eml` files, newest name last, for the back office to show."""

    def __init__(self, directory: Path, *, sender: str) -> None:
        self._directory, self._sender = directory, sender

    def send(self, mail: Mail) -> str:
        """Write the message atomically."""
        message = compose(mail, sender=self._sender)
        self._directory.mkdir(parents=True, exist_ok=True)
        name = f"{clock.now():%Y%m%dT%H%M%S%f}-{secrets.token_hex(4)}.eml"
        beside = self._directory / f".{name}"
        beside.write_bytes(message.as_bytes())
        os.replace(beside, self._directory / name)
        return str(message["Message-ID"])


class SmtpMailer:
    """A `Mailer` over SMTP."""

    def __init__(self, url: str, *, sender: str) -> None:
        self._url, self._sender = urlsplit(url), sender
        if self._url.scheme not in PORTS or not self._url.hostname:
            raise ValueError("SMTP_URL must look like smtp://user:password@host:587 or smtps://host:465.")

    def send(self, mail: Mail) -> str:
        """Connect, secure, sign in, send."""
        message = compose(mail, sender=self._sender)
        try:
            with self._connect() as server:
                if self._url.username:
                    server.login(unquote(self._url.username), unquote(self._url.password or ""))
                server.send_message(message)
        except (OSError, smtplib.SMTPException) as error:
            raise MailUnavailable("The mail server did not take the message.") from error
        return str(message["Message-ID"])

    def _connect(self) -> smtplib.SMTP:
        host, port = self._url.hostname or "", self._url.port or PORTS[self._url.scheme]
        context = ssl.create_default_context()
        if self._url.scheme == "smtps":
            return smtplib.SMTP_SSL(host, port, timeout=TIMEOUT_SECONDS, context=context)
        server = smtplib.SMTP(host, port, timeout=TIMEOUT_SECONDS)
        server.ehlo()
        if server.has_extn("starttls"):
            server.starttls(context=context)
            server.ehlo()
        elif self._url.username:
            server.close()
            raise smtplib.SMTPNotSupportedError("The server offers no TLS, so no password is sent.")
        return server


class SesMailer:
    """A `Mailer` over Amazon SES (API v2), which gets the message as it is."""

    def __init__(self, region: str, *, sender: str, endpoint_url: str = "") -> None:
        self._sender = sender
        self._client = boto3.client(
            "sesv2",
            region_name=region,
            endpoint_url=endpoint_url or None,
            config=botocore_config.Config(
                connect_timeout=TIMEOUT_SECONDS, read_timeout=TIMEOUT_SECONDS, retries={"max_attempts": 3}
            ),
        )

    def send(self, mail: Mail) -> str:
        """Hand the whole message over. SES replaces its Message-ID by one of its own."""
        message = compose(mail, sender=self._sender)
        try:
            self._client.send_email(
                FromEmailAddress=self._sender,
                Destination={"ToAddresses": [mail.to], "CcAddresses": list(mail.cc)},
                Content={"Raw": {"Data": message.as_bytes()}},
            )
        except (botocore_errors.BotoCoreError, botocore_errors.ClientError) as error:
            raise MailUnavailable("SES did not take the message.") from error
        return str(message["Message-ID"])


@lru_cache(maxsize=8)
def open_mailer(settings: Settings) -> Mailer:
    """Return the mailer that the settings name: SMTP where a server is set, SES where its region is, else the
    data directory."""
    if settings.smtp_url:
        return SmtpMailer(settings.smtp_url, sender=settings.mail_from)
    if settings.ses_region:
        return SesMailer(
            settings.ses_region, sender=settings.mail_from, endpoint_url=settings.ses_endpoint_url
        )
    return DirectoryMailer(settings.mail_dir, sender=settings.mail_from)
