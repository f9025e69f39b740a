"""Simulations: what accounts paid and would have paid, by the arithmetic of billing, without a trace."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.errors import Conflict, Invalid
from app.models import AuditRecord, ChargePosition, Invoice, Metric, SimulatedAccount, Simulation, UsageRollup
from app.models.plans import Anchor
from app.models.simulations import SimulationItemStatus, SimulationScope, SimulationStatus
from app.services import plans, simulation_results, simulations
from tests import factories as make
from tests.services.invoicing import IN_DECEMBER, IN_NOVEMBER, NOVEMBER, OCTOBER, issue_for, use
from tests.services.simulating import (
    AUGUST_1,
    NOVEMBER_10,
    OCTOBER_20,
    SEPTEMBER_10,
    billed,
    draft_of,
    figures,
    months,
    simulate,
)


@pytest.fixture
def metric(session: Session) -> Metric:
    make.make_seller()
    make.make_tax_rate("18")
    return make.make_metric()


def test_a_draft_is_compared_with_what_was_paid(metric: Metric) -> None:
    plan = make.make_plan(components=[make.per_unit(metric, "1"), make.fee("999")])
    loser, winner = (make.make_subscription(plan=plan).account for _ in range(2))
    use(loser, metric, 300)
    use(winner, metric, 10)
    found = simulate(draft_of(plan, make.graduated(metric, ("100", "5"), (None, "4")), make.fee("900")))
    assert found.status is SimulationStatus.done
    assert figures(found) == {
        loser: ("1299.00", "2200.00", "901.00"),
        winner: ("1009.00", "950.00", "-59.00"),
    }
    (total,) = simulation_results.totals(found.id)
    assert (str(total.old), str(total.new), str(total.difference)) == ("2308.0000", "3150.0000", "842.0000")
    assert (total.currency, total.accounts, total.more, total.less, total.same) == ("INR", 2, 1, 1, 0)
    assert [one.account for one in simulation_results.extremes(found.id, "INR")] == [loser, winner]


def test_the_same_version_changes_nothing_and_is_what_was_billed(metric: Metric) -> None:
    plan = make.make_plan(
        components=[
            make.graduated(metric, ("7", "0.333"), (None, "0.111"), minimum="2"),
            make.per_unit(metric, "0.05", code="sms", filters={"channel": "sms"}, minimum="9"),
            make.fee("999"),
            make.fee("100", code="set", prorated=False),
        ]
    )
    account = make.make_subscription(plan=plan, start_at=OCTOBER_20).account
    use(account, metric, 12, at=OCTOBER_20, channel="wa")
    use(account, metric, 3, at=NOVEMBER_10, channel="sms")
    issue_for(account, OCTOBER, at=IN_NOVEMBER)
    issue_for(account, NOVEMBER, at=IN_DECEMBER)
    found = simulate(plan.versions[0], "2026-10", "2026-11")
    assert figures(found) == {account: (billed(account), billed(account), "0.00")}
    assert billed(account) != "0.00"


def test_a_simulation_writes_nothing_but_its_result(session: Session, metric: Metric) -> None:
    plan = make.make_plan(components=[make.per_unit(metric, "1", minimum="50")])
    account = make.make_subscription(plan=plan).account
    use(account, metric, 5)
    tables = (ChargePosition, Invoice, UsageRollup)
    before = [session.scalar(select(func.count()).select_from(table)) for table in tables]
    simulate(draft_of(plan, make.per_unit(metric, "2")))
    assert [session.scalar(select(func.count()).select_from(table)) for table in tables] == before
    actions = session.scalars(
        select(AuditRecord.action).where(AuditRecord.action.like("simulation.%")).order_by(AuditRecord.id)
    )
    assert list(actions) == ["simulation.started", "simulation.finished"]


def test_a_year_is_spread_over_its_months(metric: Metric) -> None:
    """A yearly plan of 365 and tiers over the year, against a monthly one: each month by what it adds."""
    plan = make.make_plan(
        components=[make.graduated(metric, ("10", "10"), (None, "1")), make.fee("3650")],
        version={"interval": "year"},
    )
    account = make.make_subscription(plan=plan, start_at=datetime(2025, 12, 31, 18, 30, tzinfo=UTC)).account
    use(account, metric, 8, at=SEPTEMBER_10)
    use(account, metric, 8, at=OCTOBER_20)
    use(account, metric, 8, at=NOVEMBER_10)
    draft = draft_of(plan, make.per_unit(metric, "2"), make.fee("300"), interval="month")
    assert months(simulate(draft, "2026-09", "2026-11")) == [
        ("2026-09", "380", "316"),
        ("2026-10", "336", "316"),
        ("2026-11", "308", "316"),
    ]
    # October alone begins with what was used before it in the year.
    assert months(simulate(draft)) == [("2026-10", "336", "316")]


def test_periods_that_cross_the_month_add_up(metric: Metric) -> None:
    """From the 10th on: 31 days at 3.10, of which 22 are in October, and usage in the month it was used."""
    plan = make.make_plan(components=[make.graduated(metric, ("10", "1"), (None, "0.5")), make.fee("3.10")])
    account = make.make_account()
    tenth = datetime(2026, 10, 9, 18, 30, tzinfo=UTC)
    make.make_subscription(account, plan, start_at=tenth, anchor=Anchor.anniversary)
    use(account, metric, 8, at=OCTOBER_20)
    use(account, metric, 8, at=datetime(2026, 11, 5, tzinfo=UTC))
    found = simulate(plan.versions[0], "2026-10", "2026-11")
    # November: 2 units at 1 and 6 at 0.50 and 0.90 of the first fee; 21 of 30 days of the second, 2.17.
    assert months(found) == [("2026-10", "10.2", "10.2"), ("2026-11", "8.07", "8.07")]


def test_aggregations_that_do_not_add_are_merged(metric: Metric) -> None:
    seats = make.make_metric(aggregation="max", value_property=None)
    plan = make.make_plan(components=[make.per_unit(seats, "10")])
    account = make.make_subscription(plan=plan).account
    use(account, seats, 3)
    use(account, seats, 2, at=OCTOBER_20)
    assert figures(simulate(draft_of(plan, make.per_unit(seats, "7")))) == {
        account: ("10.00", "7.00", "-3.00")
    }


def test_a_trial_is_free_in_both(metric: Metric) -> None:
    plan = make.make_plan(components=[make.per_unit(metric, "1"), make.fee("310")])
    account = make.make_account()
    make.make_subscription(account, plan, trial_days=10)
    use(account, metric, 4, at=datetime(2026, 10, 5, tzinfo=UTC))
    use(account, metric, 6, at=OCTOBER_20)
    found = simulate(draft_of(plan, make.per_unit(metric, "2"), make.fee("310")))
    assert figures(found) == {account: ("216.00", "222.00", "6.00")}


def test_a_currency_without_prices_and_an_account_without_subscription_are_skipped(metric: Metric) -> None:
    plan = make.make_plan(
        components=[make.per_unit(metric, "1"), make.per_unit(metric, "0.02", currency="USD")]
    )
    rupees, dollars = (make.make_account(currency=currency) for currency in ("INR", "USD"))
    make.make_subscription(rupees, plan)
    make.make_subscription(dollars, plan)
    nobody = make.make_account()
    draft = draft_of(plan, make.per_unit(metric, "1"))
    chosen = [rupees.id, dollars.id, nobody.id]
    found = simulate(draft, scope=SimulationScope.accounts, accounts=chosen)
    assert figures(found) == {
        rupees: ("0.00", "0.00", "0.00"),
        dollars: "The version has no prices in USD.",
        nobody: "No subscription in these months.",
    }
    assert simulation_results.reasons(found.id) == [
        ("No subscription in these months.", 1),
        ("The version has no prices in USD.", 1),
    ]


def test_accounts_of_other_plans_are_tried_as_if_they_were_on_it(metric: Metric) -> None:
    """Two plans at once become the one; a second plan beside the version's own stays."""
    other = make.make_plan(components=[make.fee("100")])
    third = make.make_plan(components=[make.fee("50")])
    plan = make.make_plan(components=[make.fee("10")])
    stranger, mixed = make.make_account(), make.make_account()
    for each in (other, third):
        make.make_subscription(stranger, each)
    for each in (plan, third):
        make.make_subscription(mixed, each)
    draft = draft_of(plan, make.fee("11"))
    assert figures(simulate(draft, scope=SimulationScope.all)) == {
        stranger: ("150.00", "11.00", "-139.00"),
        mixed: ("60.00", "61.00", "1.00"),
    }
    assert figures(simulate(draft)) == {mixed: ("60.00", "61.00", "1.00")}
    by_customer = simulate(draft, scope=SimulationScope.customer, customer=stranger.customer)
    assert figures(by_customer) == {stranger: ("150.00", "11.00", "-139.00")}


