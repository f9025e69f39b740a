"""The checks of subscriptions are green over honest ones, and name the one that was changed."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.models import Invoice, Subscription
from app.services import subscription_changes, verify
from tests import factories as make
from tests.services.invoicing import IN_NOVEMBER, issue_for, priced
from tests.services.tampering import power, red

CHECKS = ("segments", "fees")
MID_OCTOBER = datetime(2026, 10, 14, 18, 30, tzinfo=UTC)


@pytest.fixture
def segments(session: Session) -> tuple[Subscription, Subscription, Invoice]:
    """A subscription that changed its plan in October, billed a day after; 14 and 17 of 31 days."""
    make.make_seller()
    make.make_tax_rate("18")
    first = priced(make.fee("310"))
    plan = make.make_plan(components=[make.fee("620")])
    second = subscription_changes.change(first, plan.code, when="2026-10-15", actor=make.ACTOR)
    invoice = issue_for(first.account)
    session.flush()
    session.execute(text("UPDATE subscriptions SET updated_at = updated_at - interval '1 day'"))
    power(session, "UPDATE invoices SET origin = 'run'")
    return first, second, invoice


def check(*names: str) -> dict[str, list[str]]:
    return red(verify.run(names or CHECKS, at=IN_NOVEMBER))


def test_honest_segments_and_fees_are_green_and_counted(
    segments: tuple[Subscription, Subscription, Invoice],
) -> None:
    report = verify.run(CHECKS, at=IN_NOVEMBER)
    assert red(report) == {}
    assert [each.counted for each in report.results] == [{"segments": 2}, {"fees": 2}]


def test_segments_that_overlap_are_named(
    session: Session, segments: tuple[Subscription, Subscription, Invoice]
) -> None:
    first, second, _ = segments
    session.execute(
        text("UPDATE subscriptions SET start_at = start_at - interval '1 day' WHERE id = :id"),
        {"id": second.id},
    )
    assert check("segments") == {"segments": [f"subscription {second.id}"] * 2}
    assert first.end_at == MID_OCTOBER


def test_two_subscriptions_to_one_plan_at_a_time_are_named(
    session: Session, segments: tuple[Subscription, Subscription, Invoice]
) -> None:
    first, second, _ = segments
    power(session, "ALTER TABLE subscriptions DROP CONSTRAINT ex_subscriptions_one_at_a_time")
    rival = make.make_subscription(first.account, second.plan)
    session.flush()
    assert check("segments") == {"segments": [f"subscription {rival.id}"]}


def test_a_fee_that_was_billed_wrongly_is_named(
    session: Session, segments: tuple[Subscription, Subscription, Invoice]
) -> None:
    """The planted bug: the day of the change is billed twice, 10 of the old plan too much."""
    first, _, invoice = segments
    line = next(each for each in invoice.lines if each.subscription_id == first.id)
    power(session, "UPDATE invoice_lines SET amount = amount + 10 WHERE id = :id", id=line.id)
    assert check("fees") == {"fees": [f"fee {line.component_id} of subscription {first.id}"]}


def test_a_fee_that_the_next_invoice_corrects_is_counted(
    session: Session, segments: tuple[Subscription, Subscription, Invoice]
) -> None:
    second = segments[1]
    subscription_changes.pause(second, when="2026-10-20", actor=make.ACTOR)
    session.flush()
    report = verify.run(["fees"], at=IN_NOVEMBER)
    assert red(report) == {}
    assert report.results[0].counted == {"fees": 2, "fees that the next invoice corrects": 1}
