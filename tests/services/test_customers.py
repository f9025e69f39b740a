"""Customers and accounts: what is taken, normalised, refused by field, and recorded."""

from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.errors import Conflict, Frozen, Invalid, NotFound
from app.models import Account, AuditRecord, Customer
from app.services import accounts, customers, wallets
from tests import factories as make


def refusals(error: Invalid) -> list[tuple[str, str]]:
    return [(field.pointer, field.code) for field in error.fields]


def test_values_are_stored_in_their_normal_form(session: Session) -> None:
    gstin = make.a_gstin("29")
    customer = customers.create(
        {
            "name": " Asha Traders ",
            "email": "Accounts@ASHA.example.in",
            "phone": "+91 98765 43210",
            "country": "in",
            "gstin": gstin.lower(),
        },
        actor=make.ACTOR,
    )
    assert (customer.name, customer.email) == ("Asha Traders", "Accounts@asha.example.in")
    assert (customer.phone, customer.country) == ("+919876543210", "IN")
    assert (customer.gstin, customer.state_code) == (gstin, "29")


@pytest.mark.parametrize(
    ("values", "pointer", "code"),
    [
        ({"name": ""}, "/name", "required"),
        ({"name": "x" * 301}, "/name", "too_long"),
        ({"email": "no-address"}, "/email", "bad_email"),
        ({"email": f"{'a' * 64}@{'b' * 63}.{'c' * 63}.{'d' * 60}.in"}, "/email", "bad_email"),
        ({"phone": "98765"}, "/phone", "bad_phone"),
        ({"country": "XX"}, "/country", "unknown_country"),
        ({"state_code": "99"}, "/state_code", "unknown_state"),
        ({"gstin": "29AABCO1234F1Z0"}, "/gstin", "bad_gstin"),
        ({"gstin": make.a_gstin("27"), "state_code": "29"}, "/state_code", "mismatch"),
        ({"gstin": make.a_gstin("27"), "country": "US"}, "/gstin", "mismatch"),
        ({"tax_treatment": "sez", "country": "US"}, "/tax_treatment", "mismatch"),
        ({"tax_treatment": "sez", "state_code": "29"}, "/tax_treatment", "needs_gstin"),
        ({"tax_treatment": "free"}, "/tax_treatment", "unknown_choice"),
        ({"extra": []}, "/extra", "not_an_object"),
        ({"id": "1"}, "/id", "unknown_field"),
    ],
)
def test_what_cannot_be_used_is_refused_by_its_field(
    session: Session, values: dict[str, Any], pointer: str, code: str
) -> None:
    given = {"name": "Asha", "email": "a@asha.example.in", **values}
    with pytest.raises(Invalid) as refused:
        customers.create(given, actor=make.ACTOR)
    assert refusals(refused.value) == [(pointer, code)]
    assert session.scalar(select(func.count()).select_from(Customer)) == 0
    assert session.scalar(select(func.count()).select_from(AuditRecord)) == 0


def test_every_problem_is_told_at_once(session: Session) -> None:
    with pytest.raises(Invalid) as refused:
        customers.create({"email": "x", "phone": "1"}, actor=make.ACTOR)
    assert refusals(refused.value) == [
        ("/name", "required"),
        ("/email", "bad_email"),
        ("/phone", "bad_phone"),
    ]


def test_a_change_leaves_one_record_of_what_differs(session: Session) -> None:
    customer = make.make_customer("Asha", external_id="c-1")
    customers.update(customer, {"name": "Asha & Sons", "city": "Bengaluru"}, actor=make.ACTOR)
    record = session.scalars(select(AuditRecord).where(AuditRecord.action == "customer.updated")).one()
    assert (record.before, record.after) == ({"name": "Asha"}, {"name": "Asha & Sons"})
    customers.update(customer, {"name": "Asha & Sons"}, actor=make.ACTOR)
    changed = select(func.count()).where(AuditRecord.action == "customer.updated")
    assert session.scalar(changed) == 1


def test_a_refused_change_leaves_the_customer_as_it_was(session: Session) -> None:
    customer = make.make_customer(gstin=make.a_gstin("29"))
    with pytest.raises(Invalid):
        customers.update(customer, {"name": "Other", "state_code": "27"}, actor=make.ACTOR)
    assert (customer.name.startswith("Asha"), customer.state_code) == (True, "29")
    assert customer not in session.dirty


def test_an_external_id_belongs_to_one_customer(session: Session) -> None:
    first = make.make_customer(external_id="c-1")
    with pytest.raises(Conflict, match="Another customer has this external id"):
        make.make_customer(external_id="c-1")
    assert customers.get("c-1") is customers.get(first.id) is first
    with pytest.raises(NotFound):
        customers.get("c-2")


def test_a_prepaid_account_has_its_wallet(session: Session) -> None:
    account = make.make_account(prepaid=True, currency="USD")
    wallet = wallets.find_for(account)
    assert wallet is not None
    assert (wallet.currency, wallet.balance) == ("USD", 0)
    assert wallets.find_for(make.make_account()) is None


def test_an_account_that_becomes_prepaid_gets_its_wallet(session: Session) -> None:
    account = make.make_account()
    accounts.update(account, {"billing_mode": "prepaid"}, actor=make.ACTOR)
    assert wallets.find_for(account) is not None


@pytest.mark.parametrize(
    ("values", "pointer", "code"),
    [
        ({"currency": "XYZ"}, "/currency", "unknown_currency"),
        ({"timezone": "Mars/Base"}, "/timezone", "unknown_timezone"),
        ({"billing_mode": "free"}, "/billing_mode", "unknown_choice"),
        ({"payment_terms_days": 366}, "/payment_terms_days", "out_of_range"),
        ({"payment_terms_days": True}, "/payment_terms_days", "out_of_range"),
    ],
)
def test_an_account_that_cannot_be_is_refused_by_its_field(
    session: Session, values: dict[str, Any], pointer: str, code: str
) -> None:
    customer = make.make_customer()
    with pytest.raises(Invalid) as refused:
        accounts.create(customer, values, actor=make.ACTOR)
    assert refusals(refused.value) == [(pointer, code)]
    assert session.scalar(select(func.count()).select_from(Account)) == 0


def test_the_currency_of_an_account_stays_once_it_subscribes(session: Session) -> None:
    account = make.make_subscription().account
    with pytest.raises(Frozen):
        accounts.update(account, {"currency": "USD"}, actor=make.ACTOR)
    assert account.currency == "INR"
    accounts.update(account, {"name": "Main"}, actor=make.ACTOR)
    assert account.name == "Main"


def test_an_account_is_found_by_either_id(session: Session) -> None:
    account = make.make_account(external_id="acct-x")
    assert accounts.get("acct-x") is accounts.get(str(account.id)) is account
    with pytest.raises(NotFound):
        accounts.get("nobody")
