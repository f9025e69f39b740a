"""Billing runs by the API: started, tried without issuing, followed, tried again, stopped."""

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app import clock
from app.models import Account, BillingRun, Invoice, Metric
from app.services import billing
from tests import factories as make
from tests.api.conftest import Caller, NewCaller
from tests.services.invoicing import IN_NOVEMBER, use
from tests.support.application import QueryCounter

RUNS = "/admin/billing-runs"


@pytest.fixture(autouse=True)
def _in_november(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: IN_NOVEMBER)


@pytest.fixture
def metric(session: Session) -> Metric:
    make.make_seller()
    make.make_tax_rate("18")
    return make.make_metric()


@pytest.fixture
def accounts(metric: Metric) -> list[Account]:
    """Two accounts, on a plan each, that used 100 and 200 messages at 1.00 in October."""
    found = []
    for n, code in enumerate(("basic", "growth"), 1):
        plan = make.make_plan(code, components=[make.per_unit(metric, "1")])
        account = make.make_account(name=f"=Account {n}", external_id=f"acct-{n}")
        make.make_subscription(account, plan)
        use(account, metric, 100 * n)
        found.append(account)
    return found


def start(caller: Caller, **body: Any) -> dict[str, Any]:
    answer = caller.post(RUNS, {"period": "2026-10", **body})
    assert answer.status_code == 202, answer.json
    return dict(answer.json["data"])


def work(run: dict[str, Any]) -> int:
    return len(list(billing.work(UUID(run["id"]), at=IN_NOVEMBER, actor=make.ACTOR)))


def read(caller: Caller, run: dict[str, Any]) -> dict[str, Any]:
    return dict(caller.get(f"{RUNS}/{run['id']}").json["data"]["attributes"])


def pointers(answer: Any) -> list[tuple[str, str]]:
    return [(field["pointer"], field["code"]) for field in answer.json["error"]["fields"]]


def test_a_run_is_started_and_followed(accounts: list[Account], caller: Caller) -> None:
    run = start(caller)
    begun = run["attributes"]
    assert (begun["status"], begun["scope"], begun["accounts"], begun["counts"]["pending"]) == (
        "running",
        "all",
        2,
        2,
    )
    assert work(run) == 2
    done = read(caller, run)
    assert (done["status"], done["counts"]["issued"]) == ("done", 2)
    assert done["totals"] == [
        {
            "currency": "INR",
            "status": "issued",
            "accounts": 2,
            "total": "354.00",
            "previous": "0.00",
            "difference": "354.00",
        }
    ]
    items = caller.get(f"{RUNS}/{run['id']}/accounts", status="issued").json["data"]
    assert {item["attributes"]["account_id"] for item in items} == {str(each.id) for each in accounts}
    assert caller.get(RUNS).json["data"][0]["id"] == run["id"]


def test_a_run_is_of_a_plan_or_of_accounts_each_with_a_run_of_its_own(
    session: Session, accounts: list[Account], caller: Caller
) -> None:
    of_plan = start(caller, plan="growth")
    assert (of_plan["attributes"]["scope"], of_plan["attributes"]["plan_code"]) == ("plan", "growth")
    assert work(of_plan) == 1
    named = start(caller, accounts=["acct-1"])
    assert (named["attributes"]["scope"], named["attributes"]["accounts"]) == ("accounts", 1)
    assert start(caller, accounts=[str(accounts[0].id)])["id"] == named["id"]
    assert work(named) == 1
    assert start(caller)["attributes"]["accounts"] == 0
    assert session.scalar(select(func.count()).select_from(Invoice)) == 2
    assert session.scalar(select(func.count()).select_from(BillingRun)) == 3


