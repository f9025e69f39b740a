"""The plan editor's routes: what its page is given, what it saves and quotes, what publishing says."""

import html
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import select

from app.db import db
from app.domain.pricing import models, price_model, price_models, terms_schema
from app.domain.pricing.terms import FlatTerms
from app.models import AuditRecord, PlanVersion, PricePlan
from app.models.plans import VersionStatus
from app.permissions import Role
from app.services import plan_contents, plans
from tests import factories as make
from tests.admin.conftest import Desk, Person
from tests.auth.people import csrf_token

SCREEN = "/admin/plan-versions"


@pytest.fixture
def draft(session: Any) -> PlanVersion:
    """A draft of a plan with a price per message and a fee."""
    metric = make.make_metric("m", name="Messages", unit="message")
    plan = make.make_plan("growth", components=[make.per_unit(metric, "0.25"), make.fee()], name="Growth")
    return plans.add_version(plan, actor=make.ACTOR)


def send(person: Person, path: str, body: Any, *, token: bool = True) -> Any:
    """Post JSON as the page does."""
    headers = {"X-CSRFToken": csrf_token(person.client)} if token else {}
    return person.client.post(path, json=body, headers=headers)


def setup_of(person: Person, draft: PlanVersion) -> dict[str, Any]:
    """Return what the page's script is given."""
    page = person.get(f"{SCREEN}/editor/?id={draft.id}").get_data(as_text=True)
    (found,) = re.findall(r'data-plan-editor="([^"]*)"', page)
    setup: dict[str, Any] = json.loads(html.unescape(found))
    return setup


def test_the_page_is_given_the_draft_and_every_price_model_in_its_order(
    at_desk: Desk, draft: PlanVersion
) -> None:
    setup = setup_of(at_desk(Role.finance_admin), draft)
    said = plan_contents.of(draft)
    assert setup["components"] == said.pop("components")
    assert (setup["version"], setup["mark"]) == (said, plan_contents.mark(draft))
    assert setup["models"] == {name: terms_schema(name) for name in price_models}
    assert list(setup["models"]["graduated"]["properties"]["tiers"]["items"]["properties"]) == [
        "up_to",
        "unit",
        "flat",
    ]
    assert setup["metrics"] == [
        {"code": "m", "name": "Messages", "unit": "message", "dimensions": ["channel", "country"]}
    ]


@pytest.fixture
def new_model() -> Iterator[str]:
    """A price model that was not there when the editor was written."""
    price_model("per_season", label="Per season", terms=FlatTerms)(models.flat)
    yield "per_season"
    del price_models._entries["per_season"]


def test_a_new_price_model_appears_by_itself(desk: Person, draft: PlanVersion, new_model: str) -> None:
    assert setup_of(desk, draft)["models"][new_model]["title"] == "Per season"


def test_what_stands_on_the_page_is_saved_as_a_whole(at_desk: Desk, draft: PlanVersion) -> None:
    person = at_desk(Role.finance_admin, name="Farhan Mehta")
    setup = setup_of(person, draft)
    setup["components"][0]["unit"] = "0.30"
    body = {
        "version": {**setup["version"], "interval": "year", "effective_on": "2027-01-01"},
        "components": [setup["components"][1], setup["components"][0]],
        "mark": setup["mark"],
    }
    answer = send(person, setup["save"], body)
    assert answer.status_code == 200
    assert [one["code"] for one in answer.json["components"]] == ["fee", "m"]
    assert answer.json["mark"] == plan_contents.mark(db.session.get_one(PlanVersion, draft.id))
    assert answer.json["version"]["effective_on"] == "2027-01-01"
    assert answer.json["components"][1]["unit"] == "0.3"
    record = db.session.scalars(select(AuditRecord).where(AuditRecord.action == "plan_version.edited")).one()
    assert record.actor == "Farhan Mehta"
    again = send(person, setup["save"], body)
    assert (again.status_code, again.json["message"]) == (
        409,
        "Somebody else changed this draft since you opened it. Load it again to see how.",
    )


@pytest.mark.parametrize(
    ("change", "pointer", "message"),
    [
        ({"unit": "x"}, "/components/0/unit", "Write a number, such as 118.00."),
        ({"unit": "-1"}, "/components/0/unit", "The number may not be negative."),
        ({"currency": "XYZ"}, "/components/0/currency", None),
        ({"filters": {"shop": ["a"]}}, "/components/0/filters/shop", None),
        ({"metric": "none"}, "/components/0/metric", "There is no metric 'none'."),
        ({"model": "magic"}, "/components/0/model", None),
    ],
)
def test_a_refusal_names_the_field_and_changes_nothing(
    desk: Person, draft: PlanVersion, change: dict[str, Any], pointer: str, message: str | None
) -> None:
    setup = setup_of(desk, draft)
    components = [{**setup["components"][0], **change}, setup["components"][1]]
    for address in ("save", "quote"):
        body = {"version": {}, "components": components, "currency": "INR"}
        answer = send(desk, setup[address], body)
        assert (answer.status_code, [one["pointer"] for one in answer.json["fields"]]) == (422, [pointer])
        assert message in (None, answer.json["fields"][0]["message"])
    assert plan_contents.mark(db.session.get_one(PlanVersion, draft.id)) == setup["mark"]


