"""Contracts at the desk: agreed on the pages of subscriptions and accounts, each refusal at its field."""

import json
import re
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from app import clock
from app.db import db
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
from app.permissions import Role
from tests import factories
from tests.admin.conftest import Desk, Person

NOON = datetime(2026, 10, 15, 6, 30, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _in_october(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: NOON)


@pytest.fixture
def subscription(app: Any) -> Subscription:
    """A subscription with an SMS component and a fee."""
    sms = factories.per_unit(factories.make_metric(), "0.25", code="sms", name="SMS")
    return factories.make_subscription(plan=factories.make_plan(components=[sms, factories.fee()]))


def act(person: Person, slug: str, row: Any, operation: str, /, **form: str) -> Any:
    return person.post(f"/admin/{slug}/operation/{operation}/?id={row.id}", form)


def errors(answer: Any) -> dict[str, str]:
    assert answer.status_code == 422
    found = re.findall(r'id="(\w+)-error">(.*?)</div>', answer.get_data(as_text=True), re.DOTALL)
    return {name: re.sub(r"<.*?>", "", text).strip() for name, text in found}


def test_own_terms_start_from_those_of_the_component_and_show_on_the_page(
    desk: Person, subscription: Subscription
) -> None:
    path = f"/admin/subscriptions/operation/own_terms/?id={subscription.id}&component=sms"
    form = desk.text(path)
    assert "Components: sms, fee." in form
    assert "&#34;unit&#34;: &#34;0.25&#34;" in form
    terms = json.dumps({"model": "per_unit", "unit": "0.20"})
    answer = act(
        desk, "subscriptions", subscription, "own_terms", component="sms", terms=terms, start_on="2026-11-01"
    )
    assert answer.location == f"/admin/subscriptions/details/?id={subscription.id}"
    agreed = db.session.scalars(db.select(TermsOverride)).one()
    assert (agreed.terms["unit"], agreed.start_at.isoformat()) == ("0.2", "2026-10-31T18:30:00+00:00")
    page = desk.text(answer.location)
    assert "SMS has its own terms." in page
    assert "Per unit, unit 0.2" in page
    assert "&#34;unit&#34;: &#34;0.2&#34;" in desk.text(path)


@pytest.mark.parametrize(
    ("form", "field", "message"),
    [
        ({"component": "fax"}, "component", "There is no component"),
        ({"terms": '{"unit": "-1"}'}, "terms", "unit: The number may not be negative."),
        ({"terms": "cheap"}, "terms", "Write an object in braces"),
        ({"start_on": "2026-11-07"}, "start_on", "The nearest borders are 2026-11-01 and 2026-12-01."),
    ],
)
def test_terms_that_cannot_be_are_refused_at_their_field(
    desk: Person, subscription: Subscription, form: dict[str, str], field: str, message: str
) -> None:
    given = {"component": "sms", "terms": '{"unit": "0.2"}', **form}
    found = errors(act(desk, "subscriptions", subscription, "own_terms", **given))
    assert list(found) == [field]
    assert message in found[field]
    assert db.session.scalars(db.select(TermsOverride)).all() == []


def test_a_commitment_and_a_discount_are_agreed_on_and_ended(
    desk: Person, subscription: Subscription
) -> None:
    act(desk, "subscriptions", subscription, "commit", amount="5000", reason="Contract 7")
    form = {"name": "Launch", "kind": "percent", "value": "12.5", "start_on": "2026-10-01"}
    act(desk, "subscriptions", subscription, "discount", **form)
    page = desk.text(f"/admin/subscriptions/details/?id={subscription.id}")
    for text in ("Contract 7", "5,000.00", "Launch", "12.5%"):
        assert text in page
    commitment = db.session.scalars(db.select(Commitment)).one()
    discount = db.session.scalars(db.select(Discount)).one()
    assert (commitment.start_on, discount.subscription_id) == (date(2026, 11, 1), subscription.id)
    act(desk, "commitments", commitment, "end", on="2027-01-01")
    act(desk, "discounts", discount, "end", on="2027-02-01")
    assert (commitment.end_on, discount.end_on) == (date(2027, 1, 1), date(2027, 2, 1))


def test_a_discount_of_too_much_is_refused_at_its_field(desk: Person, subscription: Subscription) -> None:
    form = {"name": "Launch", "kind": "percent", "value": "101"}
    found = errors(act(desk, "subscriptions", subscription, "discount", **form))
    assert found == {"value": "A percentage above 0 and up to 100 is needed."}
    assert db.session.scalars(db.select(Discount)).all() == []


def test_an_account_gets_a_credit_and_the_rest_is_withdrawn(desk: Person, subscription: Subscription) -> None:
    account: Account = subscription.account
    act(desk, "accounts", account, "credit", amount="250", reason="Outage")
    credit = db.session.scalars(db.select(AccountCredit)).one()
    assert credit.remaining == Decimal(250)
    assert "Outage" in desk.text(f"/admin/accounts/details/?id={account.id}")
    act(desk, "account-credits", credit, "withdraw", reason="By mistake")
    assert (credit.remaining, credit.withdrawn) == (Decimal(0), Decimal(250))


def test_a_coupon_is_made_redeemed_and_refused_the_second_time(
    desk: Person, subscription: Subscription
) -> None:
    form = {
        "code": "diwali26",
        "name": "Diwali",
        "percent": "10",
        "duration": "periods",
        "periods": "3",
        "max_per_account": "1",
        "plan_codes": subscription.plan.code,
    }
    answer = desk.post("/admin/coupons/new/", form)
    assert answer.status_code == 302, answer.get_data(as_text=True)
    coupon = db.session.scalars(db.select(Coupon)).one()
    assert (coupon.code, coupon.periods, coupon.plan_codes) == ("DIWALI26", 3, [subscription.plan.code])
    account = subscription.account
    assert act(desk, "accounts", account, "redeem", code="Diwali26").status_code == 302
    found = errors(act(desk, "accounts", account, "redeem", code="DIWALI26"))
    assert found == {"code": "The account has redeemed this coupon already."}
    assert len(db.session.scalars(db.select(CouponRedemption)).all()) == 1
    assert account.name in desk.text(f"/admin/coupons/details/?id={coupon.id}")
    edited = desk.post(f"/admin/coupons/edit/?id={coupon.id}", {"max_redemptions": "5", "active": ""})
    assert edited.status_code == 302
    assert (coupon.max_redemptions, coupon.active) == (5, False)


@pytest.mark.parametrize(
    ("form", "field"),
    [
        ({"percent": ""}, "percent"),
        ({"amount": "5", "percent": ""}, "currency"),
        ({"duration": "periods"}, "periods"),
        ({"code": "two words"}, "code"),
        ({"plan_codes": "nope"}, "plan_codes"),
    ],
)
def test_a_coupon_that_cannot_be_is_refused_at_its_field(
    desk: Person, form: dict[str, str], field: str
) -> None:
    given = {"code": "TEN", "name": "Ten", "percent": "10", "duration": "once", "max_per_account": "1"}
    assert list(errors(desk.post("/admin/coupons/new/", {**given, **form}))) == [field]
    assert db.session.scalars(db.select(Coupon)).all() == []


def test_support_may_look_and_not_agree(at_desk: Desk, subscription: Subscription) -> None:
    person = at_desk(Role.support)
    page = person.text(f"/admin/subscriptions/details/?id={subscription.id}")
    assert "Price list" in page
    assert "operation=own_terms" not in page
    assert act(person, "subscriptions", subscription, "commit", amount="1").status_code == 403
    assert db.session.scalars(db.select(Commitment)).all() == []