def test_the_last_three_months_are_the_default(metric: Metric) -> None:
    plan = make.make_plan(components=[make.per_unit(metric, "1")])
    make.make_subscription(plan=plan, start_at=AUGUST_1)

    def chosen(at: datetime) -> tuple[str, str]:
        begun = simulations.start(plan.versions[0], at=at, actor=make.ACTOR)
        return begun.first_month, begun.last_month

    assert chosen(IN_DECEMBER) == ("2026-08", "2026-10")
    assert chosen(datetime(2026, 12, 1, 12, tzinfo=UTC)) == ("2026-09", "2026-11")


@pytest.mark.parametrize(
    ("first", "last", "pointer"),
    [
        ("2026-10", "2026-12", "/last_month"),
        ("2026-10", "2026-09", "/first_month"),
        ("2024-09", "2026-10", "/first_month"),
        ("2026-13", "2026-10", "/period"),
    ],
)
def test_months_that_cannot_be_compared_are_refused(
    session: Session, metric: Metric, first: str, last: str, pointer: str
) -> None:
    plan = make.make_plan(components=[make.per_unit(metric, "1")])
    make.make_subscription(plan=plan)
    with pytest.raises(Invalid) as refused:
        simulate(plan.versions[0], first, last)
    assert [field.pointer for field in refused.value.fields] == [pointer]
    assert session.scalar(select(func.count()).select_from(Simulation)) == 0


