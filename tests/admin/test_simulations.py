"""The screen of simulations: begun by a form, followed while it runs, read as sums, bars and tables."""

import re
from decimal import Decimal

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from admin_views.simulation_chart import chart_of
from app import clock
from app.models import Account, Metric, PlanVersion, SimulatedAccount, Simulation
from app.models.simulations import SimulationScope
from app.permissions import Role
from app.services import simulations
from tests import factories as make
from tests.admin.conftest import Desk, Person
from tests.services.invoicing import use
from tests.services.simulating import TODAY, draft_of

START = "/admin/simulations/operation/start/"


@pytest.fixture
def metric(session: Session, monkeypatch: pytest.MonkeyPatch) -> Metric:
    monkeypatch.setattr(clock, "now", lambda: TODAY)
    return make.make_metric()


@pytest.fixture
def draft(metric: Metric) -> PlanVersion:
    """A draft that is dearer for small accounts; one is small and one is large."""
    plan = make.make_plan("growth", components=[make.per_unit(metric, "1")])
    for name, quantity in (("Small & Co", 10), ("Large", 400)):
        account = make.make_account(name=name, external_id=name.split()[0].lower())
        make.make_subscription(account, plan)
        use(account, metric, quantity)
    return draft_of(plan, make.graduated(metric, ("100", "2"), (None, "0.5")))


def begin(desk: Person, draft: PlanVersion, **more: str) -> Simulation | None:
    form = {"version": str(draft.id), "scope": "plan", "first_month": "2026-10", "last_month": "2026-10"}
    answer = desk.post(START, {**form, **more})
    found = simulations.unfinished()
    assert (answer.status_code == 302) == bool(found), answer.get_data(as_text=True)
    return simulations.get(found[0]) if found else None


def test_a_simulation_is_begun_followed_and_read(draft: PlanVersion, desk: Person) -> None:
    begun = begin(desk, draft)
    assert begun is not None
    page = f"/admin/simulations/details/?id={begun.id}"
    running = desk.text(page)
    assert "New simulation: started." in running
    assert 'http-equiv="refresh"' in running
    assert "Comparing: " in running
    simulations.work(begun.id)
    shown = desk.text(page)
    assert 'http-equiv="refresh"' not in shown
    assert re.findall(r'<rect class="(chart-\w+)" x="([\d.]+)%" width="([\d.]+)%"', shown) == [
        ("chart-more", "50", "10.0"),
        ("chart-less", "0.0", "50.0"),
    ]
    assert '<text x="0" y="14">Small &amp; Co</text>' in shown
    assert "growth v2, 2026-10 to 2026-10" in shown
    chart = shown.partition('<svg class="difference-chart"')[2].partition("</svg>")[0]
    assert re.findall(r"<(\w+)", chart) == ["text", "text", "line", "rect"] * 2
    assert f"/admin/simulated-accounts/?simulation={begun.id}&amp;currency=INR&amp;show=more" in shown
    for figure in ("₹410.00", "₹370.00", "+₹10.00", "-₹50.00", "1 / 1"):
        assert figure in re.sub(r"<[^>]+>", "", shown)


def test_the_version_page_leads_to_the_form_with_the_version_chosen(draft: PlanVersion, desk: Person) -> None:
    page = desk.text(f"/admin/plan-versions/details/?id={draft.id}")
    assert f"{START}?version={draft.id}" in page
    form = desk.text(f"{START}?version={draft.id}")
    assert f'value="{draft.id}"' in form
    assert 'value="growth v2 (draft)"' in form


@pytest.mark.parametrize("named", ["nonsense", "019b0000-0000-7000-8000-000000000000", "--------"])
def test_an_unknown_version_in_the_address_is_left_out(draft: PlanVersion, desk: Person, named: str) -> None:
    assert desk.get(f"{START}?version={named}").status_code == 200


def test_accounts_are_named_one_by_one(draft: PlanVersion, desk: Person) -> None:
    begun = begin(desk, draft, scope="accounts", accounts="large")
    assert begun is not None
    assert (begun.scope, begun.accounts) == (SimulationScope.accounts, 1)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"scope": "accounts", "accounts": "nobody"}, "There is no such account."),
        ({"first_month": "October"}, "Write a year and a month: 2026-10."),
        ({"last_month": "2026-12"}, "2026-12 has not ended yet."),
        ({"version": ""}, "This field is required."),
    ],
)
def test_what_cannot_be_simulated_is_told_on_the_form(
    draft: PlanVersion, desk: Person, more: dict[str, str], told: str
) -> None:
    form = {"version": str(draft.id), "scope": "plan", "first_month": "2026-10", "last_month": "2026-10"}
    answer = desk.post(START, {**form, **more})
    assert answer.status_code == 422
    assert told in answer.get_data(as_text=True)
    assert simulations.unfinished() == []


def test_losers_are_filtered_and_everything_is_a_file(draft: PlanVersion, desk: Person) -> None:
    begun = begin(desk, draft)
    assert begun is not None
    simulations.work(begun.id)
    rows = f"/admin/simulated-accounts/?simulation={begun.id}"
    assert "Small &amp; Co" in desk.text(f"{rows}&show=more")
    assert "Large" not in desk.text(f"{rows}&show=more").split("<tbody>")[1].split("</tbody>")[0]
    file = desk.get(f"/admin/simulations/download/csv/?id={begun.id}")
    assert (file.status_code, file.mimetype) == (200, "text/csv")
    assert len(file.get_data(as_text=True).splitlines()) == 3


def test_a_running_simulation_is_stopped(draft: PlanVersion, desk: Person) -> None:
    begun = begin(desk, draft)
    assert begun is not None
    desk.post(f"/admin/simulations/operation/cancel/?id={begun.id}")
    assert simulations.unfinished() == []
    assert "Stopped: " in desk.text(f"/admin/simulations/details/?id={begun.id}")


def test_support_reads_and_finance_simulates(session: Session, at_desk: Desk, draft: PlanVersion) -> None:
    begun = begin(at_desk(Role.finance_admin), draft)
    assert begun is not None
    support = at_desk(Role.support)
    assert support.get(f"/admin/simulations/details/?id={begun.id}").status_code == 200
    assert support.post(START, {"version": str(draft.id), "scope": "plan"}).status_code == 403
    assert len(session.scalars(select(Simulation)).all()) == 1


def test_bars_share_one_axis_and_long_names_are_cut() -> None:
    accounts = [
        SimulatedAccount(account=Account(name=name), difference=Decimal(difference))
        for name, difference in (("A" * 40, "30"), ("B", "-60"), ("C", "15"))
    ]
    chart = chart_of(accounts)
    assert [(bar.name, bar.more, str(bar.x), str(bar.width), bar.y) for bar in chart.bars] == [
        ("A" * 29 + "…", True, "50", "25.0", 0),
        ("C", True, "50", "12.5", 44),
        ("B", False, "0.0", "50.0", 88),
    ]
    assert chart.height == 132
    assert chart_of([]).bars == ()