def test_a_dry_run_issues_nothing_and_is_a_file(
    session: Session, accounts: list[Account], caller: Caller
) -> None:
    run = start(caller, dry_run=True)
    assert work(run) == 2
    done = read(caller, run)
    assert (done["dry_run"], done["status"], done["counts"]["due"]) == (True, "done", 2)
    assert session.scalar(select(func.count()).select_from(Invoice)) == 0
    (first, _) = caller.get(f"{RUNS}/{run['id']}/accounts").json["data"]
    assert first["attributes"]["total"] in {"118.00", "236.00"}
    assert (first["attributes"]["previous"], first["attributes"]["percent"]) == (None, None)
    file = caller.get(f"{RUNS}/{run['id']}/csv")
    assert (file.status_code, file.mimetype) == (200, "text/csv")
    lines = file.get_data(as_text=True).splitlines()
    assert len(lines) == 3
    assert lines[1].startswith("'=Account 1,acct-1,")
    assert ",due,,INR,118,,,," in lines[1]
    assert start(caller, dry_run=True)["id"] != run["id"]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"period": "2026-11"}, ("/period", "not_ended")),
        ({"period": "2026-13"}, ("/period", "not_a_month")),
        ({"period": "October"}, ("/period", "invalid")),
        ({"plan": "growth", "accounts": ["acct-1"]}, ("/accounts", "conflicting")),
        ({"accounts": []}, ("/accounts", "required")),
    ],
)
def test_a_run_that_cannot_be_is_refused(
    session: Session, accounts: list[Account], caller: Caller, body: dict[str, Any], expected: tuple[str, str]
) -> None:
    answer = caller.post(RUNS, {"period": "2026-10", **body})
    assert pointers(answer) == [expected]
    assert session.scalar(select(func.count()).select_from(BillingRun)) == 0


def test_what_failed_is_tried_again_and_nothing_else(accounts: list[Account], caller: Caller) -> None:
    accounts[0].customer.state_code = "99"
    run = start(caller)
    assert work(run) == 2
    (failed,) = caller.get(f"{RUNS}/{run['id']}/accounts", status="failed").json["data"]
    assert failed["attributes"]["account_id"] == str(accounts[0].id)
    accounts[0].customer.state_code = "27"
    other = caller.post(f"{RUNS}/{run['id']}/retry", {"accounts": ["acct-2"]})
    assert other.status_code == 409
    again = caller.post(f"{RUNS}/{run['id']}/retry", {})
    assert (again.status_code, again.json["data"]["attributes"]["counts"]["pending"]) == (202, 1)
    assert work(run) == 1
    assert read(caller, run)["counts"]["issued"] == 2
    assert caller.post(f"{RUNS}/{run['id']}/retry", {}).status_code == 409


def test_a_cancelled_run_bills_nothing_more_until_it_is_started_again(
    session: Session, accounts: list[Account], caller: Caller
) -> None:
    run = start(caller)
    assert caller.post(f"{RUNS}/{run['id']}/cancel").json["data"]["attributes"]["status"] == "cancelled"
    assert caller.post(f"{RUNS}/{run['id']}/cancel").status_code == 409
    assert caller.post(f"{RUNS}/{run['id']}/retry", {}).status_code == 409
    assert work(run) == 0
    assert session.scalar(select(func.count()).select_from(Invoice)) == 0
    assert start(caller)["id"] == run["id"]
    assert work(run) == 2


def test_only_who_may_write_billing_runs_it(accounts: list[Account], new_caller: NewCaller) -> None:
    reader = new_caller("billing:read")
    assert reader.get(RUNS).status_code == 200
    assert reader.post(RUNS, {"period": "2026-10"}).status_code == 403
    own = new_caller("billing:read", "billing:write", account=accounts[0])
    assert own.get(RUNS).status_code == 403
    assert own.post(RUNS, {"period": "2026-10"}).status_code == 403


def test_a_list_of_runs_costs_as_many_statements_as_one(
    new_caller: NewCaller, accounts: list[Account], query_counter: QueryCounter
) -> None:
    caller = new_caller("billing:read", "billing:write")
    counts = []
    for _ in range(3):
        work(start(caller, dry_run=True))
        with query_counter() as queries:
            runs = caller.get(RUNS).json["data"]
        counts.append(len(queries))
    assert [run["attributes"]["totals"][0]["total"] for run in runs] == ["354.00"] * 3
    assert len(set(counts)) == 1
