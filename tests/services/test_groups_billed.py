"""Each value of a dimension priced by itself, on invoices: by hand as in `test_groups`, ₹215.50 for October.

IN 150   100 × 1 + 50 × 0.5   125.00
NP   5   at least              20.00
US  40                         40.00
none 30.5                      30.50
"""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy.orm import Session

from app import clock
from app.errors import DomainError
from app.models import Account, Invoice, Metric, Subscription
from app.models.invoices import InvoiceStatus, LineKind
from app.services import (
    audit_chain,
    contracts,
    events,
    invoice_document,
    invoices,
    own_usage,
    rerating,
    subscription_quotes,
    verify,
)
from app.services import subscription_changes as changes
from app.services.corrections import amend
from tests import factories as make
from tests.services.invoicing import IN_DECEMBER, IN_NOVEMBER, NOVEMBER, drain, issue_for, priced
from tests.services.simulating import TODAY, billed, draft_of, figures, simulate
from tests.services.tampering import red
from tests.services.test_groups import SENT, by_country

OCTOBER_10 = datetime(2026, 10, 10, 6, 30, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _in_november(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: IN_NOVEMBER)
    make.make_seller()
    make.make_tax_rate("18")


@pytest.fixture
def metric(session: Session) -> Metric:
    return make.make_metric("m", aggregation="sum", dimensions=["country"])


@pytest.fixture
def account(metric: Metric) -> Account:
    """A postpaid account with the usage of October."""
    subscription = priced(by_country(metric))
    use(subscription.account, metric)
    return subscription.account


def use(account: Account, metric: Metric, sent: Any = SENT, *, at: datetime = OCTOBER_10) -> None:
    """Send events of a day, called `1010-0` after it and their place, and meter them."""
    rows = [
        {
            "event_id": f"{at:%m%d}-{n}",
            "account_id": str(account.id),
            "metric": metric.code,
            "timestamp": at.isoformat(),
            "quantity": quantity,
            "properties": properties,
        }
        for n, (quantity, properties) in enumerate(sent)
    ]
    results = events.ingest(rows, source="test", actor=make.ACTOR, max_age=None, at=IN_DECEMBER)
    assert {each.status for each in results} == {events.Status.accepted}
    drain()


def steps(invoice: Invoice, line: int = 0) -> list[str]:
    return [invoice_document.step(row, "INR") for row in invoice.lines[line].breakdown]


def test_a_line_is_the_sum_of_its_groups_and_names_each(session: Session, account: Account) -> None:
    invoice = issue_for(account)
    (line,) = invoice.lines
    assert (line.quantity, line.amount, line.unit_price) == (Decimal("225.5"), Decimal("215.50"), None)
    assert sum(Decimal(row["amount"]) for row in line.breakdown) == line.amount
    assert steps(invoice) == [
        "none: Tier 1: 30.5 × ₹1.00 = ₹30.50",
        "IN: Tier 1: 100 × ₹1.00 = ₹100.00",
        "IN: Tier 2: 50 × ₹0.50 = ₹25.00",
        "NP: Tier 1: 5 × ₹1.00 = ₹5.00",
        "NP: Raised to the minimum of the period: ₹15.00",
        "US: Tier 1: 40 × ₹1.00 = ₹40.00",
    ]
    assert invoice.status is InvoiceStatus.issued
    audit_chain.seal(IN_NOVEMBER)
    assert red(verify.run([name for name in verify.checks if name != "outbox"], at=IN_NOVEMBER)) == {}


def test_what_moves_to_another_country_after_the_invoice_is_adjusted_though_no_quantity_moves(
    session: Session, account: Account, metric: Metric
) -> None:
    """US 40 go to IN: 190 cost 145, so 20.00 more, and 40.00 less."""
    first = issue_for(account)
    reason = {"reason": "Wrong", "actor": make.ACTOR, "at": IN_NOVEMBER}
    amend(account, "1010-1", {"properties": {"country": "IN"}}, **reason)
    drain()
    use(account, metric, [("100", {"country": "IN"})], at=datetime(2026, 11, 10, 6, 30, tzinfo=UTC))
    found = rerating.rerate(first).document
    assert (found["difference"], found["open"]) == (Decimal("-20.00"), Decimal("-20.00"))

    second = issue_for(account, NOVEMBER, at=IN_DECEMBER)

    told = [(line.kind, line.quantity, line.amount) for line in second.lines]
    assert told == [
        (LineKind.adjustment, Decimal(0), Decimal("-20.00")),
        (LineKind.usage, Decimal(100), Decimal("100.00")),
    ]
    assert second.status is InvoiceStatus.issued
    assert rerating.rerate(first).document["open"] == Decimal("0.00")
    assert invoices.draft_for(account, NOVEMBER, at=IN_DECEMBER) is None
    audit_chain.seal(IN_DECEMBER)
    assert red(verify.run([name for name in verify.checks if name != "outbox"], at=IN_DECEMBER)) == {}


def test_an_untouched_invoice_is_re_rated_to_itself(session: Session, account: Account) -> None:
    invoice = issue_for(account)
    found = rerating.rerate(invoice)
    assert found.document["difference"] == Decimal("0.00")
    assert found.document["lines"][0]["breakdown"] == invoice.lines[0].breakdown
    assert rerating.rerate(invoice).sha256 == found.sha256


def test_a_prepaid_invoice_asks_for_the_minimum_that_the_wallet_did_not_pay(
    session: Session, metric: Metric
) -> None:
    subscription = priced(by_country(metric), account=make.make_account(prepaid=True))
    use(subscription.account, metric)
    invoice = issue_for(subscription.account)
    assert (invoice.subtotal, invoice.paid_from_wallet + invoice.amount_due) == (
        Decimal("215.50"),
        invoice.total,
    )


def test_own_terms_keep_the_groups_of_the_plan(session: Session, metric: Metric) -> None:
    """₹0.10 each, ₹10 at least: IN 15.00, NP 10.00, US 10.00, none 10.00."""
    subscription = priced(by_country(metric))
    own = {"component": "m", "model": "per_unit", "unit": "0.1", "minimum": "10"}
    contracts.override(subscription, [{**own, "start_on": "2026-10-01"}], actor=make.ACTOR)
    use(subscription.account, metric)
    asked = [{"metric": "m", "quantity": quantity, "dimensions": dimensions} for quantity, dimensions in SENT]
    quoted = subscription_quotes.quote(subscription, asked, on=OCTOBER_10.date())
    assert quoted["total"] == "45.00"
    assert issue_for(subscription.account).lines[0].amount == Decimal("45.00")
    with pytest.raises(DomainError) as refused:
        contracts.override(subscription, [{**own, "group_by": "channel"}], actor=make.ACTOR)
    (field,) = refused.value.fields
    assert (field.pointer, field.code) == ("/overrides/0/group_by", "unknown_field")


def test_a_version_that_groups_is_simulated_as_it_would_be_billed(session: Session, metric: Metric) -> None:
    """Together 225.5 units cost 100 + 62.75."""
    together = {**by_country(metric), "group_by": None}
    plan = make.make_plan(components=[together])
    account = make.make_subscription(make.make_account(), plan).account
    use(account, metric)
    found = figures(simulate(draft_of(plan, by_country(metric))))
    assert found == {account: ("162.75", "215.50", "52.75")}


def test_simulating_the_version_that_was_billed_shows_what_was_billed(
    session: Session, account: Account, metric: Metric
) -> None:
    plan = session.query(Subscription).filter_by(account_id=account.id).one().plan
    issue_for(account)
    found = figures(simulate(draft_of(plan, by_country(metric))))
    assert found == {account: (billed(account), billed(account), "0.00")}
    assert billed(account) == "215.50"


def test_the_customer_sees_what_it_costs_so_far_by_the_same_arithmetic(
    session: Session, account: Account
) -> None:
    october = next(each for each in own_usage.windows(TODAY, "Asia/Kolkata") if each.key == "2026-10")
    (row,) = own_usage.charged([account], october)
    assert (row.quantity, row.amount) == (Decimal("225.5"), Decimal("215.50"))


def test_a_change_of_plan_in_the_month_begins_every_group_anew(
    session: Session, account: Account, metric: Metric, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clock, "now", lambda: datetime(2026, 10, 20, 6, 30, tzinfo=UTC))
    subscription = session.query(Subscription).filter_by(account_id=account.id).one()
    other = make.make_plan(components=[by_country(metric)])
    changes.change(subscription, other.code, when="now", actor=make.ACTOR, at=clock.now())
    use(account, metric, at=datetime(2026, 10, 25, 6, 30, tzinfo=UTC))
    invoice = issue_for(account)
    assert [line.amount for line in invoice.lines] == [Decimal("215.50"), Decimal("215.50")]
    audit_chain.seal(IN_NOVEMBER)
    assert red(verify.run([name for name in verify.checks if name != "outbox"], at=IN_NOVEMBER)) == {}
