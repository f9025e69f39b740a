"""Customers, accounts, metrics, plans and subscriptions by the API."""

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.models import AuditRecord, Subscription
from app.services import wallets
from tests import factories as make
from tests.api.conftest import Caller, NewCaller

CUSTOMER = {
    "name": "Asha Traders",
    "email": "accounts@asha.example.in",
    "phone": "+919876543210",
    "country": "IN",
    "billing_address": {
        "line1": "1 MG Road",
        "city": "Bengaluru",
        "state_code": "29",
        "postal_code": "560001",
    },
    "gstin": make.a_gstin("29"),
    "external_id": "crm-1",
    "metadata": {"segment": "retail"},
}


def count_records(session: Session) -> int:
    return session.scalar(select(func.count()).select_from(AuditRecord)) or 0


def pointers(answer: Any) -> list[tuple[str, str]]:
    return [(field["pointer"], field["code"]) for field in answer.json["error"]["fields"]]


def test_a_customer_comes_back_as_posted(session: Session, caller: Caller) -> None:
    before = count_records(session)
    answer = caller.post("/customers", CUSTOMER)
    assert answer.status_code == 201
    data = answer.json["data"]
    assert data["type"] == "customer"
    posted = {**CUSTOMER, "billing_address": {**CUSTOMER["billing_address"], "line2": None, "country": "IN"}}
    attributes = data["attributes"]
    assert {name: attributes[name] for name in posted} == posted
    assert (attributes["status"], attributes["tax_treatment"]) == ("active", "regular")
    assert count_records(session) == before + 1
    for reference in (data["id"], "crm-1"):
        assert caller.get(f"/customers/{reference}").json["data"] == data
    assert [row["id"] for row in caller.get("/customers", external_id="crm-1").json["data"]] == [data["id"]]


def test_metadata_may_hold_any_number(session: Session, caller: Caller) -> None:
    metadata = {"share": 1.5, "big": 123456789012345678901234567890, "deep": {"list": [0.1, None, True]}}
    made = caller.post("/customers", {**CUSTOMER, "metadata": metadata})
    assert (made.status_code, made.json["data"]["attributes"]["metadata"]) == (201, metadata)
    changed = caller.client.patch(
        "/api/v1/customers/crm-1", json={"metadata": {"share": 2.25}}, headers=caller.headers
    )
    assert changed.json["data"]["attributes"]["metadata"] == {"share": 2.25}
    account = caller.post("/accounts", {"customer_id": "crm-1", "settings": {"limit": 0.5}})
    assert account.json["data"]["attributes"]["settings"] == {"limit": 0.5}


def test_an_external_id_may_look_like_an_id(caller: Caller) -> None:
    own = "5b0c9c1e-6f0e-4a53-9f5d-3d1d0a3f9a11"
    customer = caller.post("/customers", {**CUSTOMER, "external_id": own}).json["data"]
    account = caller.post("/accounts", {"customer_id": own, "external_id": own}).json["data"]
    assert caller.get(f"/customers/{own}").json["data"]["id"] == customer["id"]
    assert caller.get(f"/accounts/{own}").json["data"]["id"] == account["id"]
    assert account["attributes"]["customer_id"] == customer["id"]
    rival = caller.post("/accounts", {"customer_id": own, "external_id": account["id"]}).json["data"]
    assert caller.get(f"/accounts/{account['id']}").json["data"]["id"] == account["id"]
    assert caller.get(f"/accounts/{rival['id']}").json["data"]["id"] == rival["id"]


@pytest.mark.parametrize("path", ["/customers", "/accounts", "/metrics", "/pricing", "/wallets"])
def test_a_name_that_nothing_can_have_is_404(caller: Caller, path: str) -> None:
    assert caller.get(f"{path}/%00").status_code == 404


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", -62135596800])
def test_a_subscription_starts_in_a_year_that_has_periods(session: Session, caller: Caller, at: Any) -> None:
    account, plan = make.make_account(), make.make_plan(components=[make.fee()])
    body = {"account_id": str(account.id), "plan_code": plan.code, "start_at": at}
    refused = caller.post("/subscriptions", body)
    assert (refused.status_code, [pointer for pointer, _ in pointers(refused)]) == (400, ["/start_at"])
    assert session.scalar(select(func.count()).select_from(Subscription)) == 0


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"email": "x"}, ("/email", "bad_email")),
        ({"phone": "12"}, ("/phone", "bad_phone")),
        (
            {"billing_address": {"state_code": "99"}, "gstin": None},
            ("/billing_address/state_code", "unknown_state"),
        ),
        ({"billing_address": {"state_code": "27"}}, ("/billing_address/state_code", "mismatch")),
        ({"gstin": "29AABCO1234F1Z0"}, ("/gstin", "bad_gstin")),
        ({"country": "us"}, ("/country", "invalid")),
        ({"billing_address": {"country": "US"}}, ("/billing_address/country", "mismatch")),
        ({"colour": "red"}, ("/colour", "unknown_field")),
        ({"name": 1}, ("/name", "wrong_type")),
    ],
)
def test_a_customer_that_cannot_be_is_refused_by_its_field(
    session: Session, caller: Caller, change: dict[str, Any], expected: tuple[str, str]
) -> None:
    before = count_records(session)
    answer = caller.post("/customers", {**CUSTOMER, **change})
    assert answer.status_code == 400
    assert pointers(answer) == [expected]
    assert count_records(session) == before
    assert caller.get("/customers").json["data"] == []


