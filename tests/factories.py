"""What a test needs to begin: a seller, a rate, a customer on a plan. Every maker goes through the real
services.

Each maker takes only what the test cares about; the rest is a believable default. Names are numbered, so that
a test may make as many as it wants. All of them flush and none commits: call them inside a test's session, or
in a `transaction()` of your own on an `own_database`.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import count
from typing import Any

from app.db import db
from app.domain.gstin import check_character
from app.domain.numbering import FinancialYear
from app.models import (
    Account,
    Customer,
    ExchangeRate,
    LetterOfUndertaking,
    Metric,
    PricePlan,
    SellerRegistration,
    Subscription,
    TaxRate,
    Wallet,
)
from app.models.customers import BillingMode
from app.models.plans import Anchor
from app.permissions import Actor, Role
from app.services import (
    accounts,
    commitments,
    contracts,
    coupons,
    customers,
    discounts,
    exchange_rates,
    metrics,
    plans,
    subscriptions,
    wallet_limits,
    wallets,
)

ACTOR = Actor(kind="user", id="test", label="Test Person", role=Role.super_admin)
# 1 October 2026, 00:00 in India.
START = datetime(2026, 9, 30, 18, 30, tzinfo=UTC)
KARNATAKA, MAHARASHTRA = "29", "27"

_numbers = count(1)


def a_gstin(state_code: str, pan: str = "AABCO1234F", entity: str = "1") -> str:
    """Return a GSTIN with the right check character."""
    head = f"{state_code}{pan}{entity}Z"
    return head + check_character(head)


def make_seller(state_code: str = KARNATAKA, *, lut: bool = True, **values: Any) -> SellerRegistration:
    """Register the seller in a State, Karnataka by default, with a letter of undertaking for every year from
    2015 to 2029, and enter what dollars and rupiah are in rupees."""
    given: dict[str, Any] = {
        "legal_name": "OTPless Communications Private Limited",
        "gstin": a_gstin(state_code),
        "state_code": state_code,
        "address_line1": "4th Floor, 80 Feet Road, Koramangala",
        "city": "Bengaluru",
        "postal_code": "560034",
        "series_prefix": f"OT{state_code}",
        "is_default": True,
        "valid_from": date(2015, 1, 1),
        "bank_details": "HDFC Bank, A/C 50200012345678, IFSC HDFC0000123",
    }
    seller = SellerRegistration(**{**given, **values})
    seller.letters = [
        LetterOfUndertaking(
            financial_year=year.label,
            number="AD290326000123X",
            valid_from=year.first_on,
            valid_until=year.last_on,
        )
        for year in map(FinancialYear, range(2015, 2030))
        if lut
    ]
    db.session.add(seller)
    db.session.flush()
    for currency, rate in (("USD", "83.25"), ("IDR", "0.0052")):
        if exchange_rates.find(currency, date(2015, 1, 1)) is None:
            make_exchange_rate(rate, currency)
    return seller


def make_exchange_rate(
    rate: str = "83.25", currency: str = "USD", *, valid_from: date = date(2015, 1, 1), **values: Any
) -> ExchangeRate:
    """Enter what a unit of a currency is in rupees from a day on."""
    given = {"currency": currency, "rate": rate, "valid_from": valid_from, "source": "RBI reference rate"}
    return exchange_rates.create({**given, **values}, actor=ACTOR)


def make_tax_rate(
    rate: str = "18", *, service_code: str = "*", valid_from: date = date(2015, 1, 1)
) -> TaxRate:
    """Set the GST rate of a service code (by default of all), in percent."""
    row = TaxRate(jurisdiction="IN", service_code=service_code, rate=Decimal(rate), valid_from=valid_from)
    db.session.add(row)
    db.session.flush()
    return row


def make_customer(name: str | None = None, **values: Any) -> Customer:
    """Make a customer, in Karnataka without GSTIN by default."""
    n = next(_numbers)
    given = {
        "name": name or f"Asha Traders {n}",
        "email": f"accounts{n}@asha.example.in",
        "country": "IN",
        "address_line1": f"{n} MG Road",
        "city": "Bengaluru",
        "postal_code": "560001",
    }
    if values.get("country", "IN") == "IN" and not {"state_code", "gstin"} & values.keys():
        given["state_code"] = KARNATAKA
    return customers.create({**given, **values}, actor=ACTOR)


def make_account(customer: Customer | None = None, *, prepaid: bool = False, **values: Any) -> Account:
    """Make an account: postpaid, in INR and India's time by default. A prepaid one has its empty wallet."""
    mode = BillingMode.prepaid if prepaid else BillingMode.postpaid
    given = {"external_id": f"acct-{next(_numbers)}", "billing_mode": mode}
    return accounts.create(customer or make_customer(), {**given, **values}, actor=ACTOR)


