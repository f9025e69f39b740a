"""Whoever is added gets one mail: what they were given, by whom, where to sign in, in their language."""

from collections.abc import Iterator
from dataclasses import replace
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select

from app.db import db, transaction
from app.gateways.mail import MailUnavailable
from app.models import Customer, OutboxMessage, User
from app.permissions import Role
from app.services import invitations, outbox, users
from tests.factories import ACTOR, make_customer

MEERA = "meera@otpless.example"


@pytest.fixture(autouse=True)
def folder(app: Flask, tmp_path: Path) -> Iterator[Path]:
    """Where the mails of this test lie."""
    before = app.extensions["settings"]
    app.extensions["settings"] = replace(before, data_dir=tmp_path, public_url="https://billing.example.com")
    yield tmp_path / "mail"
    app.extensions["settings"] = before


def add(locale: str | None = None, customer: Customer | None = None, name: str = "Meera Iyer") -> User:
    with transaction():
        role = Role.support if customer is None else Role.customer
        user = users.create(MEERA, role=role, name=name, customer=customer, locale=locale, actor=ACTOR)
        invitations.promise(user, actor=ACTOR)
    return user


def sent(folder: Path) -> list[EmailMessage]:
    found = [
        message_from_bytes(path.read_bytes(), policy=policy.default) for path in sorted(folder.glob("*.eml"))
    ]
    return [one for one in found if isinstance(one, EmailMessage)]


def text_of(mail: EmailMessage, kind: str = "plain") -> str:
    part = mail.get_body((kind,))
    assert part is not None
    return str(part.get_content())


def test_staff_read_what_it_is_who_added_them_and_where_to_sign_in(folder: Path) -> None:
    user = add()
    promised = invitations.find(user)
    assert promised is not None
    assert (promised.sent_at, promised.error) == (None, None)
    assert outbox.deliver(10) == {"kept": 1, "failed": 0}
    (mail,) = sent(folder)
    assert (mail["To"], mail["Subject"]) == (MEERA, "Your access to OTPless Billing")
    assert text_of(mail).replace("\r\n", "\n").split("\n\n") == [
        "Hello, Meera Iyer",
        "Test Person gave you access to the back office of OTPless Billing.",
        f"Sign in with your address {MEERA}.",
        "Sign in: https://billing.example.com/sign-in",
        "If you did not expect this mail, you need not do anything.",
        "OTPless Billing\n",
    ]
    assert 'href="https://billing.example.com/sign-in"' in text_of(mail, "html")
    kept = invitations.find(user)
    assert kept is not None
    assert kept.sent_at is not None


@pytest.mark.parametrize(
    ("locale", "subject", "given", "page"),
    [
        (
            "hi",
            "OTPless Billing तक आपकी पहुँच",
            "Test Person ने आपको OTPless Billing के पोर्टल तक पहुँच दी है: Lotus Retail के इनवॉइस, उपयोग और वॉलेट।",
            '<html lang="hi" dir="ltr">',
        ),
        (
            "ar",
            "دخولك إلى OTPless Billing",
            "منحك Test Person حق الدخول إلى بوابة OTPless Billing: فواتير Lotus Retail واستخدامه ومحافظه.",
            '<html lang="ar" dir="rtl">',
        ),
        (
            None,
            "Your access to OTPless Billing",
            "Test Person gave you access to the portal of OTPless Billing: the invoices, the usage and the"
            " wallets of Lotus Retail.",
            '<html lang="en" dir="ltr">',
        ),
    ],
)
def test_a_customers_person_reads_it_in_the_own_language(
    folder: Path, locale: str | None, subject: str, given: str, page: str
) -> None:
    add(locale, make_customer("Lotus Retail"))
    outbox.deliver(10)
    (mail,) = sent(folder)
    assert mail["Subject"] == subject
    assert given in text_of(mail)
    assert page in text_of(mail, "html")


def test_a_name_is_words_and_no_page(folder: Path) -> None:
    add(name='<a href="https://evil.example">You won %(product)s</a>')
    outbox.deliver(10)
    page = text_of(sent(folder)[0], "html")
    assert "Hello, &lt;a href=&#34;https://evil.example&#34;&gt;You won %(product)s&lt;/a&gt;" in page


def test_one_mail_is_promised_however_often_it_is_asked_for(folder: Path) -> None:
    user = add()
    with transaction():
        invitations.promise(user, actor=ACTOR)
    assert outbox.deliver(10) == {"kept": 1, "failed": 0}
    assert len(sent(folder)) == 1


def test_who_was_blocked_before_it_went_gets_none(folder: Path) -> None:
    user = add()
    with transaction():
        user.active = False
    assert outbox.deliver(10) == {"kept": 1, "failed": 0}
    assert sent(folder) == []


def test_a_mail_server_that_is_away_holds_nobody_up(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> str:
        raise MailUnavailable("The mail server did not take the message.")

    monkeypatch.setattr("app.gateways.mail.DirectoryMailer.send", refuse)
    user = add()
    assert db.session.scalars(select(User.email)).all() == [MEERA]
    assert outbox.deliver(10) == {"kept": 0, "failed": 1}
    waiting = invitations.find(user)
    assert waiting is not None
    assert (waiting.sent_at, waiting.error) == (
        None,
        "MailUnavailable: The mail server did not take the message.",
    )


def test_nobody_else_is_mailed(folder: Path) -> None:
    with transaction():
        user = users.create(MEERA, role=Role.support, actor=ACTOR)
    assert (invitations.find(user), db.session.scalars(select(OutboxMessage)).all()) == (None, [])
