"""Fixed fees: in arrears and in advance, prorated by local days, billed once."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from sqlalchemy.orm import Session

from app.domain.periods import calendar_month
from app.models import Invoice
from app.models.invoices import InvoiceStatus, LineKind
from app.services import invoices, subscriptions
from tests import factories as make
from tests.services.invoicing import IN_DECEMBER, IN_NOVEMBER, NOVEMBER, OCTOBER, issue_for, priced, use

# 15 October 2026, 00:00 in India.
MID_OCTOBER = datetime(2026, 10, 14, 18, 30, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _seller(session: Session) -> None:
    make.make_seller()
    make.make_tax_rate("18")


def lines_of(invoice: Invoice) -> list[tuple[str, Decimal]]:
    return [(line.description, line.amount) for line in invoice.lines]


def test_a_fee_in_arrears_is_billed_after_its_month(session: Session) -> None:
    account = priced(make.fee("999")).account
    invoice = issue_for(account)
    assert lines_of(invoice) == [("Platform fee, 1 Oct 2026 to 31 Oct 2026", Decimal(999))]
    assert (invoice.lines[0].kind, invoice.lines[0].quantity) == (LineKind.fixed, Decimal(1))
    assert invoices.draft_for(account, OCTOBER, at=IN_NOVEMBER) is None


def test_a_fee_of_a_subscription_that_starts_within_the_month_is_prorated_by_days(session: Session) -> None:
    """17 of 31 days of 999.00 are 547.84 (547.838…)."""
    account = priced(make.fee("999"), start_at=MID_OCTOBER).account
    assert lines_of(issue_for(account)) == [("Platform fee, 15 Oct 2026 to 31 Oct 2026", Decimal("547.84"))]


def test_a_fee_that_is_not_prorated_is_whole(session: Session) -> None:
    account = priced(make.fee("999", prorated=False), start_at=MID_OCTOBER).account
    assert lines_of(issue_for(account)) == [("Platform fee, 15 Oct 2026 to 31 Oct 2026", Decimal(999))]


def test_the_parts_of_two_plans_in_one_month_add_up_to_the_whole(session: Session) -> None:
    account = make.make_account()
    first = priced(make.fee("999"), account=account)
    subscriptions.end(first, at=MID_OCTOBER, actor=make.ACTOR)
    priced(make.fee("999"), account=account, start_at=MID_OCTOBER)
    invoice = issue_for(account)
    assert lines_of(invoice) == [
        ("Platform fee, 1 Oct 2026 to 14 Oct 2026", Decimal("451.16")),
        ("Platform fee, 15 Oct 2026 to 31 Oct 2026", Decimal("547.84")),
    ]
    assert invoice.subtotal == Decimal(999)


def test_a_fee_in_advance_is_billed_for_the_month_that_begins(session: Session) -> None:
    account = priced(make.fee("999", timing="advance")).account
    assert lines_of(issue_for(account)) == [
        ("Platform fee, 1 Oct 2026 to 31 Oct 2026", Decimal(999)),
        ("Platform fee, 1 Nov 2026 to 30 Nov 2026", Decimal(999)),
    ]
    assert lines_of(issue_for(account, NOVEMBER, at=IN_DECEMBER)) == [
        ("Platform fee, 1 Dec 2026 to 31 Dec 2026", Decimal(999)),
    ]


def test_what_was_paid_in_advance_is_given_back_when_the_subscription_ends(session: Session) -> None:
    """15 days of November's 900.00 are used, 450.00 are given back against usage of 1,000.00."""
    metric = make.make_metric()
    subscription = priced(make.fee("900", timing="advance"))
    account = subscription.account
    issue_for(account)
    subscriptions.end(subscription, at=datetime(2026, 11, 15, 18, 30, tzinfo=UTC), actor=make.ACTOR)
    priced(make.per_unit(metric, "10"), account=account)
    use(account, metric, 100, at=IN_NOVEMBER)
    invoice = issue_for(account, NOVEMBER, at=IN_DECEMBER)
    assert [(line.kind, line.amount) for line in invoice.lines] == [
        (LineKind.adjustment, Decimal(-450)),
        (LineKind.usage, Decimal(1000)),
    ]
    assert invoice.subtotal == Decimal(550)


def test_a_fee_of_another_currency_is_not_charged(session: Session) -> None:
    account = priced(make.fee("999"), make.fee("12", currency="USD")).account
    assert lines_of(issue_for(account)) == [("Platform fee, 1 Oct 2026 to 31 Oct 2026", Decimal(999))]


def test_a_second_draft_of_a_billed_fee_is_not_issued(session: Session) -> None:
    account = priced(make.fee("999")).account
    second = invoices.draft_by_hand(account, OCTOBER, at=IN_NOVEMBER, actor=make.ACTOR)
    issue_for(account)
    with pytest.raises(invoices.Conflict, match="another invoice has billed it since"):
        invoices.issue(second, at=IN_NOVEMBER, actor=make.ACTOR)
    assert second.status is InvoiceStatus.draft


def test_a_minimum_is_charged_also_where_nothing_was_used(session: Session) -> None:
    metric = make.make_metric()
    account = priced(make.per_unit(metric, "1", minimum="150")).account
    (line,) = issue_for(account).lines
    assert (line.quantity, line.amount) == (Decimal(0), Decimal(150))
    use(account, metric, 200)
    (late,) = issue_for(account, NOVEMBER, at=IN_DECEMBER).lines[:1]
    assert (late.kind, late.quantity, late.amount) == (LineKind.adjustment, Decimal(200), Decimal(50))


def test_a_month_is_one_of_the_accounts_own_zone(session: Session) -> None:
    """30 September 20:00 in New York is 1 October in India and still September there."""
    metric = make.make_metric()
    account = make.make_account(make.make_customer(country="US"), timezone="America/New_York")
    priced(make.per_unit(metric, "1"), account=account, start_at=datetime(2026, 9, 1, 4, tzinfo=UTC))
    use(account, metric, 3, at=datetime(2026, 10, 1, 0, tzinfo=UTC))
    use(account, metric, 5, at=datetime(2026, 10, 1, 4, tzinfo=UTC))
    september = calendar_month("2026-09", "America/New_York")
    assert [line.quantity for line in issue_for(account, september).lines] == [Decimal(3)]