def test_every_fault_of_the_form_is_told_at_once(desk: Person, draft: PlanVersion) -> None:
    """Within one component, within its tiers, of several components, and of the version itself."""
    setup = setup_of(desk, draft)
    tiers = [{"up_to": "a lot", "unit": "-1"}, {"up_to": "5"}, {"up_to": None, "unit": "1", "flat": "x"}]
    tiered = {
        "metric": "m",
        "model": "graduated",
        "tiers": tiers,
        "minimum": "none",
        "sac": "1",
        "timing": "now",
    }
    unknown = {"metric": "none", "model": "per_unit", "filters": {"shop": ["a"]}}
    fee = {**setup["components"][1], "price": "", "minimum": "5", "prorated": "yes"}
    body = {"version": {"effective_on": "soon"}, "components": [tiered, unknown, fee]}
    answer = send(desk, setup["save"], body)
    assert (answer.status_code, answer.json["message"]) == (422, "Some fields cannot be used.")
    assert [(one["pointer"], one["code"]) for one in answer.json["fields"]] == [
        ("/effective_on", "not_a_date"),
        ("/components/0/minimum", "not_a_number"),
        ("/components/0/tiers/0/up_to", "not_a_number"),
        ("/components/0/tiers/0/unit", "negative"),
        ("/components/0/tiers/1/unit", "required"),
        ("/components/0/tiers/2/flat", "not_a_number"),
        ("/components/0/timing", "unknown_choice"),
        ("/components/0/sac", "bad_sac"),
        ("/components/1/metric", "unknown_metric"),
        ("/components/1/unit", "required"),
        ("/components/2/price", "not_a_number"),
        ("/components/2/prorated", "not_a_boolean"),
    ]
    assert plan_contents.mark(db.session.get_one(PlanVersion, draft.id)) == setup["mark"]


def test_a_day_that_cannot_be_read_is_refused_at_its_field(desk: Person, draft: PlanVersion) -> None:
    setup = setup_of(desk, draft)
    answer = send(desk, setup["save"], {"version": {"effective_on": "soon"}, "components": []})
    assert [one["pointer"] for one in answer.json["fields"]] == ["/effective_on"]
    assert plan_contents.mark(db.session.get_one(PlanVersion, draft.id)) == setup["mark"]


def test_the_quote_tells_the_lines_in_words(desk: Person, draft: PlanVersion) -> None:
    setup = setup_of(desk, draft)
    body = {"components": setup["components"], "used": [{"quantity": "12000"}, {}], "currency": "INR"}
    quoted = send(desk, setup["quote"], body).json
    assert [(line["amount_shown"], line["steps"]) for line in quoted["lines"]] == [
        ("₹3,000.00", ["12,000 × ₹0.25 = ₹3,000.00"]),
        ("₹999.00", ["Flat fee ₹999.00"]),
    ]
    assert (quoted["total"], quoted["total_shown"]) == ("3999.00", "₹3,999.00")
    refused = send(desk, setup["quote"], {**body, "used": [{"quantity": "many"}]})
    assert (refused.status_code, refused.json["fields"][0]["pointer"]) == (422, "/used/0/quantity")


@pytest.mark.parametrize(
    "body",
    [[], "x", {"components": {}}, {"components": [], "used": "many"}, {"version": [], "components": []}],
)
def test_what_is_not_from_the_page_is_refused(desk: Person, draft: PlanVersion, body: Any) -> None:
    setup = setup_of(desk, draft)
    for address in ("save", "quote"):
        answer = send(desk, setup[address], body)
        assert (answer.status_code, answer.json["fields"]) == (422, [])
    assert plan_contents.mark(db.session.get_one(PlanVersion, draft.id)) == setup["mark"]


def test_nothing_is_saved_without_the_token_of_the_session(desk: Person, draft: PlanVersion) -> None:
    setup = setup_of(desk, draft)
    answer = send(desk, setup["save"], {"version": {}, "components": []}, token=False)
    assert answer.status_code == 400
    assert plan_contents.mark(db.session.get_one(PlanVersion, draft.id)) == setup["mark"]


