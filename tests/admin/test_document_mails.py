"""On an invoice's page stands the mail that goes out with it, and the way to send it again."""

from dataclasses import replace

import pytest
from sqlalchemy import select

from app import clock
from app.db import db
from app.models import DocumentMail, Voucher
from app.permissions import Role
from app.services import advances
from tests.factories import (
    ACTOR,
    a_gstin,
    make_account,
    make_customer,
    make_seller,
    make_tax_rate,
    make_wallet,
)
from tests.services.paying import make_issued_invoice


@pytest.fixture(autouse=True)
def files(app, tmp_path):
    before = app.extensions["settings"]
    app.extensions["settings"] = replace(before, data_dir=tmp_path)
    yield
    app.extensions["settings"] = before


def test_the_mail_is_shown_as_it_is_sent(at_desk):
    invoice = make_issued_invoice()
    invoice.customer.billing_emails = ["cfo@kirana.example"]
    page = at_desk(Role.finance_admin).text(f"/admin/invoices/mail/?id={invoice.id}")
    assert "Tax Invoice OT29/26-27/00042: ₹620.00" in page
    assert invoice.customer.email in page
    assert "cfo@kirana.example" in page
    assert "OT29-26-27-00042.pdf" in page
    assert "Dear Namma Kirana Private Limited," in page
    assert "It was not mailed yet." in page


def test_it_is_sent_again_after_a_question_that_names_who_gets_it(at_desk):
    invoice = make_issued_invoice()
    person = at_desk(Role.finance_admin)
    asked = person.text(f"/admin/invoices/operation/mail/?id={invoice.id}")
    assert f"goes to {invoice.customer.email}, with OT29-26-27-00042.pdf." in asked
    person.post(f"/admin/invoices/operation/mail/?id={invoice.id}", {})
    assert [mail.n for mail in db.session.query(DocumentMail)] == [1]
    page = person.text(f"/admin/invoices/mail/?id={invoice.id}")
    assert "Pending" in page


def test_support_may_look_and_not_send(at_desk):
    invoice = make_issued_invoice()
    person = at_desk(Role.support)
    assert person.post(f"/admin/invoices/operation/mail/?id={invoice.id}", {}).status_code == 403
    assert db.session.query(DocumentMail).count() == 0


def test_a_voucher_has_the_same_page(at_desk):
    customer = make_customer("Namma Kirana", email="accounts@kirana.example", gstin=a_gstin("29"))
    make_seller()
    make_tax_rate()
    wallet = make_wallet(account=make_account(customer, prepaid=True))
    advances.receive(wallet, "1180", at=clock.now(), actor=ACTOR, reason="Bank transfer")
    voucher = db.session.scalars(select(Voucher)).one()
    person = at_desk(Role.finance_admin)
    assert f"/admin/vouchers/mail/?id={voucher.id}" in person.text(
        f"/admin/vouchers/details/?id={voucher.id}"
    )
    page = person.text(f"/admin/vouchers/mail/?id={voucher.id}")
    assert f"Receipt Voucher {voucher.number}: ₹1,180.00" in page
    person.post(f"/admin/vouchers/operation/mail/?id={voucher.id}", {})
    assert [mail.n for mail in db.session.query(DocumentMail)] == [1]
