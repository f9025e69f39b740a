"""Re-rating: an untouched invoice shows no difference, late usage the exact one, always in the same bytes."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.domain.invoicing import sha256_hex
from app.errors import Conflict
from app.models import Account, AuditRecord, Invoice, InvoiceLine, Metric
from app.models.invoices import InvoiceKind
from app.services import rerating
from app.services.price_book import PriceBook
from app.services.rerating import Rerating
from tests import factories as make
from tests.services.invoicing import IN_DECEMBER, IN_NOVEMBER, NOVEMBER, OCTOBER, issue_for, use
from tests.services.simulating import OCTOBER_20

SUMS = ("billed", "amount", "difference", "adjusted", "open")


@pytest.fixture
def metric(session: Session) -> Metric:
    make.make_seller()
    make.make_tax_rate("18")
    return make.make_metric()


@pytest.fixture
def account(metric: Metric) -> Account:
    """An account with a fee, one in advance (October's and November's), a graduated price, a minimum on one
    channel, and 12 messages in October."""
    plan = make.make_plan(
        components=[
            make.graduated(metric, ("10", "0.333"), (None, "0.111")),
            make.per_unit(metric, "0.05", code="sms", filters={"channel": "sms"}, minimum="9"),
            make.fee("999"),
            make.fee("100", code="set", prorated=False, timing="advance"),
        ]
    )
    account = make.make_subscription(plan=plan).account
    use(account, metric, 12)
    return account


def sums(found: Rerating) -> list[str]:
    return [str(found.document[name]) for name in SUMS]


def moved(found: Rerating) -> list[tuple[str, ...]]:
    """Return the lines that differ: kind, quantities and sums."""
    return [
        (line["kind"], *(str(line[name]) for name in ("billed_quantity", "quantity", *SUMS)))
        for line in found.document["lines"]
        if line["difference"] or line["quantity"] != line["billed_quantity"]
    ]


def test_an_untouched_invoice_comes_to_what_was_billed(account: Account) -> None:
    invoice = issue_for(account)
    found = rerating.rerate(invoice)
    assert sums(found) == ["1211.55", "1211.55", "0.00", "0.00", "0.00"]
    assert moved(found) == []
    for line, billed in zip(found.document["lines"], invoice.lines, strict=True):
        assert (line["rated"], line["breakdown"]) == (True, billed.breakdown)
    assert found.sha256 == sha256_hex(found.content)
    assert rerating.rerate(invoice).content == found.content


def test_late_usage_is_the_exact_difference_until_it_is_billed(account: Account, metric: Metric) -> None:
    october = issue_for(account)
    use(account, metric, 3, at=OCTOBER_20)
    use(account, metric, 200, at=OCTOBER_20, channel="sms")
    late = [
        ("usage", "12", "15", "3.55", "3.89", "0.34", "0.00", "0.34"),
        ("usage", "0", "200", "9.00", "10.00", "1.00", "0.00", "1.00"),
    ]
    assert sorted(moved(rerating.rerate(october))) == sorted(late)
    november = issue_for(account, NOVEMBER, at=IN_DECEMBER)
    adjusted = [(*line[:6], line[5], "0.00") for line in late]
    assert sorted(moved(rerating.rerate(october))) == sorted(adjusted)
    assert sums(rerating.rerate(november))[2:] == ["0.00", "0.00", "0.00"]


def test_an_adjustment_is_rated_as_what_exceeds_the_invoice_before(account: Account, metric: Metric) -> None:
    issue_for(account)
    use(account, metric, 3, at=OCTOBER_20)
    november = issue_for(account, NOVEMBER, at=IN_DECEMBER)
    use(account, metric, 4, at=OCTOBER_20)
    assert moved(rerating.rerate(november)) == [
        ("adjustment", "3", "7", "0.34", "0.78", "0.44", "0.00", "0.44")
    ]


def test_usage_in_a_trial_is_rated_at_nothing(metric: Metric) -> None:
    account = make.make_account()
    plan = make.make_plan(components=[make.per_unit(metric, "1"), make.fee("310")])
    make.make_subscription(account, plan, trial_days=10)
    use(account, metric, 4, at=datetime(2026, 10, 5, tzinfo=UTC))
    use(account, metric, 6, at=OCTOBER_20)
    found = rerating.rerate(issue_for(account))
    assert sums(found) == ["216.00", "216.00", "0.00", "0.00", "0.00"]


def test_lines_without_a_price_stay_as_they_are(session: Session, account: Account) -> None:
    draft = rerating.invoices.draft_for(
        account,
        OCTOBER,
        at=IN_NOVEMBER,
        lines=[{"description": "Setup", "quantity": "1", "unit_price": "500"}],
    )
    assert draft is not None
    setup = rerating.rerate(draft).document["lines"][-1]
    assert (setup["description"], setup["rated"], setup["amount"]) == ("Setup", False, Decimal(500))
    assert sums(rerating.rerate(draft))[2:] == ["0.00", "0.00", "0.00"]


def test_a_credit_note_is_not_rated(account: Account) -> None:
    invoice = issue_for(account)
    with pytest.raises(Conflict, match="re-rate its invoice"):
        rerating.rerate(Invoice(kind=InvoiceKind.credit_note, account_id=invoice.account_id))


def test_a_month_without_invoice_shows_what_would_be_billed(session: Session, account: Account) -> None:
    (found,) = rerating.rerate_month(account, OCTOBER, at=IN_NOVEMBER, book=PriceBook())
    assert (found.document["invoice_id"], found.document["number"]) == (None, None)
    assert sums(found) == ["0.00", "1211.55", "1211.55", "0.00", "1211.55"]
    for model in (Invoice, InvoiceLine):
        assert session.scalar(select(func.count()).select_from(model)) == 0
    invoice = issue_for(account)
    (billed,) = rerating.rerate_month(account, OCTOBER, at=IN_NOVEMBER, book=PriceBook())
    assert billed.document["invoice_id"] == invoice.id
    assert rerating.accounts_with_bills([OCTOBER]) == [account.id]
    assert rerating.accounts_with_bills([NOVEMBER]) == []


def test_what_came_out_is_kept_in_the_audit_trail(session: Session, account: Account) -> None:
    invoice = issue_for(account)
    found = rerating.rerate(invoice)
    rerating.note(invoice, found, at=IN_NOVEMBER, actor=make.ACTOR)
    session.flush()
    (record,) = session.scalars(select(AuditRecord).where(AuditRecord.action == "invoice.rerated"))
    assert record.after == {"difference": "0.00", "open": "0.00", "sha256": found.sha256}
