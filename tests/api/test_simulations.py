"""Simulations by the API: at once or by a worker, row by row, as a sheet, for staff alone."""

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app import clock
from app.models import Account, Metric, PricePlan, Simulation
from app.permissions import Role
from app.services import simulations
from tests import factories as make
from tests.api.conftest import Caller, NewCaller
from tests.auth.people import csrf_token, make_user, sign_in
from tests.services.invoicing import use
from tests.services.simulating import TODAY, draft_of

OCTOBER = {"first_month": "2026-10", "last_month": "2026-10"}


@pytest.fixture
def metric(session: Session, monkeypatch: pytest.MonkeyPatch) -> Metric:
    monkeypatch.setattr(clock, "now", lambda: TODAY)
    return make.make_metric()


@pytest.fixture
def plan(metric: Metric) -> PricePlan:
    """A plan at 1.00 with a draft: a hundred at 2.00, then 0.50."""
    plan = make.make_plan("growth", components=[make.per_unit(metric, "1")])
    draft_of(plan, make.graduated(metric, ("100", "2"), (None, "0.5")))
    return plan


def subscribed(plan: PricePlan, metric: Metric, quantity: int) -> Account:
    account = make.make_subscription(plan=plan).account
    use(account, metric, quantity)
    return account


def test_a_small_simulation_answers_at_once(caller: Caller, plan: PricePlan, metric: Metric) -> None:
    loser, winner = (subscribed(plan, metric, quantity) for quantity in (10, 400))
    answer = caller.post("/pricing/growth/versions/2/simulate", {**OCTOBER, "wait": True})
    assert answer.status_code == 200
    found = answer.json["data"]["attributes"]
    assert {
        name: found[name] for name in ("plan_code", "version", "status", "scope", "accounts", "done")
    } == {
        "plan_code": "growth",
        "version": 2,
        "status": "done",
        "scope": "plan",
        "accounts": 2,
        "done": 2,
    }
    assert found["totals"] == [
        {
            "currency": "INR",
            "accounts": 2,
            "old": "410.00",
            "new": "370.00",
            "difference": "-40.00",
            "more": 1,
            "less": 1,
            "same": 0,
        }
    ]
    rows = f"/simulations/{answer.json['data']['id']}/rows"
    (more,), (less,) = (caller.get(rows, show=show).json["data"] for show in ("more", "less"))
    assert (more["attributes"]["account_id"], less["attributes"]["account_id"]) == (
        str(loser.id),
        str(winner.id),
    )
    assert {name: less["attributes"][name] for name in ("old", "new", "difference", "percent", "months")} == {
        "old": "400.00",
        "new": "350.00",
        "difference": "-50.00",
        "percent": "-12.5",
        "months": [{"month": "2026-10", "old": "400", "new": "350"}],
    }


def test_a_simulation_waits_for_a_worker(caller: Caller, plan: PricePlan, metric: Metric) -> None:
    account = subscribed(plan, metric, 10)
    answer = caller.post("/pricing/growth/versions/2/simulate", {**OCTOBER, "accounts": [str(account.id)]})
    assert answer.status_code == 202
    begun = answer.json["data"]
    assert (begun["attributes"]["status"], begun["attributes"]["scope"]) == ("running", "accounts")
    assert (begun["attributes"]["done"], begun["attributes"]["totals"]) == (0, [])
    simulations.work(begun["id"])
    found = caller.get(f"/simulations/{begun['id']}").json["data"]["attributes"]
    assert (found["status"], found["done"], found["totals"][0]["difference"]) == ("done", 1, "10.00")


def test_more_than_twenty_accounts_are_left_to_a_worker(
    caller: Caller, plan: PricePlan, metric: Metric
) -> None:
    for _ in range(21):
        make.make_subscription(plan=plan)
    answer = caller.post("/pricing/growth/versions/2/simulate", {**OCTOBER, "wait": True})
    assert (answer.status_code, answer.json["data"]["attributes"]["done"]) == (202, 0)


def test_the_same_key_starts_one_simulation(
    session: Session, caller: Caller, plan: PricePlan, metric: Metric
) -> None:
    subscribed(plan, metric, 1)
    calls = [
        caller.post("/pricing/growth/versions/2/simulate", OCTOBER, Idempotency_Key="once") for _ in range(2)
    ]
    assert calls[0].json["data"]["id"] == calls[1].json["data"]["id"]
    assert session.scalar(select(func.count()).select_from(Simulation)) == 1


