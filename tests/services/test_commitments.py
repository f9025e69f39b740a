"""Minimum commitments: the last run of a period bills what is missing, by the days, and never below nothing.

All amounts are before tax; a commitment is 1,000.00 a month unless a test says otherwise.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app import clock
from app.errors import Conflict, DomainError, Overlapping
from app.models import AuditRecord, Commitment, Invoice, Metric, Subscription
from app.models.invoices import LineKind
from app.services import billing, commitments, invoices, subscriptions
from tests import factories as make
from tests.services.invoicing import (
    IN_DECEMBER,
    IN_NOVEMBER,
    NOON,
    NOVEMBER,
    OCTOBER,
    issue_for,
    priced,
    use,
)

OCTOBER_1, NOVEMBER_1 = date(2026, 10, 1), date(2026, 11, 1)
# 15 October 2026, 00:00 in India.
MID_OCTOBER = datetime(2026, 10, 14, 18, 30, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _in_october(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: NOON)
    make.make_seller()
    make.make_tax_rate("18")


def committed(amount: str = "1000", **subscription: Any) -> tuple[Subscription, Metric]:
    """Return a subscription of ₹1 a message that is committed from October on."""
    metric = make.make_metric()
    made = priced(make.per_unit(metric, "1"), **subscription)
    commitments.agree(made, amount, start_on=OCTOBER_1, actor=make.ACTOR)
    return made, metric


def lines_of(invoice: Invoice) -> list[tuple[LineKind, Decimal]]:
    return [(line.kind, line.amount) for line in invoice.lines]


def test_a_commitment_that_is_not_reached_is_trued_up(session: Session) -> None:
    """400 were used: 600 are missing. 18 % of 1,000 is 180."""
    subscription, metric = committed()
    use(subscription.account, metric, 400)
    invoice = issue_for(subscription.account)
    assert lines_of(invoice) == [(LineKind.usage, Decimal(400)), (LineKind.commitment, Decimal(600))]
    assert (invoice.subtotal, invoice.tax_total, invoice.total) == (
        Decimal(1000),
        Decimal(180),
        Decimal(1180),
    )
    line = invoice.lines[1]
    assert line.description == "True-up to the minimum commitment, 1 Oct 2026 to 31 Oct 2026"
    assert (line.unit_price, line.sac, line.version) == (Decimal(600), "998319", subscription.version)
    assert [(row["kind"], row["amount"]) for row in line.breakdown] == [
        ("commitment", "1000"),
        ("charged", "-400"),
    ]
    assert invoices.draft_for(subscription.account, OCTOBER, at=IN_NOVEMBER) is None


def test_a_commitment_that_is_reached_adds_nothing(session: Session) -> None:
    subscription, metric = committed("400")
    use(subscription.account, metric, 400)
    assert lines_of(issue_for(subscription.account)) == [(LineKind.usage, Decimal(400))]


def test_a_commitment_of_a_subscription_that_starts_within_the_month_is_prorated(session: Session) -> None:
    """17 of 31 days of 1,000 are 548.39 (548.387…); 148.39 are missing to it."""
    subscription, metric = committed(start_at=MID_OCTOBER)
    use(subscription.account, metric, 400, at=datetime(2026, 10, 20, 6, 30, tzinfo=UTC))
    invoice = issue_for(subscription.account)
    assert lines_of(invoice) == [
        (LineKind.usage, Decimal(400)),
        (LineKind.commitment, Decimal("148.39")),
    ]
    assert invoice.lines[1].description == "True-up to the minimum commitment, 15 Oct 2026 to 31 Oct 2026"


def test_the_commitments_of_the_segments_of_a_month_add_up_to_the_whole(session: Session) -> None:
    """14 of 31 days: 451.61, less 400 used. 17 of 31 days: 548.39. 1,000.00 in all."""
    subscription, metric = committed()
    subscriptions.end(subscription, at=MID_OCTOBER, actor=make.ACTOR)
    use(subscription.account, metric, 400, at=datetime(2026, 10, 10, 6, 30, tzinfo=UTC))
    second = priced(make.fee("0"), account=subscription.account, start_at=MID_OCTOBER)
    commitments.agree(second, "1000", start_on=OCTOBER_1, actor=make.ACTOR)
    invoice = issue_for(subscription.account)
    assert lines_of(invoice) == [
        (LineKind.usage, Decimal(400)),
        (LineKind.commitment, Decimal("51.61")),
        (LineKind.commitment, Decimal("548.39")),
    ]
    assert invoice.subtotal == Decimal(1000)


def test_fees_count_towards_a_commitment(session: Session) -> None:
    """November's fee in advance counts for November."""
    subscription = priced(make.fee("300", timing="advance"))
    commitments.agree(subscription, "1000", start_on=OCTOBER_1, actor=make.ACTOR)
    assert lines_of(issue_for(subscription.account)) == [
        (LineKind.fixed, Decimal(300)),
        (LineKind.fixed, Decimal(300)),
        (LineKind.commitment, Decimal(700)),
    ]
    assert lines_of(issue_for(subscription.account, NOVEMBER, at=IN_DECEMBER)) == [
        (LineKind.fixed, Decimal(300)),
        (LineKind.commitment, Decimal(700)),
    ]


