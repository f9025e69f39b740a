"""Payers keep tax for the government; the invoice is paid all the same, and the certificate is waited for."""

from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.errors import IllegalTransition, Invalid
from app.models import AuditRecord, Invoice, Payment, TdsReceivable
from app.models.invoices import InvoiceStatus
from app.services import payments, tds, verify
from tests import factories as make
from tests.services.invoicing import IN_NOVEMBER, issue_for, priced, use
from tests.services.metered import books
from tests.services.tampering import power, red

TOLD: dict[str, Any] = {"at": IN_NOVEMBER, "actor": make.ACTOR}


@pytest.fixture
def invoice(session: Session) -> Invoice:
    """An issued invoice over ₹1,000 and ₹180 of GST."""
    make.make_seller()
    make.make_tax_rate("18")
    metric, account = make.make_metric(), make.make_account(make.make_customer(gstin=make.a_gstin("27")))
    priced(make.per_unit(metric, "10"), account=account)
    use(account, metric, 100)
    return issue_for(account)


def receivables(session: Session) -> list[TdsReceivable]:
    return list(session.scalars(select(TdsReceivable).order_by(TdsReceivable.id)))


def test_2_percent_of_the_taxable_value_is_kept_and_the_invoice_is_paid(
    session: Session, invoice: Invoice
) -> None:
    """Section 194C at 2 % of ₹1,000, not of 1,180: ₹20 are kept, ₹1,160 come (CBDT circular 23/2017)."""
    payment = payments.record_manual(
        invoice, "1160", reference="UTR1", tds_amount="20", tds_section="194C", **TOLD
    )
    assert (payment.amount, invoice.amount_paid, invoice.amount_due) == (1160, 1180, 0)
    assert invoice.status is InvoiceStatus.paid
    (kept,) = receivables(session)
    assert (kept.kind, kept.section, kept.rate, kept.taxable, kept.amount) == (
        "income_tax",
        "194C",
        2,
        1000,
        20,
    )
    assert (kept.status, kept.certificate_number, kept.payment_id) == ("expected", None, payment.id)
    paid = session.scalars(
        select(AuditRecord.summary).where(AuditRecord.action.in_(["invoice.paid", "tds.recorded"]))
    )
    assert sorted(paid) == [
        f"1180 INR was paid for {invoice.number}, 20 of it kept as TDS",
        f"₹20.00 was kept under section 194C of {invoice.number}",
    ]


def test_without_an_amount_all_that_is_due_less_the_tds_came(session: Session, invoice: Invoice) -> None:
    payment = payments.record_manual(
        invoice, None, reference="UTR1", tds_amount="100", tds_section="194J", **TOLD
    )
    assert (payment.amount, invoice.status) == (1080, InvoiceStatus.paid)


def test_a_government_buyer_keeps_gst_as_well(session: Session, invoice: Invoice) -> None:
    """CGST Act s.51: 2 % IGST of the taxable value, beside the income tax."""
    payments.record_manual(
        invoice,
        "1140",
        reference="UTR1",
        tds_amount="20",
        tds_section="194C",
        gst_tds_amount="20",
        certificate_number="GOV/7",
        **TOLD,
    )
    assert invoice.status is InvoiceStatus.paid
    assert [(one.kind, one.section, one.amount, one.status) for one in receivables(session)] == [
        ("income_tax", "194C", 20, "certified"),
        ("gst", "51", 20, "certified"),
    ]


