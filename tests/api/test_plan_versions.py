"""Plan versions by the API: drafts are changed, cloned and compared, and refused by the field."""

from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.models import AuditRecord, PlanVersion
from tests import factories as make
from tests.api.conftest import Caller, NewCaller

TIERS = [{"up_to": "10", "unit": "1", "flat": "0"}, {"up_to": None, "unit": "0.5", "flat": "0"}]


def patch(caller: Caller, path: str, body: Any) -> Any:
    return caller.client.patch(f"/api/v1{path}", json=body, headers=caller.headers)


def pointers(answer: Any) -> list[tuple[str, str]]:
    return [(field["pointer"], field["code"]) for field in answer.json["error"]["fields"]]


@pytest.fixture
def plan(session: Session, caller: Caller) -> str:
    """A draft of a plan with a graduated price and a fee."""
    make.make_metric("m", dimensions=["channel"])
    sms = {"metric": "m", "model": "graduated", "tiers": TIERS}
    answer = caller.post("/pricing", {"code": "growth", "components": [sms, make.fee()]})
    assert answer.status_code == 201
    return "/pricing/growth"


def test_a_draft_is_changed_where_it_was_sent(caller: Caller, plan: str) -> None:
    before = caller.get(f"{plan}/versions/1").json["data"]
    answer = patch(caller, f"{plan}/versions/1", {"interval": "quarter", "effective_on": "2027-01-01"})
    assert answer.status_code == 200
    after = answer.json["data"]
    changed = {"interval": "quarter", "effective_on": "2027-01-01"}
    assert after["attributes"] == {**before["attributes"], **changed}
    assert caller.get(f"{plan}/versions/1").json["data"] == after
    priced = patch(caller, f"{plan}/versions/1", {"currency": "USD", "components": [make.fee("12")]})
    (component,) = priced.json["data"]["attributes"]["components"]
    assert (component["price"], component["currency"]) == ("12", "USD")
    assert priced.json["data"]["attributes"]["interval"] == "quarter"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"interval": "fortnight"}, ("/interval", "unknown_choice")),
        ({"effective_on": "soon"}, ("/effective_on", "invalid")),
        ({"number": 7}, ("/number", "unknown_field")),
        ({"components": [make.fee("-1")]}, ("/components/0/price", "negative")),
        (
            {"components": [{"metric": "n", "model": "per_unit", "unit": "1"}]},
            ("/components/0/metric", "unknown_metric"),
        ),
        (
            {"components": [{"metric": "m", "model": "per_unit", "unit": "1", "filters": {"shop": "a"}}]},
            ("/components/0/filters/shop", "unknown_dimension"),
        ),
        (
            {"components": [{"metric": "m", "model": "volume", "tiers": [*TIERS, TIERS[1]]}]},
            ("/components/0/tiers/1/up_to", "open_tier_not_last"),
        ),
    ],
)
def test_a_change_that_cannot_be_is_refused_by_its_field(
    caller: Caller, plan: str, body: dict[str, Any], expected: tuple[str, str]
) -> None:
    before = caller.get(f"{plan}/versions/1").json["data"]
    answer = patch(caller, f"{plan}/versions/1", body)
    assert (answer.status_code, pointers(answer)) == (400, [expected])
    assert caller.get(f"{plan}/versions/1").json["data"] == before


def test_a_published_version_is_frozen_and_can_be_retired(caller: Caller, plan: str) -> None:
    published = caller.post(f"{plan}/versions/1/publish").json["data"]
    answer = patch(caller, f"{plan}/versions/1", {"interval": "year"})
    assert (answer.status_code, answer.json["error"]["code"]) == (409, "frozen")
    assert caller.get(f"{plan}/versions/1").json["data"] == published
    retired = caller.post(f"{plan}/versions/1/retire").json["data"]["attributes"]
    assert retired == {**published["attributes"], "status": "retired"}
    assert caller.post(f"{plan}/versions/1/retire").status_code == 409