def test_late_usage_lowers_a_true_up_down_to_nothing_and_never_below(session: Session) -> None:
    """600 were trued up. 250 late ones are asked for and taken off; of 500 more only 350 can be."""
    subscription, metric = committed()
    account = subscription.account
    use(account, metric, 400)
    issue_for(account)
    commitments.end(commitments.of(subscription)[0], on=NOVEMBER_1, actor=make.ACTOR)
    use(account, metric, 250)
    first = issue_for(account, NOVEMBER, at=IN_DECEMBER)
    assert lines_of(first) == [(LineKind.adjustment, Decimal(250)), (LineKind.commitment, Decimal(-250))]
    assert [(row["kind"], row["amount"]) for row in first.lines[1].breakdown] == [
        ("commitment", "1000"),
        ("charged", "-650"),
        ("invoiced", "-600"),
    ]
    assert first.total == Decimal(0)
    use(account, metric, 500)
    second = invoices.draft_by_hand(account, NOVEMBER, at=IN_DECEMBER, actor=make.ACTOR)
    assert lines_of(second) == [(LineKind.adjustment, Decimal(500)), (LineKind.commitment, Decimal(-350))]


def test_a_commitment_that_begins_next_month_asks_for_nothing_before(session: Session) -> None:
    metric = make.make_metric()
    subscription = priced(make.per_unit(metric, "1"))
    made = commitments.agree(subscription, "1000", actor=make.ACTOR)
    assert (made.start_on, made.end_on) == (NOVEMBER_1, None)
    assert invoices.draft_for(subscription.account, OCTOBER, at=IN_NOVEMBER) is None
    invoice = issue_for(subscription.account, NOVEMBER, at=IN_DECEMBER)
    assert lines_of(invoice) == [(LineKind.commitment, Decimal(1000))]


def test_a_billing_run_finds_accounts_that_only_have_a_commitment(session: Session) -> None:
    subscription, _ = committed()
    session.flush()
    steps = list(billing.run("2026-10", at=IN_NOVEMBER, actor=make.ACTOR))
    assert [(step.account_id, step.total) for step in steps] == [
        (subscription.account_id, Decimal("1180.0000"))
    ]


def test_a_second_draft_of_a_true_up_is_not_issued(session: Session) -> None:
    subscription, _ = committed()
    second = invoices.draft_by_hand(subscription.account, OCTOBER, at=IN_NOVEMBER, actor=make.ACTOR)
    issue_for(subscription.account)
    with pytest.raises(Conflict, match="another invoice has billed it since"):
        invoices.issue(second, at=IN_NOVEMBER, actor=make.ACTOR)


def test_two_commitments_for_the_same_days_are_refused(session: Session) -> None:
    subscription, _ = committed()
    with pytest.raises(Overlapping):
        commitments.agree(subscription, "5", actor=make.ACTOR)
    assert len(commitments.of(subscription)) == 1


Change = Callable[[Subscription], object]


@pytest.mark.parametrize(
    ("change", "pointer", "code"),
    [
        (lambda one: commitments.agree(one, "0", actor=make.ACTOR), "/amount", "not_positive"),
        (lambda one: commitments.agree(one, "1.001", actor=make.ACTOR), "/amount", "too_many_decimals"),
        (
            lambda one: commitments.agree(one, "1", end_on=OCTOBER_1, actor=make.ACTOR),
            "/end_on",
            "not_after_start",
        ),
        (
            lambda one: commitments.agree(one, "1", start_on=OCTOBER_1, actor=make.ACTOR),
            "/start_on",
            "already_billed",
        ),
    ],
)
def test_what_cannot_be_committed_to_is_refused_with_the_field(
    session: Session, change: Change, pointer: str, code: str
) -> None:
    metric = make.make_metric()
    subscription = priced(make.per_unit(metric, "1"))
    use(subscription.account, metric, 1)
    issue_for(subscription.account)
    with pytest.raises(DomainError) as caught:
        change(subscription)
    assert [(field.pointer, field.code) for field in caught.value.fields] == [(pointer, code)]
    assert list(session.scalars(select(Commitment))) == []


def test_a_commitment_is_in_the_audit_trail(session: Session) -> None:
    subscription, _ = committed()
    commitments.end(commitments.of(subscription)[0], on=NOVEMBER_1, actor=make.ACTOR)
    query = select(AuditRecord).where(AuditRecord.action.like("subscription.commit%"))
    assert [(row.action, row.after) for row in session.scalars(query.order_by(AuditRecord.id))] == [
        (
            "subscription.committed",
            {"amount": "1000.00", "start_on": "2026-10-01", "end_on": None, "reason": None},
        ),
        ("subscription.commitment_ended", {"end_on": "2026-11-01"}),
    ]
