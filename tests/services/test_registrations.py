"""Registrations of the seller: validated, one default, frozen once used; letters by financial year; and which
of them issues a document."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.errors import Conflict, Frozen, Invalid
from app.models import AuditRecord, SellerRegistration
from app.services import accounts, registrations, taxes
from tests import factories as make
from tests.services.invoicing import issue_for, priced

ON = date(2026, 11, 1)


def entered(state: str = "27", prefix: str = "MH", **values: Any) -> SellerRegistration:
    given = {
        "legal_name": "OTPless Communications Private Limited",
        "gstin": make.a_gstin(state),
        "address_line1": "Baner Road",
        "city": "Pune",
        "postal_code": "411045",
        "series_prefix": prefix,
        "valid_from": date(2020, 4, 1),
    }
    return registrations.create({**given, **values}, actor=make.ACTOR)


def refused_at(work: Callable[[], object]) -> tuple[str, str]:
    """Return pointer and code of the refusal."""
    with pytest.raises((Invalid, Conflict)) as refused:
        work()
    (field,) = refused.value.fields
    return field.pointer, field.code


def test_the_state_is_that_of_the_gstin(session: Session) -> None:
    row = entered(gstin=f" {make.a_gstin('27').lower()} ", prefix="mh")
    assert (row.gstin, row.state_code, row.series_prefix) == (make.a_gstin("27"), "27", "MH")
    record = session.scalars(select(AuditRecord).where(AuditRecord.action == "seller.registered")).one()
    assert record.resource_id == str(row.id)


@pytest.mark.parametrize(
    ("values", "refusal"),
    [
        ({"gstin": "27AABCO1234F1ZA"}, ("/gstin", "bad_gstin")),
        ({"state_code": "29"}, ("/state_code", "mismatch")),
        ({"series_prefix": "/MH"}, ("/series_prefix", "bad_prefix")),
        ({"series_prefix": "MAHAR"}, ("/series_prefix", "too_long")),
        ({"valid_until": date(2020, 3, 31)}, ("/valid_until", "before_start")),
        ({"legal_name": " "}, ("/legal_name", "required")),
        ({"gstin": make.a_gstin("29")}, ("/gstin", "taken")),
        ({"series_prefix": "OT29"}, ("/series_prefix", "overlaps")),
    ],
)
def test_what_cannot_be_entered_is_refused_at_its_field(
    session: Session, values: dict[str, Any], refusal: tuple[str, str]
) -> None:
    make.make_seller()
    assert refused_at(lambda: entered(**values)) == refusal
    assert len(session.scalars(select(SellerRegistration)).all()) == 1


def test_prefixes_do_not_overlap_through_the_letters_of_kinds(session: Session) -> None:
    """The exports of OT are numbered OTE/…, and so would be the invoices of a registration OTE."""
    entered("27", "OT")
    assert refused_at(lambda: entered("33", "OTE")) == ("/series_prefix", "overlaps")


def test_there_is_one_default(session: Session) -> None:
    first = make.make_seller()
    second = entered(is_default=True)
    session.refresh(first)
    assert (first.is_default, second.is_default) == (False, True)


def test_what_documents_carry_stays_once_one_was_issued(session: Session) -> None:
    seller = make.make_seller()
    make.make_tax_rate("18")
    issue_for(priced(make.fee("100")).account)
    for name, value in (("gstin", make.a_gstin("29", "AABCO9999F")), ("series_prefix", "BLR")):
        with pytest.raises(Frozen) as refused:
            registrations.change(seller, {name: value}, actor=make.ACTOR)
        assert refused.value.fields[0].pointer == f"/{name}"
    assert (seller.gstin, seller.series_prefix) == (make.a_gstin("29"), "OT29")
    registrations.change(seller, {"city": "Mysuru"}, actor=make.ACTOR)
    assert seller.city == "Mysuru"


def test_a_letter_holds_for_its_financial_year(session: Session) -> None:
    seller = entered()
    letter = registrations.add_letter(
        seller, {"financial_year": "2026-27", "number": "AD27"}, actor=make.ACTOR
    )
    assert (letter.valid_from, letter.valid_until) == (date(2026, 4, 1), date(2027, 3, 31))
    session.refresh(seller)
    found = taxes.seller_of(seller)
    days = (date(2026, 3, 31), date(2026, 4, 1), date(2027, 3, 31), date(2027, 4, 1))
    assert [found.lut_on(on) for on in days] == [None, "AD27", "AD27", None]


@pytest.mark.parametrize(
    ("values", "refusal"),
    [
        ({"financial_year": "2026-28"}, ("/financial_year", "bad_year")),
        ({"financial_year": "2025-26"}, ("/financial_year", "taken")),
        ({"valid_until": date(2027, 4, 1)}, ("/valid_until", "outside_of_year")),
        ({"valid_from": date(2026, 9, 2), "valid_until": date(2026, 9, 1)}, ("/valid_until", "before_start")),
    ],
)
def test_a_letter_that_cannot_be_is_refused(
    session: Session, values: dict[str, Any], refusal: tuple[str, str]
) -> None:
    seller = entered()
    given = {"financial_year": "2026-27", "number": "AD27"}
    registrations.add_letter(seller, {**given, "financial_year": "2025-26"}, actor=make.ACTOR)
    session.refresh(seller)
    assert (
        refused_at(lambda: registrations.add_letter(seller, {**given, **values}, actor=make.ACTOR)) == refusal
    )


def test_an_export_between_two_letters_bears_tax(session: Session) -> None:
    """IGST Act s.16(3)(b): the letter of 2025-26 does not hold in November 2026."""
    seller = make.make_seller(lut=False)
    make.make_tax_rate("18")
    registrations.add_letter(seller, {"financial_year": "2025-26", "number": "AD29"}, actor=make.ACTOR)
    customer = make.make_customer(country="US", state_code="CA")
    account = make.make_account(customer, currency="USD")
    invoice = issue_for(priced(make.fee("100", currency="USD"), account=account).account)
    assert [tax["code"] for tax in invoice.taxes] == ["IGST"]


@pytest.fixture
def two(session: Session) -> tuple[SellerRegistration, SellerRegistration]:
    """The default registration in Karnataka and another in Maharashtra."""
    make.make_tax_rate("18")
    return make.make_seller(), entered()


def test_the_default_one_issues(two: tuple[SellerRegistration, SellerRegistration]) -> None:
    account = make.make_account(make.make_customer(state_code="27"))
    assert taxes.get_seller(ON, account).id == two[0].id


def test_by_setting_the_one_in_the_state_of_the_recipient_issues(
    app: Flask, two: tuple[SellerRegistration, SellerRegistration], monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = replace(app.extensions["settings"], registration_choice="same_state_first")
    monkeypatch.setitem(app.extensions, "settings", chosen)
    by_address, by_gstin, elsewhere, abroad = (
        make.make_account(make.make_customer(**values))
        for values in (
            {"state_code": "27"},
            {"gstin": make.a_gstin("27")},
            {"state_code": "33"},
            {"country": "US", "state_code": "27"},
        )
    )
    issuers = [taxes.get_seller(ON, one).state_code for one in (by_address, by_gstin, elsewhere, abroad)]
    assert issuers == ["27", "27", "29", "29"]
    invoice = issue_for(priced(make.fee("100"), account=by_gstin).account)
    assert (invoice.number, [tax["code"] for tax in invoice.taxes]) == (
        "MH/26-27/000001",
        ["CGST", "SGST"],
    )


def test_one_that_has_ended_does_not_issue(two: tuple[SellerRegistration, SellerRegistration]) -> None:
    registrations.change(two[0], {"valid_until": date(2026, 10, 31)}, actor=make.ACTOR)
    account = make.make_account()
    assert taxes.get_seller(date(2026, 10, 31), account).id == two[0].id
    assert taxes.get_seller(ON, account).id == two[1].id


def test_the_one_that_is_chosen_for_the_account_issues(
    session: Session, two: tuple[SellerRegistration, SellerRegistration]
) -> None:
    account = make.make_account(registration_id=str(two[1].id))
    subscription = priced(make.fee("100"), account=account)
    invoice = issue_for(subscription.account)
    assert invoice.registration_id == two[1].id
    assert [tax["code"] for tax in invoice.taxes] == ["IGST"]
    registrations.change(two[1], {"valid_until": date(2026, 11, 30)}, actor=make.ACTOR)
    with pytest.raises(Conflict, match=r"chosen for .* is not valid on 2026-12-01"):
        taxes.get_seller(date(2026, 12, 1), account)


def test_a_registration_that_does_not_exist_cannot_be_chosen(session: Session) -> None:
    account = make.make_account()
    other = str(account.id)
    assert refused_at(lambda: accounts.update(account, {"registration_id": other}, actor=make.ACTOR)) == (
        "/registration_id",
        "unknown_registration",
    )
    assert account.registration_id is None


def test_the_letter_of_the_year_before_does_not_hold_on_1_april(session: Session) -> None:
    """Rule 96A: a letter is for one financial year."""
    seller = make.make_seller(lut=False)
    make.make_tax_rate("18")
    registrations.add_letter(seller, {"financial_year": "2025-26", "number": "AD29"}, actor=make.ACTOR)
    customer = make.make_customer(gstin=make.a_gstin("29"), tax_treatment="sez")
    session.refresh(seller)
    found = taxes.seller_of(seller)
    kinds = [taxes.supply_to(customer, found, on=on).taxes for on in (date(2026, 3, 31), date(2026, 4, 1))]
    assert kinds == [(), (("IGST", 1),)]