def test_nobody_to_compare_is_refused(metric: Metric) -> None:
    plan = make.make_plan(components=[make.per_unit(metric, "1")])
    with pytest.raises(Invalid, match="No account was chosen"):
        simulate(plan.versions[0])


def test_a_draft_that_changes_stops_its_simulation(session: Session, metric: Metric) -> None:
    plan = make.make_plan(components=[make.per_unit(metric, "1")])
    make.make_subscription(plan=plan)
    draft = draft_of(plan, make.per_unit(metric, "2"))
    begun = simulations.start(
        draft, first_month="2026-10", last_month="2026-10", at=IN_DECEMBER, actor=make.ACTOR
    )
    plans.set_components(draft, [make.per_unit(metric, "3")], actor=make.ACTOR)
    assert simulations.work(begun.id) == 0
    session.expire_all()
    assert (begun.status, begun.error) == (
        SimulationStatus.failed,
        "The draft was changed meanwhile. Simulate it again.",
    )
    assert session.scalars(select(SimulatedAccount.status)).all() == [SimulationItemStatus.pending]


def test_a_cancelled_simulation_stays_as_it_is(session: Session, metric: Metric) -> None:
    plan = make.make_plan(components=[make.per_unit(metric, "1")])
    make.make_subscription(plan=plan)
    begun = simulations.start(
        plan.versions[0], first_month="2026-10", last_month="2026-10", at=IN_DECEMBER, actor=make.ACTOR
    )
    assert simulations.unfinished() == [begun.id]
    simulations.cancel(begun, at=IN_DECEMBER, actor=make.ACTOR)
    assert (simulations.work(begun.id), simulations.done(begun.id)) == (0, 0)
    assert (begun.status, simulations.unfinished()) == (SimulationStatus.cancelled, [])
    with pytest.raises(Conflict, match="cancelled already"):
        simulations.cancel(begun, at=IN_DECEMBER, actor=make.ACTOR)


def test_what_was_left_is_done_and_nothing_twice(
    session: Session, metric: Metric, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(simulations, "BATCH", 2)
    plan = make.make_plan(components=[make.per_unit(metric, "1")])
    for _ in range(5):
        make.make_subscription(plan=plan)
    begun = simulations.start(
        plan.versions[0], first_month="2026-10", last_month="2026-10", at=IN_DECEMBER, actor=make.ACTOR
    )
    killed = session.scalars(select(SimulatedAccount).order_by(SimulatedAccount.id)).first()
    killed.status, killed.message = SimulationItemStatus.failed, "kept"
    session.flush()
    assert (simulations.work(begun.id), simulations.work(begun.id)) == (4, 0)
    assert simulations.done(begun.id) == 5
    assert [*figures(begun).values()] == ["kept", *[("0.00", "0.00", "0.00")] * 4]


def test_the_sheet_has_a_row_for_each_month_and_no_formula(metric: Metric) -> None:
    plan = make.make_plan(components=[make.per_unit(metric, "1")])
    account = make.make_account(make.make_customer("=HYPERLINK(1)"), external_id="@sum", name="-cmd")
    make.make_subscription(account, plan)
    use(account, metric, 3)
    found = simulate(draft_of(plan, make.per_unit(metric, "0.5")), "2026-09", "2026-10")
    assert simulation_results.sheet(simulations.get(found.id)).splitlines() == [
        "\ufeffAccount,External id,Customer,Status,Currency,Month,Old,New,Difference",
        "'-cmd,'@sum,'=HYPERLINK(1),compared,INR,2026-09,0,0,0",
        "'-cmd,'@sum,'=HYPERLINK(1),compared,INR,2026-10,3,1.5,-1.5",
    ]