def test_publishing_refuses_what_cannot_be_billed(session: Session, caller: Caller, plan: str) -> None:
    components = [{**make.fee(), "currency": "USD"}]
    listed = caller.get(f"{plan}/versions/1").json["data"]["attributes"]["components"]
    patch(caller, f"{plan}/versions/1", {"components": [*listed, *components]})
    answer = caller.post(f"{plan}/versions/1/publish")
    assert (answer.status_code, pointers(answer)) == (400, [("/components", "incomplete_currency")])
    patch(caller, f"{plan}/versions/1", {"components": listed, "effective_on": "2027-03-01"})
    assert caller.post(f"{plan}/versions/1/publish").status_code == 200
    caller.post(f"{plan}/versions", {"effective_on": "2027-02-28"})
    overlapping = caller.post(f"{plan}/versions/2/publish")
    assert (overlapping.status_code, pointers(overlapping)) == (400, [("/effective_on", "overlapping")])
    statuses = session.scalars(select(PlanVersion.status).order_by(PlanVersion.number)).all()
    assert [str(status) for status in statuses] == ["published", "draft"]


def test_versions_and_plans_are_cloned(caller: Caller, plan: str) -> None:
    first = caller.get(f"{plan}/versions/1").json["data"]["attributes"]
    second = caller.post(f"{plan}/versions/1/clone")
    assert second.status_code == 201
    assert second.json["data"]["attributes"] == {**first, "number": 2}
    patch(caller, f"{plan}/versions/2", {"components": [make.fee("5")]})
    whole = caller.post(f"{plan}/clone", {"code": "growth-b", "name": "Growth B"}).json["data"]["attributes"]
    assert (whole["code"], whole["name"], len(whole["versions"])) == ("growth-b", "Growth B", 1)
    assert whole["versions"][0]["components"][0]["price"] == "5"
    older = caller.post(f"{plan}/clone", {"code": "growth-c", "version": 1}).json["data"]["attributes"]
    assert older["versions"][0]["components"] == first["components"]
    taken = caller.post(f"{plan}/clone", {"code": "growth-b"})
    assert (taken.status_code, pointers(taken)) == (409, [("/code", "taken")])
    assert caller.post(f"{plan}/clone", {"code": "d", "version": 9}).status_code == 404


def test_two_versions_are_compared_field_by_field(caller: Caller, plan: str) -> None:
    caller.post(f"{plan}/versions/1/clone")
    listed = caller.get(f"{plan}/versions/1").json["data"]["attributes"]["components"]
    dearer = {**listed[0], "tiers": [TIERS[0], {**TIERS[1], "unit": "0.6"}]}
    patch(caller, f"{plan}/versions/2", {"interval": "year", "components": [dearer]})
    data = caller.get(f"{plan}/versions/1/diff/2").json["data"]
    told = data["attributes"]
    assert (data["type"], told["before"], told["after"]) == ("plan_version_diff", "growth v1", "growth v2")
    assert told["attributes"] == [
        {"field": "interval", "title": "Billing period", "before": "month", "after": "year"}
    ]
    assert [(one["code"], one["change"]) for one in told["components"]] == [
        ("m", "changed"),
        ("fee", "removed"),
    ]
    assert told["components"][0]["tiers"] == [
        {"n": 1, "change": "same", "before": TIERS[0], "after": TIERS[0]},
        {"n": 2, "change": "changed", "before": TIERS[1], "after": {**TIERS[1], "unit": "0.6"}},
    ]
    assert caller.get(f"{plan}/versions/1/diff/9").status_code == 404


def test_who_may_only_read_changes_nothing(session: Session, new_caller: NewCaller, plan: str) -> None:
    reader = new_caller("catalog:read")
    changes = select(func.count()).where(AuditRecord.action.not_in(["access.denied", "customer.viewed"]))
    before = session.scalar(changes)
    assert reader.get(f"{plan}/versions/1/diff/1").status_code == 200
    for answer in (
        patch(reader, f"{plan}/versions/1", {"interval": "year"}),
        reader.post(f"{plan}/versions/1/clone"),
        reader.post(f"{plan}/clone", {"code": "x"}),
        reader.post(f"{plan}/versions/1/retire"),
    ):
        assert answer.status_code == 403
    assert session.scalar(changes) == before