def test_a_patch_changes_what_was_sent(session: Session, caller: Caller) -> None:
    made = caller.post("/customers", CUSTOMER).json["data"]
    answer = caller.client.patch(
        f"/api/v1/customers/{made['id']}", json={"name": "Asha & Sons"}, headers=caller.headers
    )
    assert answer.status_code == 200
    after = answer.json["data"]["attributes"]
    kept = ("email", "phone", "billing_address", "gstin", "metadata", "external_id")
    assert after["name"] == "Asha & Sons"
    assert {name: after[name] for name in kept} == {name: made["attributes"][name] for name in kept}


def test_unknown_things_are_not_found(caller: Caller) -> None:
    nothing = "01900000-0000-7000-8000-000000000000"
    for path in (
        f"/customers/{nothing}",
        "/customers/nobody",
        "/accounts/nobody",
        "/metrics/none",
        "/pricing/none",
        f"/subscriptions/{nothing}",
        "/subscriptions/not-an-id",
        f"/invoices/{nothing}",
    ):
        assert caller.get(path).status_code == 404, path


def test_an_account_is_opened_for_a_customer_by_either_id(session: Session, caller: Caller) -> None:
    caller.post("/customers", CUSTOMER)
    body = {"customer_id": "crm-1", "external_id": "acct-1", "billing_mode": "prepaid", "currency": "INR"}
    answer = caller.post("/accounts", body)
    assert answer.status_code == 201
    attributes = answer.json["data"]["attributes"]
    assert (attributes["name"], attributes["timezone"]) == ("Asha Traders", "Asia/Kolkata")
    assert caller.get("/accounts/acct-1").json["data"] == answer.json["data"]
    account = make.accounts.get("acct-1")
    assert wallets.find_for(account) is not None
    assert caller.post("/accounts", body).json["error"]["code"] == "conflict"
    assert pointers(caller.post("/accounts", {"customer_id": "nobody"})) == [
        ("/customer_id", "unknown_customer")
    ]


def test_a_key_of_one_account_sees_that_account_and_makes_nothing(
    session: Session, new_caller: NewCaller
) -> None:
    own, other = make.make_account(), make.make_account()
    caller = new_caller("customers:write", "billing:read", account=own)
    assert [row["id"] for row in caller.get("/accounts").json["data"]] == [str(own.id)]
    assert caller.get(f"/accounts/{other.id}").status_code == 404
    assert caller.get(f"/customers/{other.customer_id}").status_code == 404
    assert caller.post("/customers", CUSTOMER).status_code == 403
    assert caller.post("/accounts", {"customer_id": str(own.customer_id)}).status_code == 403