def test_rows_are_walked_page_by_page(caller: Caller, plan: PricePlan, metric: Metric) -> None:
    for quantity in (3, 1, 2):
        subscribed(plan, metric, quantity)
    answer = caller.post("/pricing/growth/versions/2/simulate", {**OCTOBER, "wait": True})
    rows, seen, cursor = f"/simulations/{answer.json['data']['id']}/rows", [], {}
    for _ in range(3):
        page = caller.get(rows, show="more", limit="1", **cursor).json
        seen += [row["attributes"]["difference"] for row in page["data"]]
        cursor = {"cursor": page["meta"]["next_cursor"]}
    assert (seen, cursor) == (["3.00", "2.00", "1.00"], {"cursor": None})


def test_the_result_is_a_sheet_too(caller: Caller, plan: PricePlan, metric: Metric) -> None:
    account = subscribed(plan, metric, 3)
    answer = caller.post("/pricing/growth/versions/2/simulate", {**OCTOBER, "wait": True})
    sheet = caller.get(f"/simulations/{answer.json['data']['id']}/csv")
    assert sheet.headers["Content-Disposition"] == 'attachment; filename="simulation-growth-v2.csv"'
    assert sheet.mimetype == "text/csv"
    _, row = sheet.text.splitlines()
    assert row == (f"{account.name},{account.external_id},{account.customer.name},compared,INR,2026-10,3,6,3")


def test_a_simulation_is_cancelled_once(caller: Caller, plan: PricePlan, metric: Metric) -> None:
    subscribed(plan, metric, 1)
    begun = caller.post("/pricing/growth/versions/2/simulate", OCTOBER).json["data"]["id"]
    assert caller.post(f"/simulations/{begun}/cancel").json["data"]["attributes"]["status"] == "cancelled"
    assert caller.post(f"/simulations/{begun}/cancel").status_code == 409


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"scope": "everybody"}, "/scope"),
        ({"scope": "customer"}, "/customer_id"),
        ({"accounts": []}, "/accounts"),
        ({"first_month": "2026-12", "last_month": "2026-12"}, "/last_month"),
        ({"first_month": "October"}, "/first_month"),
        ({"months": 3}, "/months"),
    ],
)
def test_what_cannot_be_simulated_is_refused_at_its_field(
    session: Session, caller: Caller, plan: PricePlan, body: dict[str, object], pointer: str
) -> None:
    make.make_subscription(plan=plan)
    answer = caller.post("/pricing/growth/versions/2/simulate", body)
    assert answer.status_code == 400
    assert [field["pointer"] for field in answer.json["error"]["fields"]] == [pointer]
    assert session.scalar(select(func.count()).select_from(Simulation)) == 0


def test_rows_of_an_unknown_kind_are_refused(caller: Caller, plan: PricePlan, metric: Metric) -> None:
    subscribed(plan, metric, 1)
    begun = caller.post("/pricing/growth/versions/2/simulate", {**OCTOBER, "wait": True}).json["data"]["id"]
    answer = caller.get(f"/simulations/{begun}/rows", show="winners")
    assert (answer.status_code, answer.json["error"]["fields"][0]["pointer"]) == (400, "/show")


def test_an_unknown_version_or_simulation_is_not_found(caller: Caller, plan: PricePlan) -> None:
    assert caller.post("/pricing/growth/versions/9/simulate", {}).status_code == 404
    assert caller.get("/simulations/019b0000-0000-7000-8000-000000000000").status_code == 404


def test_who_may_only_read_prices_simulates_nothing(
    session: Session, new_caller: NewCaller, plan: PricePlan
) -> None:
    reader = new_caller("catalog:read")
    assert reader.post("/pricing/growth/versions/2/simulate", {}).status_code == 403
    assert session.scalar(select(func.count()).select_from(Simulation)) == 0


@pytest.mark.parametrize(
    ("role", "status"), [(Role.finance_admin, 202), (Role.support, 403), (Role.customer, 403)]
)
def test_finance_simulates_and_others_do_not(
    client: FlaskClient, plan: PricePlan, metric: Metric, role: Role, status: int
) -> None:
    account = subscribed(plan, metric, 1)
    person = make_user(role, customer=account.customer) if role is Role.customer else make_user(role)
    sign_in(client, person)
    answer = client.post(
        "/api/v1/pricing/growth/versions/2/simulate",
        json=OCTOBER,
        headers={"X-CSRFToken": csrf_token(client)},
    )
    assert answer.status_code == status
