"""Tax data and returns over the API: entered, refused at their fields, and for staff only."""

from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.models import SellerRegistration, TaxRate
from app.services import invoices
from tests import factories as make
from tests.api.conftest import Caller, NewCaller
from tests.services.invoicing import IN_NOVEMBER, OCTOBER

REGISTRATION = {
    "legal_name": "OTPless Communications Private Limited",
    "gstin": make.a_gstin("27"),
    "address_line1": "Baner Road",
    "city": "Pune",
    "postal_code": "411045",
    "series_prefix": "MH",
    "valid_from": "2020-04-01",
}
ENTRIES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "/admin/registrations": (REGISTRATION, {"city": "Nagpur"}),
    "/admin/tax-rates": (
        {"service_code": "998313", "rate": "12", "valid_from": "2026-01-01"},
        {"rate": "12.5"},
    ),
    "/admin/exchange-rates": (
        {"currency": "EUR", "rate": "97.123456", "valid_from": "2026-01-01", "source": "RBI"},
        {"rate": "98"},
    ),
    "/admin/tax-collectors": (
        {"country": "ID", "tax_name": "PPN", "number": "01.234", "valid_from": "2026-01-01"},
        {"number": "05.678"},
    ),
}


def patch(caller: Caller, path: str, body: dict[str, Any]) -> Any:
    return caller.client.patch(f"/api/v1{path}", json=body, headers=caller.headers)


@pytest.mark.parametrize("path", ENTRIES)
def test_an_entry_is_made_listed_and_changed(caller: Caller, path: str) -> None:
    entry, change = ENTRIES[path]
    made = caller.post(path, entry, Idempotency_Key="one")
    assert made.status_code == 201
    key = made.json["data"]["id"]
    again = caller.post(path, entry, Idempotency_Key="one")
    assert again.json["data"]["id"] == key
    shown = {name: made.json["data"]["attributes"][name] for name in entry}
    assert shown == entry
    assert [one["id"] for one in caller.get(path).json["data"]] == [key]
    changed = patch(caller, f"{path}/{key}", change)
    assert changed.status_code == 200
    assert {name: changed.json["data"]["attributes"][name] for name in change} == change


@pytest.mark.parametrize("path", ENTRIES)
def test_an_entry_twice_is_a_conflict_and_changes_nothing(caller: Caller, path: str) -> None:
    entry, _ = ENTRIES[path]
    caller.post(path, entry)
    refused = caller.post(path, entry)
    assert refused.status_code == 409
    assert len(caller.get(path).json["data"]) == 1


@pytest.mark.parametrize("path", ENTRIES)
def test_tax_data_is_for_staff_with_the_right_to_it(new_caller: NewCaller, path: str) -> None:
    entry, _ = ENTRIES[path]
    assert new_caller("billing:write").get(path).status_code == 403
    assert new_caller("settings:read").get(path).status_code == 200
    assert new_caller("settings:read").post(path, entry).status_code == 403
    assert new_caller("all", account=make.make_account()).post(path, entry).status_code == 403


def test_a_gstin_with_a_slip_is_refused_at_its_field(caller: Caller, session: Session) -> None:
    refused = caller.post("/admin/registrations", {**REGISTRATION, "gstin": "27AABCO1234F1ZA"})
    assert refused.status_code == 400
    assert [(one["pointer"], one["code"]) for one in refused.json["error"]["fields"]] == [
        ("/gstin", "bad_gstin")
    ]
    assert session.scalars(select(SellerRegistration)).all() == []


@pytest.mark.parametrize("rate", ["-1", "100.001", "1.2345", str(2**63), "ten"])
def test_a_rate_out_of_range_is_refused(caller: Caller, session: Session, rate: str) -> None:
    refused = caller.post("/admin/tax-rates", {**ENTRIES["/admin/tax-rates"][0], "rate": rate})
    assert (refused.status_code, refused.json["error"]["fields"][0]["pointer"]) == (400, "/rate")
    assert session.scalars(select(TaxRate)).all() == []


def test_a_letter_is_entered_and_changed(caller: Caller) -> None:
    key = caller.post("/admin/registrations", REGISTRATION).json["data"]["id"]
    letter = {"financial_year": "2026-27", "number": "AD27"}
    made = caller.post(f"/admin/registrations/{key}/letters", letter)
    assert made.json["data"]["attributes"] == {
        **letter,
        "valid_from": "2026-04-01",
        "valid_until": "2027-03-31",
    }
    changed = patch(
        caller, f"/admin/letters-of-undertaking/{made.json['data']['id']}", {"valid_from": "2026-06-01"}
    )
    assert changed.json["data"]["attributes"]["valid_from"] == "2026-06-01"
    shown = caller.get(f"/admin/registrations/{key}").json["data"]["attributes"]["letters"]
    assert [one["valid_from"] for one in shown] == ["2026-06-01"]


def test_the_registration_of_an_account_is_chosen_by_the_api(caller: Caller) -> None:
    key = caller.post("/admin/registrations", REGISTRATION).json["data"]["id"]
    account = make.make_account()
    changed = patch(caller, f"/accounts/{account.id}", {"registration_id": key})
    assert changed.json["data"]["attributes"]["registration_id"] == key
    refused = patch(caller, f"/accounts/{account.id}", {"registration_id": str(account.id)})
    assert refused.json["error"]["fields"][0]["code"] == "unknown_registration"


@pytest.fixture
def seller(session: Session) -> SellerRegistration:
    """A seller with one issued invoice of ₹1,180 in November 2026."""
    row = make.make_seller()
    make.make_tax_rate("18")
    line = {"description": "Setup", "quantity": "1", "unit_price": "1000"}
    account = make.make_account(make.make_customer("=cmd", gstin=make.a_gstin("27")))
    draft = invoices.draft_by_hand(account, OCTOBER, lines=[line], at=IN_NOVEMBER, actor=make.ACTOR)
    invoices.issue(draft, at=IN_NOVEMBER, actor=make.ACTOR)
    return row


def test_a_return_is_read_as_json_and_csv(caller: Caller, seller: SellerRegistration) -> None:
    asked = {"registration_id": seller.id, "month": "2026-11"}
    told = caller.get("/admin/gst-returns", **asked).json["data"]["attributes"]
    assert told["supplies"] == {"taxable": "1000", "igst": "180", "cgst": "0", "sgst": "0"}
    sheet = caller.get("/admin/gst-returns.csv", **asked, section="b2b")
    assert sheet.content_type == "text/csv; charset=utf-8"
    assert sheet.headers["Content-Disposition"] == (
        f'attachment; filename="gstr1-{seller.gstin}-2026-11.csv"'
    )
    assert ",'=cmd," in sheet.get_data(as_text=True)


@pytest.mark.parametrize(
    ("changes", "status"), [({"month": "2026-13"}, 400), ({"section": "x"}, 400), ({"month": ""}, 400)]
)
def test_a_return_that_cannot_be_is_refused(
    caller: Caller, seller: SellerRegistration, changes: dict[str, str], status: int
) -> None:
    asked = {"registration_id": seller.id, "month": "2026-11", **changes}
    assert caller.get("/admin/gst-returns.csv", **asked).status_code == status


def test_a_return_is_for_staff(new_caller: NewCaller, seller: SellerRegistration) -> None:
    asked = {"registration_id": seller.id, "month": "2026-11"}
    bound = new_caller("all", account=make.make_account())
    assert bound.get("/admin/gst-returns", **asked).status_code == 403
