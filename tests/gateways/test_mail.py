"""Mail reaches the directory or a real SMTP server, and never carries a smuggled header."""

import socket
from email import message_from_bytes, policy

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message

from app.config import Settings
from app.gateways.mail import Attachment, DirectoryMailer, Mail, MailUnavailable, SmtpMailer, open_mailer

SENDER = "OTPless Billing <billing@otpless.example>"
MAIL = Mail(
    key="invoice:1:issued",
    to="finance@example.com",
    subject="Invoice OT/26-27/000001: ₹1,180.00",
    text="Please find the invoice attached.",
    html="<p>Please find the invoice attached.</p>",
    attachments=(Attachment("OT-000001.pdf", b"%PDF-1.7", "application/pdf"),),
)


def read(path):
    return message_from_bytes(path.read_bytes(), policy=policy.default)


def test_a_mail_is_written_with_text_html_and_attachment(tmp_path):
    message_id = DirectoryMailer(tmp_path, sender=SENDER).send(MAIL)
    (path,) = tmp_path.iterdir()
    message = read(path)
    assert (message["Subject"], message["To"]) == (MAIL.subject, MAIL.to)
    assert message["Message-ID"] == message_id
    assert message.get_body(("plain",)).get_content() == "Please find the invoice attached.\r\n"
    assert [part.get_content() for part in message.iter_attachments()] == [b"%PDF-1.7"]


def test_the_same_key_has_the_same_message_id(tmp_path):
    mailer = DirectoryMailer(tmp_path, sender=SENDER)
    assert mailer.send(MAIL) == mailer.send(MAIL)


@pytest.mark.parametrize("field", ["to", "subject"])
def test_a_line_break_in_a_header_is_refused(tmp_path, field):
    values = {
        "key": "k",
        "to": "a@example.com",
        "subject": "s",
        "text": "t",
        field: "a\r\nBcc: b@example.com",
    }
    with pytest.raises(ValueError, match="linefeed"):
        DirectoryMailer(tmp_path, sender=SENDER).send(Mail(**values))
    assert list(tmp_path.iterdir()) == []


def test_a_mail_without_an_address_is_refused(tmp_path):
    with pytest.raises(ValueError, match="needs an address"):
        DirectoryMailer(tmp_path, sender=SENDER).send(Mail(key="k", to=" ", subject="s", text="t"))


@pytest.fixture
def unused_port():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


class Inbox(Message):
    """Keeps what a real SMTP server was handed."""

    def __init__(self):
        super().__init__()
        self.messages = []

    def handle_message(self, message):
        self.messages.append(message)


@pytest.fixture
def inbox(unused_port):
    controller = Controller(Inbox(), hostname="127.0.0.1", port=unused_port)
    controller.start()
    yield controller
    controller.stop()


def test_a_mail_goes_over_smtp(inbox):
    mailer = open_mailer(Settings(smtp_url=f"smtp://127.0.0.1:{inbox.port}", mail_from=SENDER))
    message_id = mailer.send(MAIL)
    (message,) = inbox.handler.messages
    assert message["Message-ID"] == message_id


def test_a_password_is_not_sent_without_tls(inbox):
    with pytest.raises(MailUnavailable):
        SmtpMailer(f"smtp://user:secret@127.0.0.1:{inbox.port}", sender=SENDER).send(MAIL)
    assert inbox.handler.messages == []


def test_a_silent_server_is_unavailable(unused_port):
    with pytest.raises(MailUnavailable):
        SmtpMailer(f"smtp://127.0.0.1:{unused_port}", sender=SENDER).send(MAIL)


def test_a_wrong_address_of_the_server_is_told():
    with pytest.raises(ValueError, match="SMTP_URL must look like"):
        SmtpMailer("mail.example.com", sender=SENDER)
