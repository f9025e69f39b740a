"""Reminders of late invoices: by the schedule, each step once, none after the money came."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.domain.dunning import next_step, step_on
from app.errors import Conflict
from app.models import DunningNotice, Invoice, Notification, Payment, PaymentMethod
from app.models.customers import AccountStatus
from app.models.invoices import InvoiceStatus
from app.services import dunning, invoices, payments
from tests import factories as make
from tests.services.invoicing import IN_NOVEMBER, issue_for, priced, use
from tests.services.paying import paying_through
from tests.support.sandbox import SandboxProcess

STEPS = [-3, 0, 7, 14, 30]
# Noon in India; the invoice is due on 16 November 2026.
DUE = datetime(2026, 11, 16, 6, 30, tzinfo=UTC)


def on(days: int) -> datetime:
    return DUE + timedelta(days=days)


@pytest.fixture
def invoice(session: Session) -> Invoice:
    make.make_seller()
    make.make_tax_rate("18")
    metric = make.make_metric()
    account = make.make_account(make.make_customer(gstin=make.a_gstin("29")))
    priced(make.per_unit(metric, "2.50"), account=account)
    use(account, metric, 400)
    return issue_for(account)


def run(days: int) -> int:
    """Do what the daily job does, that many days after the due day; return how many reminders were sent."""
    found = dunning.due(at=on(days))
    for invoice_id in found:
        dunning.take_step(invoice_id, at=on(days))
    return len(found)


@pytest.mark.parametrize(
    ("days", "step"),
    [(-4, None), (-3, -3), (-1, -3), (0, 0), (6, 0), (7, 7), (29, 14), (30, 30), (400, 30)],
)
def test_the_step_of_a_day_is_the_latest_that_has_come(days: int, step: int | None) -> None:
    due_on = date(2026, 11, 16)
    assert step_on(STEPS, due_on, due_on + timedelta(days=days)) == step


def test_the_next_step_is_one_that_was_not_sent() -> None:
    due_on = date(2026, 11, 16)
    assert next_step(STEPS, None, due_on, due_on) == 0
    assert next_step(STEPS, 0, due_on, due_on) == 7
    assert next_step(STEPS, 30, due_on, due_on + timedelta(days=31)) is None


def test_each_step_is_sent_once_and_a_missed_one_is_not_made_up(session: Session, invoice: Invoice) -> None:
    assert [run(days) for days in (-4, -3, -3, 0, 1, 15, 15, 16, 30, 31)] == [0, 1, 0, 1, 0, 1, 0, 0, 1, 0]
    steps = list(session.scalars(select(DunningNotice.step).order_by(DunningNotice.created_at)))
    assert steps == [-3, 0, 14, 30]
    told = session.scalars(select(Notification).order_by(Notification.created_at)).all()
    assert [one.tone for one in told] == ["action", "action", "warning", "alert"]
    assert told[0].title == "Invoice OT29/26-27/00001 is due on 16 Nov 2026"
    assert told[3].text.startswith("₹1,180.00 of invoice OT29/26-27/00001 was due on 16 Nov 2026.")
    assert dict(told[0].facts)["The invoice as PDF"].endswith(f"/portal/invoices/{invoice.id}/pdf")


def test_taking_a_step_twice_is_one_reminder(session: Session, invoice: Invoice) -> None:
    for _ in range(2):
        dunning.take_step(invoice.id, at=on(7))
    assert session.scalar(select(func.count()).select_from(DunningNotice)) == 1


def test_nobody_is_reminded_of_what_was_paid_or_given_up(invoice: Invoice) -> None:
    invoices.record_payment(invoice, Decimal(1180), at=IN_NOVEMBER, actor=make.ACTOR)
    assert run(7) == 0
    with pytest.raises(Conflict, match="waits for no money"):
        dunning.remind(invoice, at=on(7), actor=make.ACTOR)


def test_an_invoice_that_was_given_up_is_reminded_of_by_hand_only(session: Session, invoice: Invoice) -> None:
    invoices.write_off(invoice, reason="Insolvent", at=on(40), actor=make.ACTOR)
    assert (run(41), invoice.status) == (0, InvoiceStatus.uncollectible)
    dunning.remind(invoice, at=on(41), actor=make.ACTOR)
    (notice,) = session.scalars(select(DunningNotice))
    assert (notice.step, notice.sent_by) == (None, "Test Person")


def test_a_paused_customer_gets_none_until_the_day_is_over(session: Session, invoice: Invoice) -> None:
    paused = dunning.pause(
        invoice.customer, until=date(2026, 11, 24), reason="Dispute", at=on(0), actor=make.ACTOR
    )
    assert [run(days) for days in (0, 7, 8)] == [0, 0, 0]
    assert dunning.standing(at=on(8))[0].next_on is None
    assert run(9) == 1
    dunning.resume(paused, at=on(9), actor=make.ACTOR)
    assert run(14) == 1


def test_after_the_last_step_an_invoice_is_over_and_its_account_stays(invoice: Invoice) -> None:
    run(30)
    assert invoice.account.status is AccountStatus.active
    assert [(one.step, one.over, one.days_late) for one in dunning.standing(at=on(31))] == [(30, True, 31)]


def test_the_account_is_suspended_with_the_last_step_where_the_setting_says_so(
    app: Flask, invoice: Invoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = replace(app.extensions["settings"], dunning_suspends=True)
    monkeypatch.setitem(app.extensions, "settings", settings)
    run(14)
    assert invoice.account.status is AccountStatus.active
    run(30)
    assert invoice.account.status is AccountStatus.suspended


def test_a_saved_way_to_pay_is_charged_from_the_due_day_on(
    app: Flask, session: Session, invoice: Invoice, sandbox: SandboxProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = {"gateway": "stripe", "customer_ref": "cus_1", "method_ref": "pm_1", "label": "Visa ending 4242"}
    session.add(PaymentMethod(account_id=invoice.account_id, **names))
    session.flush()
    with paying_through(app, sandbox, monkeypatch):
        assert dunning.take_step(invoice.id, at=on(-3)) is None
        payment_id = dunning.take_step(invoice.id, at=on(0))
        assert payment_id is not None
        payment = session.get_one(Payment, payment_id)
        assert (payment.amount, payment.invoice_id, payment.status) == (1180, invoice.id, "created")
        payments.open_checkout(payment_id)
        payments.apply_gateway_state(payment_id)
    session.refresh(invoice)
    assert (invoice.status, run(7)) == (InvoiceStatus.paid, 0)


def test_the_list_of_late_invoices_says_how_far_they_are(invoice: Invoice) -> None:
    assert dunning.standing(at=on(0)) == []
    run(0)
    (found,) = dunning.standing(at=on(1))
    assert (found.step, found.next_on, found.days_late, found.over) == (0, date(2026, 11, 23), 1, False)