def make_wallet(
    balance: str = "0", *, account: Account | None = None, at: datetime = START, **limits: Any
) -> Wallet:
    """Return the wallet of a prepaid account (a new one by default) with that balance from a top-up.

    `limits` are those of `wallet_limits`: `low_balance_threshold`, `overdraft_limit`, `auto_top_up`.
    """
    wallet = wallets.find_for(account or make_account(prepaid=True))
    assert wallet is not None
    if Decimal(balance):
        wallets.top_up(wallet, Decimal(balance), at=at, actor=ACTOR, reason="Bank transfer")
    return wallet_limits.set_limits(wallet, limits, actor=ACTOR) if limits else wallet


def make_metric(code: str | None = None, **values: Any) -> Metric:
    """Make a metric that counts events, with the dimensions channel and country."""
    given = {
        "code": code or f"auth.otp{next(_numbers)}",
        "unit": "message",
        "dimensions": ["channel", "country"],
    }
    return metrics.create({**given, **values}, actor=ACTOR)


def per_unit(metric: Metric, unit: str = "0.25", **more: Any) -> dict[str, Any]:
    """Return the component of a plan that prices every unit of `metric` the same."""
    return {"metric": metric.code, "model": "per_unit", "unit": unit, **more}


def graduated(metric: Metric, *tiers: tuple[str | None, str], **more: Any) -> dict[str, Any]:
    """Return a graduated component: `graduated(metric, ("100", "0"), (None, "0.5"))`."""
    rows = [{"up_to": up_to, "unit": unit} for up_to, unit in tiers]
    return {"metric": metric.code, "model": "graduated", "tiers": rows, **more}


def fee(price: str = "999", **more: Any) -> dict[str, Any]:
    """Return the component of a fixed fee per period, in arrears and prorated by default."""
    return {"code": "fee", "name": "Platform fee", "model": "flat", "price": price, **more}


def make_plan(
    code: str | None = None,
    *,
    components: Sequence[Mapping[str, Any]] = (),
    publish: bool = True,
    version: Mapping[str, Any] | None = None,
    **values: Any,
) -> PricePlan:
    """Make a plan with these components (`per_unit`, `graduated`, `fee`), its first version published by
    default."""
    given = {"code": code or f"growth{next(_numbers)}", **values}
    plan = plans.create(given, version=version, prices=components, actor=ACTOR)
    if publish:
        plans.publish(plan.versions[0], at=datetime(2015, 1, 1, tzinfo=UTC), actor=ACTOR)
    return plan


def make_subscription(
    account: Account | None = None,
    plan: PricePlan | None = None,
    *,
    start_at: datetime = START,
    anchor: Anchor = Anchor.calendar,
    **more: Any,
) -> Subscription:
    """Subscribe an account to a plan from 1 October 2026, 00:00 IST."""
    plan = plan or make_plan(components=[per_unit(make_metric())])
    return subscriptions.start(
        account or make_account(), plan.code, start_at=start_at, anchor=anchor, actor=ACTOR, **more
    )


def make_contract(account: Account, subscription: Subscription, number: int) -> None:
    """Agree on one of everything with an account: own terms, a commitment, a discount, a coupon, a credit."""
    code = subscription.version.components[0].code
    contracts.override(subscription, [{"component": code, "unit": "0.2"}], actor=ACTOR)
    commitments.agree(subscription, "5000", end_on="2099-01-01", actor=ACTOR)
    discounts.grant(account, {"name": "Launch offer", "percent": "10"}, actor=ACTOR)
    discounts.give_credit(account, "250", reason="Outage", at=START, actor=ACTOR)
    coupons.create({"code": f"DIWALI{number}", "name": "Diwali", "percent": "5"}, actor=ACTOR)
    coupons.redeem(account, f"DIWALI{number}", at=START, actor=ACTOR)
