"""The checks of invoices are green over honest ones, and name the one that was changed."""

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.models import ChargePosition, Invoice
from app.services import verify
from tests import factories as make
from tests.services.invoicing import IN_NOVEMBER, issue_for, priced, use
from tests.services.tampering import power, red

CHECKS = ("invoices", "snapshots", "numbers", "invoiced", "positions", "charges", "revenue")


@pytest.fixture
def issued(session: Session) -> list[Invoice]:
    """Three issued invoices of one series, for usage and a fee."""
    make.make_seller()
    make.make_tax_rate("18")
    found = []
    for quantity in (100, 333, 7):
        metric = make.make_metric()
        account = make.make_account()
        priced(make.per_unit(metric, "1.37"), make.fee("99.90"), account=account)
        use(account, metric, quantity)
        found.append(issue_for(account))
    session.flush()
    return found


def check(*names: str) -> dict[str, list[str]]:
    """Return what the checks of invoices, or these, find."""
    return red(verify.run(names or CHECKS, at=IN_NOVEMBER))


def test_honest_invoices_are_green_and_counted(issued: list[Invoice]) -> None:
    report = verify.run(CHECKS, at=IN_NOVEMBER)
    assert red(report) == {}
    counted = {each.name: each.counted for each in report.results}
    assert counted["invoices"] == {"invoices": 3, "lines": 6}
    assert counted["snapshots"] == {"snapshots": 3}
    assert counted["numbers"] == {"series": 1}
    assert counted["invoiced"] == {"positions": 3}


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE invoices SET total = total + 1 WHERE id = :id",
        "UPDATE invoices SET tax_total = tax_total + 1, total = total + 1 WHERE id = :id",
        "UPDATE invoice_lines SET amount = amount + 1 WHERE invoice_id = :id AND metric_code IS NULL",
    ],
)
def test_an_invoice_that_does_not_add_up_is_named(
    session: Session, issued: list[Invoice], change: str
) -> None:
    power(session, change, id=issued[1].id)
    assert check() == {"invoices": [f"invoice {issued[1].number}"]}


def test_content_that_was_changed_after_issue_is_named(session: Session, issued: list[Invoice]) -> None:
    change = "UPDATE invoices SET snapshot = jsonb_set(snapshot, '{buyer,name}', '\"Other\"') WHERE id = :id"
    power(session, change, id=issued[1].id)
    assert check() == {"snapshots": [f"invoice {issued[1].number}"]}


def test_a_missing_number_is_named(session: Session, issued: list[Invoice]) -> None:
    power(session, "DELETE FROM invoice_lines WHERE invoice_id = :id", id=issued[1].id)
    power(session, "DELETE FROM invoices WHERE id = :id", id=issued[1].id)
    report = verify.run(["numbers"], at=IN_NOVEMBER)
    assert red(report) == {"numbers": ["series OT29 2026-27"]}
    assert report.results[0].problems[0].message == (
        "The series stands at 3, 2 documents have its numbers, number 2 is missing."
    )


def test_a_series_that_was_set_back_is_named(session: Session, issued: list[Invoice]) -> None:
    power(session, "UPDATE invoice_series SET last_number = 2")
    assert check() == {"numbers": ["series OT29 2026-27"]}


def test_usage_that_counts_as_invoiced_and_is_not_is_named(session: Session, issued: list[Invoice]) -> None:
    position = session.scalars(
        select(ChargePosition).where(ChargePosition.account_id == issued[1].account_id)
    ).one()
    power(
        session,
        "UPDATE charge_positions SET invoiced_amount = invoiced_amount + 1 WHERE id = :id",
        id=position.id,
    )
    assert check() == {"invoiced": [f"position {position.id}"]}
