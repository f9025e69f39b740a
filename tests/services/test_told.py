"""What people are told, each in the own language: in the product, by mail, and with documents."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.models import Customer, Notification, User
from app.permissions import Role
from app.services import document_mails, dunning, mail_pages, notifications, outbox, told, wallets
from tests import factories as make
from tests.services.metered import NOON
from tests.services.paying import make_issued_invoice

LATE = datetime(2026, 11, 23, 6, 30, tzinfo=UTC)


@pytest.fixture
def mails(app: Flask, tmp_path: Path) -> Iterator[Path]:
    before = app.extensions["settings"]
    app.extensions["settings"] = replace(before, data_dir=tmp_path)
    yield tmp_path / "mail"
    app.extensions["settings"] = before


def speaks(session: Session, customer: Customer, language: str | None, email: str) -> User:
    """Let a customer have a person who reads this language."""
    user = User(email=email, name="Asha", role=Role.customer, customer_id=customer.id, locale=language)
    session.add(user)
    session.flush()
    return user


def only_mail(mails: Path) -> EmailMessage:
    while outbox.deliver(50)["kept"]:
        pass
    (path,) = mails.glob("*.eml")
    found = message_from_bytes(path.read_bytes(), policy=policy.default)
    assert isinstance(found, EmailMessage)
    return found


def body(mail: EmailMessage, form: str) -> str:
    part = mail.get_body((form,))
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n")


def told_of_low_balance(session: Session) -> Notification:
    wallet = make.make_wallet("300", low_balance_threshold="100")
    wallets.debit(wallet, "210", at=NOON, actor=make.ACTOR, reason="Spent")
    return session.scalars(select(Notification)).one()


def test_a_notification_is_said_in_the_language_of_its_reader(session: Session) -> None:
    row = told_of_low_balance(session)
    assert row.customer is not None
    name = row.title.removesuffix(": the balance is below ₹100.00")
    hindi, indonesian = told.said_in(row, "hi"), told.said_in(row, "id")
    assert hindi.title == f"{name}: शेष ₹100.00 से कम है"
    assert hindi.text == "प्रीपेड शेष कम हो रहा है। समाप्त होने से पहले रीचार्ज करें।"
    assert hindi.facts == [("बचा हुआ", "₹90.00"), ("शेष", "₹90.00")]
    assert indonesian.facts == [("Sisa", "Rs 90,00"), ("Saldo", "Rs 90,00")]
    assert told.said_in(row, "en") == told.Told(
        "en", row.title, row.text, [("Left", "₹90.00"), ("Balance", "₹90.00")]
    )


def test_what_was_told_before_sentences_were_kept_is_english(session: Session) -> None:
    row = told_of_low_balance(session)
    session.execute(update(Notification).values(kept=[["Left", "₹90.00"]]))
    session.refresh(row)
    assert row.facts == [["Left", "₹90.00"]]
    assert told.said_in(row, "hi") == told.Told("en", row.title, row.text, [("Left", "₹90.00")])


def test_a_mail_is_in_the_language_that_the_customers_person_chose(session: Session, mails: Path) -> None:
    row = told_of_low_balance(session)
    assert row.customer is not None
    speaks(session, row.customer, "hi", row.customer.email)
    mail = only_mail(mails)
    assert mail["Subject"] == told.said_in(row, "hi").title
    assert body(mail, "plain").splitlines()[:6] == [
        f"नमस्ते {row.customer.name},",
        "",
        "प्रीपेड शेष कम हो रहा है। समाप्त होने से पहले रीचार्ज करें।",
        "",
        "बचा हुआ: ₹90.00",
        "शेष: ₹90.00",
    ]
    assert '<html lang="hi" dir="ltr">' in body(mail, "html")


def test_a_reminder_in_arabic_is_set_from_right_to_left_and_its_amount_is_not(
    session: Session, mails: Path
) -> None:
    invoice = make_issued_invoice(due_on=date(2026, 11, 16))
    speaks(session, invoice.customer, "ar", "asha@lotus.example")
    dunning.remind(invoice, at=LATE, actor=make.ACTOR)
    mail = only_mail(mails)
    assert mail["Subject"] == (f"استحقت الفاتورة \u2068{invoice.number}\u2069 في \u206816 نوفمبر 2026\u2069")
    assert "المبلغ المستحق: \u2066₹620.00\u2069" in body(mail, "plain").splitlines()
    page = body(mail, "html")
    assert '<html lang="ar" dir="rtl">' in page
    assert 'text-align:left"><bdi>\u2066₹620.00\u2069</bdi>' in page


def test_the_mail_of_a_document_follows_the_customer_and_the_document_does_not(session: Session) -> None:
    invoice = make_issued_invoice()
    before = document_mails.preview(invoice)
    speaks(session, invoice.customer, "id", "asha@lotus.example")
    preview = document_mails.preview(invoice)
    assert preview.subject == f"Faktur pajak {invoice.number}: Rs 620,00"
    assert preview.text.splitlines()[0] == "Yth. Namma Kirana Private Limited,"
    assert "Harus dibayar: Rs 620,00" in preview.text.splitlines()
    assert "Jatuh tempo: 16 Nov 2026" in preview.text.splitlines()
    assert before.attachments == preview.attachments


def test_the_own_choice_of_an_address_comes_first_then_the_first_person_who_chose(session: Session) -> None:
    customer, other = make.make_customer("Lotus"), make.make_customer("Rose")
    assert mail_pages.language_of(customer.email, customer) == "en"
    speaks(session, other, "ar", "other@rose.example")
    speaks(session, customer, None, "first@lotus.example")
    assert mail_pages.language_of(customer.email, customer) == "en"
    speaks(session, customer, "hi", "second@lotus.example")
    speaks(session, customer, "id", customer.email)
    assert mail_pages.language_of("accounts@lotus.example", customer) == "hi"
    assert mail_pages.language_of(customer.email, customer) == "id"
    assert mail_pages.language_of("other@rose.example", None) == "ar"


def test_the_reason_of_a_gateway_stays_in_its_words(session: Session) -> None:
    customer = make.make_customer()
    row = notifications.notify(
        customer, "auto_top_up", title="Payment", text="Card 100% declined", about=customer, at=NOON
    )
    assert told.said_in(row, "hi").text == "Card 100% declined"