def test_support_compares_and_does_not_edit(at_desk: Desk, draft: PlanVersion) -> None:
    person = at_desk(Role.support)
    assert "Version 1 and version 2" in person.text(f"{SCREEN}/compare/?id={draft.id}")
    for path in ("editor", "publish"):
        assert person.get(f"{SCREEN}/{path}/?id={draft.id}").status_code == 403
    for path in ("save", "quote"):
        assert send(person, f"{SCREEN}/editor/{path}/?id={draft.id}", {}).status_code == 403
    page = person.text(f"{SCREEN}/details/?id={draft.id}")
    assert "Edit prices" not in page
    assert "Compare" in page


def test_a_published_version_opens_no_editor(desk: Person, draft: PlanVersion) -> None:
    first = draft.plan.versions[0]
    answer = desk.get(f"{SCREEN}/editor/?id={first.id}")
    assert answer.location == f"{SCREEN}/details/?id={first.id}"
    assert desk.get(f"{SCREEN}/publish/?id={first.id}").status_code == 404
    refused = send(desk, f"{SCREEN}/editor/save/?id={first.id}", {"version": {}, "components": []})
    assert refused.status_code == 409
    assert len(first.components) == 2


def test_publishing_says_what_will_happen_and_then_does_it(desk: Person, draft: PlanVersion) -> None:
    make.make_subscription(plan=draft.plan, version=1)
    plans.set_components(
        draft, [make.per_unit(draft.components[0].metric, "0.30"), make.fee()], actor=make.ACTOR
    )
    page = desk.text(f"{SCREEN}/publish/?id={draft.id}")
    for told in (
        "New subscriptions get growth v2 from",
        "It takes the place of growth v1 for them.",
        "1 subscription of this plan stays on the version of today",
        "Compared with growth v1",
        "<td>0.25</td><td>0.3</td>",
        "1 other component is the same.",
    ):
        assert told in page
    answer = desk.post(f"{SCREEN}/operation/publish/?id={draft.id}")
    assert answer.location == f"{SCREEN}/details/?id={draft.id}"
    assert db.session.get_one(PlanVersion, draft.id).status is VersionStatus.published


def test_a_draft_that_cannot_be_published_says_why(desk: Person, draft: PlanVersion) -> None:
    listed = plan_contents.of(draft)["components"]
    plans.set_components(draft, [*listed, {**listed[1], "currency": "USD"}], actor=make.ACTOR)
    page = desk.text(f"{SCREEN}/publish/?id={draft.id}")
    assert "m has a price in INR and none in USD" in page
    assert "Publish version 2</button>" not in page
    answer = desk.post(f"{SCREEN}/operation/publish/?id={draft.id}")
    assert answer.status_code == 422
    assert db.session.get_one(PlanVersion, draft.id).status is VersionStatus.draft


def test_another_version_can_be_chosen_to_compare_with(desk: Person, draft: PlanVersion) -> None:
    third = plans.add_version(draft.plan, {"interval": "year"}, actor=make.ACTOR)
    assert "Version 2 and version 3" in desk.text(f"{SCREEN}/compare/?id={third.id}")
    page = desk.text(f"{SCREEN}/compare/?id={third.id}&with=1")
    assert "Version 1 and version 3" in page
    assert "<td>month</td><td>year</td>" in page
    assert "No difference" in desk.text(f"{SCREEN}/compare/?id={draft.id}&with=1")


def test_the_pages_lead_on_also_where_somebody_is_subscribed(desk: Person, draft: PlanVersion) -> None:
    make.make_subscription(plan=draft.plan, version=1)
    db.session.expunge_all()
    assert "Edit prices of version 2" in desk.text(f"/admin/plans/details/?id={draft.plan_id}")
    page = desk.text(f"{SCREEN}/details/?id={draft.id}")
    for label in ("Compare", "Publish", "Edit prices"):
        assert f"{label}</a>" in page


def test_plans_and_versions_are_cloned_from_their_pages(desk: Person, draft: PlanVersion) -> None:
    first = draft.plan.versions[0]
    desk.post(f"{SCREEN}/operation/clone/?id={first.id}")
    assert [version.number for version in db.session.get_one(PricePlan, draft.plan_id).versions] == [1, 2, 3]
    refused = desk.post(f"/admin/plans/operation/clone/?id={draft.plan_id}", {"code": "growth"})
    assert refused.status_code == 422
    assert "There is a plan growth already." in refused.get_data(as_text=True)
    desk.post(f"/admin/plans/operation/clone/?id={draft.plan_id}", {"code": "growth-b"})
    made = db.session.scalars(select(PricePlan).where(PricePlan.code == "growth-b")).one()
    assert (made.name, len(made.versions), len(made.versions[0].components)) == ("Growth", 1, 2)
    assert "Edit prices of version 1" in desk.text(f"/admin/plans/details/?id={made.id}")
