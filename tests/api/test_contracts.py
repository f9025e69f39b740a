"""Custom contracts by the API: own terms, commitments, discounts, coupons, credits, and their refusals."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app import clock
from app.models import (
    Account,
    AccountCredit,
    Commitment,
    Coupon,
    CouponRedemption,
    Discount,
    Subscription,
    TermsOverride,
)
from app.services import metrics, wallets
from tests import factories as make
from tests.api.conftest import Caller, NewCaller
from tests.services.invoicing import NOON, issue_for, use

TABLES = (TermsOverride, Commitment, Discount, Coupon, CouponRedemption, AccountCredit, Subscription)


@pytest.fixture(autouse=True)
def _in_october(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: NOON)
    make.make_seller()
    make.make_tax_rate("18")


@pytest.fixture
def account(session: Session) -> Account:
    """An account that can subscribe to `growth`: ₹1 an SMS, ₹100 of a fee."""
    sms = make.make_metric("sms")
    make.make_plan("growth", components=[make.per_unit(sms, "1", code="sms"), make.fee("100")])
    return make.make_account(external_id="acct-1")


def subscribe(caller: Caller, account_id: str = "acct-1", **more: Any) -> str:
    body = {"account_id": account_id, "plan_code": "growth", "start_at": "2026-10-01T00:00:00+05:30", **more}
    answer = caller.post("/subscriptions", body)
    assert answer.status_code == 201, answer.json
    return str(answer.json["data"]["id"])


def made(answer: Any) -> Any:
    assert answer.status_code in (200, 201), answer.json
    data = answer.json["data"]
    return [each["attributes"] for each in data] if isinstance(data, list) else data["attributes"]


def pointers(answer: Any) -> tuple[int, list[tuple[str, str]]]:
    return answer.status_code, [(each["pointer"], each["code"]) for each in answer.json["error"]["fields"]]


def counts(session: Session) -> list[int]:
    return [session.scalar(select(func.count()).select_from(table)) or 0 for table in TABLES]


def test_a_subscription_starts_with_its_own_terms(account: Account, caller: Caller) -> None:
    """200 × 0.75 + 80 = 230 in October."""
    own = [{"component": "sms", "unit": "0.75"}, {"component": "fee", "price": "80", "end_on": "2026-11-01"}]
    found = subscribe(caller, overrides=own)
    use(account, metrics.get("sms"), 200)
    assert issue_for(account).subtotal == 230
    listed = made(caller.get(f"/subscriptions/{found}/overrides"))
    assert sorted((each["component"], each["start_at"], each["end_at"]) for each in listed) == [
        ("fee", "2026-09-30T18:30:00Z", "2026-10-31T18:30:00Z"),
        ("sms", "2026-09-30T18:30:00Z", None),
    ]


def test_terms_that_are_refused_leave_no_subscription(
    session: Session, account: Account, caller: Caller
) -> None:
    before = counts(session)
    tiers = [{"up_to": "10", "unit": "1"}, {"up_to": "5", "unit": "1"}, {"up_to": None, "unit": "1"}]
    body = {
        "account_id": "acct-1",
        "plan_code": "growth",
        "overrides": [{"component": "sms", "model": "graduated", "tiers": tiers}],
    }
    answer = caller.post("/subscriptions", body)
    assert pointers(answer) == (400, [("/overrides/0/tiers/1/up_to", "tiers_out_of_order")])
    assert counts(session) == before


def test_own_terms_are_agreed_on_quoted_and_ended(account: Account, caller: Caller) -> None:
    found = subscribe(caller)
    usage = {"usage": [{"metric": "sms", "quantity": "10"}], "on": "2026-11-20"}
    assert made(caller.post(f"/subscriptions/{found}/quote", usage))["total"] == "110.00"
    answer = caller.post(
        f"/subscriptions/{found}/overrides", {"overrides": [{"component": "sms", "unit": "0.5"}]}
    )
    (agreed,) = made(answer)
    assert (agreed["start_at"], agreed["unit"], agreed["model"]) == (
        "2026-10-31T18:30:00Z",
        "0.5",
        "per_unit",
    )
    assert made(caller.post(f"/subscriptions/{found}/quote", usage))["total"] == "105.00"
    address = f"/subscriptions/{found}/overrides/{answer.json['data'][0]['id']}/end"
    assert pointers(caller.post(address, {"on": "2026-11-05"})) == (400, [("/on", "not_a_border")])
    assert made(caller.post(address, {"on": "2026-12-01"}))["end_at"] == "2026-11-30T18:30:00Z"
    assert caller.post(address, {"on": "2026-12-01"}).status_code == 409
    assert made(caller.post(address, {})) == {**agreed, "end_at": agreed["start_at"]}
    assert made(caller.get(f"/subscriptions/{found}/overrides")) == []


def test_own_terms_move_the_wallet_of_a_prepaid_account_at_once(
    session: Session, account: Account, caller: Caller
) -> None:
    """100 × 1 was taken of 500; at 0.60 it is 60, so 40 comes back."""
    prepaid = make.make_account(prepaid=True, external_id="acct-2")
    wallet = make.make_wallet("500", account=prepaid)
    found = subscribe(caller, "acct-2")
    use(prepaid, metrics.get("sms"), 100)
    assert wallets.find_for(prepaid) == wallet
    assert wallet.balance == 400
    own = {"overrides": [{"component": "sms", "unit": "0.60", "start_on": "2026-10-01"}]}
    assert caller.post(f"/subscriptions/{found}/overrides", own).status_code == 201
    session.expire_all()
    assert wallet.balance == 440


def test_a_commitment_is_agreed_on_listed_and_ended(account: Account, caller: Caller) -> None:
    found = subscribe(caller)
    address = f"/subscriptions/{found}/commitments"
    answer = caller.post(address, {"amount": "1000", "start_on": "2026-10-01", "reason": "Contract 7"})
    told = {
        "amount": "1000.00",
        "currency": "INR",
        "start_on": "2026-10-01",
        "end_on": None,
        "reason": "Contract 7",
    }
    assert made(answer) == told
    assert pointers(caller.post(address, {"amount": "5"})) == (409, [("/start_on", "overlapping")])
    ended = caller.post(f"{address}/{answer.json['data']['id']}/end", {"on": "2027-01-01"})
    assert made(ended) == made(caller.get(address))[0] == {**told, "end_on": "2027-01-01"}
    assert [line.kind for line in issue_for(account).lines] == ["fixed", "commitment"]


def test_a_discount_is_given_listed_and_ended(account: Account, caller: Caller) -> None:
    found = subscribe(caller)
    body = {"name": "Launch", "percent": "25", "subscription_id": found, "start_on": "2026-10-01"}
    answer = caller.post("/accounts/acct-1/discounts", body)
    told = made(answer)
    assert (told["percent"], told["amount"], told["subscription_id"]) == ("25", None, found)
    ended = caller.post(f"/accounts/acct-1/discounts/{answer.json['data']['id']}/end", {"on": "2026-11-01"})
    assert (
        made(ended) == made(caller.get("/accounts/acct-1/discounts"))[0] == {**told, "end_on": "2026-11-01"}
    )
    assert issue_for(account).subtotal == 75


def test_a_coupon_is_made_changed_redeemed_and_used(account: Account, caller: Caller) -> None:
    subscribe(caller)
    body = {"code": "diwali", "name": "Diwali", "amount": "30", "currency": "INR", "max_redemptions": 1}
    coupon = made(caller.post("/coupons", body))
    assert (coupon["code"], coupon["amount"], coupon["duration"], coupon["redeemed"]) == (
        "DIWALI",
        "30.00",
        "once",
        0,
    )
    redemption = made(caller.post("/coupons/Diwali/redeem", {"account_id": "acct-1"}))
    assert (redemption["periods"], redemption["used"]) == (1, 0)
    again = caller.post("/coupons/DIWALI/redeem", {"account_id": "acct-1"})
    assert pointers(again) == (400, [("/code", "used_up")])
    assert made(_patch(caller, "/coupons/diwali", {"max_redemptions": 9}))["max_redemptions"] == 9
    again = caller.post("/coupons/DIWALI/redeem", {"account_id": "acct-1"})
    assert pointers(again) == (400, [("/code", "already_redeemed")])
    assert issue_for(account).subtotal == 70
    assert made(caller.get("/accounts/acct-1/coupons"))[0]["used"] == 1
    assert made(caller.get("/coupons/diwali"))["redeemed"] == 1
    assert [each["code"] for each in made(caller.get("/coupons"))] == ["DIWALI"]
    unknown = caller.post("/coupons/nope/redeem", {"account_id": "acct-1"})
    assert pointers(unknown) == (400, [("/code", "unknown_coupon")])


def _patch(caller: Caller, path: str, body: dict[str, Any]) -> Any:
    return caller.client.patch(f"/api/v1{path}", json=body, headers=caller.headers)


def test_a_credit_tells_where_it_was_used(account: Account, caller: Caller) -> None:
    subscribe(caller)
    answer = caller.post("/accounts/acct-1/credits", {"amount": "130", "reason": "Outage"})
    assert made(answer)["remaining"] == "130.00"
    invoice = issue_for(account)
    (told,) = made(caller.get("/accounts/acct-1/credits"))
    assert (told["amount"], told["remaining"], told["withdrawn"]) == ("130.00", "30.00", "0.00")
    assert told["uses"] == [{"invoice_id": str(invoice.id), "number": invoice.number, "amount": "100.00"}]
    address = f"/accounts/acct-1/credits/{answer.json['data']['id']}/withdraw"
    assert made(caller.post(address, {"reason": "Agreed"}))["withdrawn"] == "30.00"
    assert caller.post(address, {"reason": "Again"}).status_code == 409


def test_the_api_of_an_invoice_shows_the_kinds_of_lines(account: Account, caller: Caller) -> None:
    found = subscribe(caller)
    caller.post(f"/subscriptions/{found}/commitments", {"amount": "150", "start_on": "2026-10-01"})
    discount = {"name": "Launch", "percent": "10", "start_on": "2026-10-01"}
    caller.post("/accounts/acct-1/discounts", discount)
    caller.post("/accounts/acct-1/credits", {"amount": "20", "reason": "Outage"})
    body = {
        "account_id": "acct-1",
        "period_start": "2026-10-01",
        "period_end": "2026-11-01",
        "preview": True,
    }
    told = made(caller.post("/invoices", body))
    assert [(line["kind"], line["amount"]) for line in told["lines"]] == [
        ("fixed", "100.00"),
        ("commitment", "50.00"),
        ("discount", "-10.00"),
        ("credit", "-20.00"),
    ]
    assert (told["subtotal"], told["tax_total"]) == ("120.00", "21.60")


Act = Callable[[Caller, str], Any]
ACTS: list[Act] = [
    lambda caller, found: caller.post(f"/subscriptions/{found}/overrides", {"overrides": []}),
    lambda caller, found: caller.post(f"/subscriptions/{found}/commitments", {"amount": "1"}),
    lambda caller, _: caller.post("/accounts/acct-1/discounts", {"name": "x", "percent": "1"}),
    lambda caller, _: caller.post("/accounts/acct-1/credits", {"amount": "1", "reason": "x"}),
    lambda caller, _: caller.post("/coupons", {"code": "X", "name": "x", "percent": "1"}),
]


@pytest.mark.parametrize("act", ACTS)
def test_only_staff_and_services_agree_on_contracts(
    session: Session, account: Account, caller: Caller, new_caller: NewCaller, act: Act
) -> None:
    found = subscribe(caller)
    before = counts(session)
    assert act(new_caller("billing:read", "catalog:read"), found).status_code == 403
    assert act(new_caller("billing:write", "catalog:write", account=account), found).status_code == 403
    assert counts(session) == before


@pytest.mark.parametrize(
    "path", ["/accounts/acct-1/discounts", "/accounts/acct-1/credits", "/accounts/acct-1/coupons"]
)
def test_the_contract_of_another_account_is_not_found(
    account: Account, new_caller: NewCaller, path: str
) -> None:
    stranger = new_caller("billing:read", account=make.make_account())
    assert stranger.get(path).status_code == 404
