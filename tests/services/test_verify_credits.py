"""The checks of credit notes and amounts due are green over honest rows, and name what was changed."""

import pytest
from sqlalchemy.orm import Session

from app.models import Invoice
from app.services import credit_notes, verify
from tests import factories as make
from tests.services.invoicing import IN_NOVEMBER, issue_for, priced, use
from tests.services.tampering import power, red

CHECKS = ("credit_notes", "amounts_due", "refunds", "numbers")


@pytest.fixture
def credited(session: Session) -> tuple[Invoice, Invoice]:
    """An invoice of 1,180 and a note of 118 on it."""
    make.make_seller()
    make.make_tax_rate("18")
    metric = make.make_metric()
    account = make.make_account(make.make_customer(gstin=make.a_gstin("29")))
    priced(make.per_unit(metric, "2.50"), account=account)
    use(account, metric, 400)
    invoice = issue_for(account)
    note = credit_notes.issue(invoice, amount="118", reason="Outage", at=IN_NOVEMBER, actor=make.ACTOR)
    session.flush()
    return invoice, note


def check() -> dict[str, list[str]]:
    return red(verify.run(CHECKS, at=IN_NOVEMBER))


def test_honest_notes_are_green_and_counted(credited: tuple[Invoice, Invoice]) -> None:
    report = verify.run(CHECKS, at=IN_NOVEMBER)
    assert red(report) == {}
    assert {each.name: each.counted for each in report.results}["credit_notes"] == {"notes": 1}


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE invoices SET amount_credited = amount_credited + 1 WHERE id = :invoice",
        "UPDATE invoices SET amount_credited = 0 WHERE id = :invoice",
        "UPDATE invoices SET status = 'cancelled' WHERE id = :invoice",
        "UPDATE invoices SET total = total + 2000 WHERE id = :note",
        "UPDATE invoices SET issued_on = issued_on - 40 WHERE id = :note",
        "UPDATE invoices SET original_id = NULL WHERE id = :note",
    ],
)
def test_a_note_that_does_not_fit_its_invoice_is_named(
    session: Session, credited: tuple[Invoice, Invoice], change: str
) -> None:
    invoice, note = credited
    wanted = {"invoice": invoice.id, "note": note.id}
    power(session, change, **{name: key for name, key in wanted.items() if f":{name}" in change})
    assert f"invoice {invoice.number}" in check()["credit_notes"]


def test_a_line_credited_above_what_it_charged_is_named(
    session: Session, credited: tuple[Invoice, Invoice]
) -> None:
    invoice, note = credited
    power(session, "UPDATE invoice_lines SET amount = 1001 WHERE invoice_id = :id", id=note.id)
    assert check()["credit_notes"] == [f"line 1 of invoice {invoice.number}"]


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE invoices SET status = 'paid' WHERE id = :id",
        "UPDATE invoices SET amount_paid = 1062 WHERE id = :id",
    ],
)
def test_a_status_that_does_not_follow_from_the_money_is_named(
    session: Session, credited: tuple[Invoice, Invoice], change: str
) -> None:
    invoice, _ = credited
    power(session, change, id=invoice.id)
    assert check() == {"amounts_due": [f"invoice {invoice.number}"]}


def test_a_missing_number_of_the_series_of_notes_is_named(
    session: Session, credited: tuple[Invoice, Invoice]
) -> None:
    invoice, note = credited
    credit_notes.issue(invoice, amount="118", reason="More", at=IN_NOVEMBER, actor=make.ACTOR)
    session.flush()
    power(session, "DELETE FROM invoice_lines WHERE invoice_id = :id", id=note.id)
    power(session, "DELETE FROM invoices WHERE id = :id", id=note.id)
    assert check()["numbers"] == ["series OT29C 2026-27"]