@pytest.mark.parametrize(
    ("values", "pointer", "code"),
    [
        ({"tds_amount": "20.01", "tds_section": "194C"}, "/tds_amount", "too_large"),
        ({"tds_amount": "0", "tds_section": "194C"}, "/tds_amount", "not_positive"),
        ({"tds_amount": "-1", "tds_section": "194C"}, "/tds_amount", "not_positive"),
        ({"tds_amount": "1.001", "tds_section": "194C"}, "/tds_amount", "too_many_decimals"),
        ({"tds_amount": str(2**63), "tds_section": "194C"}, "/tds_amount", "too_large"),
        ({"tds_amount": "20"}, "/tds_section", "required"),
        ({"tds_amount": "20", "tds_section": "51"}, "/tds_section", "unknown_choice"),
        ({"tds_section": "194C"}, "/tds_amount", "required"),
        ({"gst_tds_amount": "20.01"}, "/gst_tds_amount", "too_large"),
        ({"amount": "1160.01", "tds_amount": "20", "tds_section": "194C"}, "/amount", "too_large"),
    ],
)
def test_tds_that_cannot_be_is_refused_and_nothing_is_written(
    session: Session, invoice: Invoice, values: dict[str, str], pointer: str, code: str
) -> None:
    given = {"amount": "1000", **values}
    with pytest.raises(Invalid) as refused:
        payments.record_manual(invoice, given.pop("amount"), reference="UTR1", **given, **TOLD)
    assert [(one.pointer, one.code) for one in refused.value.fields] == [(pointer, code)]
    assert (invoice.amount_paid, receivables(session)) == (0, [])
    assert session.scalars(select(Payment)).all() == []


def test_two_payments_together_keep_no_more_than_the_rate(session: Session, invoice: Invoice) -> None:
    told = {"tds_section": "194C", **TOLD}
    payments.record_manual(invoice, "500", reference="UTR1", tds_amount="12", **told)
    with pytest.raises(Invalid, match="At most 8 INR may be kept"):
        payments.record_manual(invoice, "500", reference="UTR2", tds_amount="8.01", **told)
    payments.record_manual(invoice, "660", reference="UTR2", tds_amount="8", **told)
    assert invoice.status is InvoiceStatus.paid


def test_a_certificate_comes_once(session: Session, invoice: Invoice) -> None:
    payments.record_manual(invoice, "1160", reference="UTR1", tds_amount="20", tds_section="194C", **TOLD)
    (kept,) = receivables(session)
    tds.certify(kept, certificate_number=" 16A/2026/1 ", **TOLD)
    assert (kept.status, kept.certificate_number, kept.certified_on) == (
        "certified",
        "16A/2026/1",
        IN_NOVEMBER.date(),
    )
    with pytest.raises(IllegalTransition):
        tds.certify(kept, certificate_number="16A/2026/2", **TOLD)
    assert kept.certificate_number == "16A/2026/1"


def test_debt_of_a_wallet_that_tds_pays_is_withheld_and_not_cash(session: Session) -> None:
    """₹100 of owed usage on an export without tax: ₹98 come, ₹2 are kept."""
    make.make_seller()
    make.make_tax_rate("18")
    metric, account = make.make_metric(), make.make_account(make.make_customer(country="US"), prepaid=True)
    priced(make.per_unit(metric, "1"), account=account)
    use(account, metric, 100)
    owing = issue_for(account)
    payments.record_manual(owing, "98", reference="UTR1", tds_amount="2", tds_section="194C", **TOLD)
    wallet = make.make_wallet(account=account)
    assert books(wallet) == {"cash": "-98.00", "revenue": "100.00", "withheld": "-2.00"}
    assert red(verify.run(["invoiced_debts", "tds", "journals"], at=IN_NOVEMBER)) == {}


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE tds_receivables SET taxable = 2000, amount = 40",
        "UPDATE payments SET status = 'failed'",
        "UPDATE tds_receivables SET customer_id = (SELECT id FROM customers WHERE id <> customer_id LIMIT 1)",
    ],
)
def test_a_planted_change_is_found(session: Session, invoice: Invoice, change: str) -> None:
    payments.record_manual(invoice, "1160", reference="UTR1", tds_amount="20", tds_section="194C", **TOLD)
    make.make_customer()
    session.flush()
    power(session, change)
    assert red(verify.run(["tds"], at=IN_NOVEMBER)) == {"tds": [f"invoice {invoice.number}"]}


def test_amounts_are_decimals(invoice: Invoice) -> None:
    (kept,) = tds.read(invoice, tds_amount="20", tds_section="194C")
    assert kept.amount == Decimal("20.00")