def test_a_metric_a_plan_and_a_subscription_are_made(session: Session, caller: Caller) -> None:
    metric = {"code": "auth.otp", "unit": "message", "dimensions": ["channel"]}
    assert caller.post("/metrics", metric).json["data"]["attributes"] == {
        "name": "auth.otp",
        "aggregation": "count",
        "value_property": None,
        "active": True,
        **metric,
    }
    component = {
        "metric": "auth.otp",
        "model": "graduated",
        "tiers": [{"up_to": "100", "unit": "0"}, {"up_to": None, "unit": "0.50"}],
        "filters": {"channel": ["sms"]},
    }
    plan = caller.post("/pricing", {"code": "growth", "components": [component]})
    assert plan.status_code == 201
    (version,) = plan.json["data"]["attributes"]["versions"]
    assert (version["number"], version["status"]) == (1, "draft")
    tiers = [(tier["up_to"], tier["unit"]) for tier in version["components"][0]["tiers"]]
    assert tiers == [("100", "0"), (None, "0.5")]
    assert (
        caller.post("/pricing/growth/versions/1/publish").json["data"]["attributes"]["status"] == "published"
    )
    account = make.make_account(external_id="acct-1")
    body = {"account_id": "acct-1", "plan_code": "growth", "start_at": "2026-10-01T00:07:00+05:30"}
    subscribed = caller.post("/subscriptions", body)
    assert subscribed.status_code == 201
    attributes = subscribed.json["data"]["attributes"]
    assert (attributes["account_id"], attributes["version"]) == (str(account.id), 1)
    assert attributes["start_at"] == "2026-09-30T18:30:00Z"
    again = caller.post("/subscriptions", body)
    assert (again.status_code, again.json["error"]["code"]) == (409, "overlapping")
    path = f"/subscriptions/{subscribed.json['data']['id']}"
    assert caller.post(f"{path}/cancel", {"reason": "moved"}).json["data"]["attributes"]["status"] == "ended"
    assert caller.get(path).json["data"]["attributes"]["end_reason"] == "moved"


def test_a_bad_tier_is_refused_by_its_pointer(session: Session, caller: Caller) -> None:
    make.make_metric("m")
    tiers = [{"up_to": "10", "unit": "1"}, {"up_to": "5", "unit": "1"}, {"up_to": None, "unit": "1"}]
    body = {"code": "p", "components": [{"metric": "m", "model": "graduated", "tiers": tiers}]}
    answer = caller.post("/pricing", body)
    assert pointers(answer) == [("/components/0/tiers/1/up_to", "tiers_out_of_order")]
    assert caller.get("/pricing/p").status_code == 404


def test_a_version_is_added_with_the_prices_before_or_others(session: Session, caller: Caller) -> None:
    metric = make.make_metric("m")
    make.make_plan("p", components=[make.per_unit(metric, "1")])
    copied = caller.post("/pricing/p/versions", {}).json["data"]["attributes"]
    assert (copied["number"], copied["status"], copied["components"][0]["unit"]) == (2, "draft", "1")
    other = {"components": [{"metric": "m", "model": "per_unit", "unit": "2"}], "interval": "quarter"}
    made = caller.post("/pricing/p/versions", other).json["data"]["attributes"]
    assert (made["number"], made["interval"], made["components"][0]["unit"]) == (3, "quarter", "2")


def test_a_quote_is_priced_and_nothing_is_stored(session: Session, caller: Caller) -> None:
    before = count_records(session)
    body = {
        "currency": "INR",
        "components": [
            {
                "metric": "sms",
                "model": "graduated",
                "tiers": [
                    {"up_to": "10", "unit": "10", "flat": "2"},
                    {"up_to": None, "unit": "5", "flat": "3"},
                ],
            }
        ],
        "usage": [{"metric": "sms", "quantity": "21"}],
        "minimum": "200",
    }
    attributes = caller.post("/pricing/quote", body).json["data"]["attributes"]
    assert (attributes["subtotal"], attributes["minimum_true_up"], attributes["total"]) == (
        "160.00",
        "40.00",
        "200.00",
    )
    assert attributes["lines"][0]["amount_exact"] == "160"
    assert count_records(session) == before
    body["components"][0]["tiers"][0]["unit"] = "-1"
    assert pointers(caller.post("/pricing/quote", body)) == [("/components/0/tiers/0/unit", "negative")]


def test_lists_are_read_page_by_page(session: Session, caller: Caller) -> None:
    made = [str(make.make_customer().id) for _ in range(3)]
    first = caller.get("/customers", limit=2).json
    second = caller.get("/customers", limit=2, cursor=first["meta"]["next_cursor"]).json
    assert [row["id"] for row in first["data"] + second["data"]] == made[::-1]
    assert second["meta"]["next_cursor"] is None


def test_the_same_idempotency_key_makes_one_customer(session: Session, caller: Caller) -> None:
    answers = [caller.post("/customers", CUSTOMER, Idempotency_Key="once") for _ in range(2)]
    assert answers[0].json["data"] == answers[1].json["data"]
    assert len(caller.get("/customers").json["data"]) == 1


def test_reading_changes_nothing(session: Session, caller: Caller) -> None:
    make.make_subscription(start_at=datetime(2026, 10, 1, tzinfo=UTC))
    before = count_records(session)
    for path in ("/customers", "/accounts", "/metrics", "/pricing", "/subscriptions", "/invoices"):
        assert caller.get(path).status_code == 200
    assert count_records(session) == before
