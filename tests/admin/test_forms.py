"""Forms: an untouched one changes nothing, a wrong one says at the field what is wrong, and every change
leaves one audit record.
"""

import re
from decimal import Decimal
from typing import Any

import pytest
from flask import Flask

from app.db import db
from app.models import Account, AuditRecord, Customer, SellerRegistration, TaxRate, Wallet
from app.services import audit
from tests import factories
from tests.admin.conftest import Person
from tests.admin.world import World


def sent(page: str) -> dict[str, str]:
    """Return what a browser sends of a form that nobody touched."""
    form = re.search(r'<form class="record-form".*?</form>', page, re.DOTALL)
    assert form
    found = dict(re.findall(r'<input[^>]*? name="([^"]+)"[^>]*? value="([^"]*)"', form[0]))
    found |= dict(re.findall(r'<textarea[^>]*? name="([^"]+)"[^>]*>\s?(.*?)</textarea>', form[0], re.DOTALL))
    for name, options in re.findall(r'<select[^>]*? name="([^"]+)"[^>]*>(.*?)</select>', form[0], re.DOTALL):
        chosen = re.search(r'<option selected value="([^"]*)"', options) or re.search(
            r'<option value="([^"]*)"', options
        )
        found[name] = chosen[1] if chosen else ""
    for box in re.findall(r'<input[^>]*type="checkbox"[^>]*>', form[0]):
        name = re.search(r'name="([^"]+)"', box)
        if name and " checked" not in box:
            found.pop(name[1], None)
    return {
        name: text.replace("&#34;", '"').replace("&amp;", "&")
        for name, text in found.items()
        if name != "csrf_token"
    }


@pytest.mark.parametrize(
    "screen",
    ["customers", "accounts", "metrics", "plans", "wallets", "seller-registrations", "tax-rates", "users"],
)
def test_saving_an_untouched_page_changes_no_column_and_leaves_no_record(
    screen: str, desk: Person, world: World, app: Flask
) -> None:
    (view,) = [view for view in app.extensions["admin_screens"].values() if view.slug == screen]
    row = db.session.scalars(db.select(view.model)).first()
    key = str(row.id)
    page = desk.get(f"/admin/{screen}/edit/?id={key}").get_data(as_text=True)
    before, records = audit_of(row), db.session.query(AuditRecord).count()
    answer = desk.post(f"/admin/{screen}/edit/?id={key}", sent(page))
    assert answer.status_code == 302, re.findall(
        r'class="field-error".*?</div>', answer.get_data(as_text=True), re.DOTALL
    )
    db.session.refresh(row)
    assert audit_of(row) == before
    assert db.session.query(AuditRecord).count() == records


def audit_of(row: Any) -> dict[str, Any]:
    """Return every column of a row."""
    return {attribute.key: getattr(row, attribute.key) for attribute in type(row).__mapper__.column_attrs}


def test_a_new_customer_is_made_by_its_service_with_one_record(desk: Person) -> None:
    form = {
        "name": "Malabar Spices",
        "email": "Books@Malabar.example.in",
        "country": "IN",
        "state_code": "32",
        "tax_treatment": "regular",
        "status": "active",
    }
    answer = desk.post("/admin/customers/new/", form)
    customer = db.session.query(Customer).filter_by(name="Malabar Spices").one()
    assert answer.location == f"/admin/customers/details/?id={customer.id}"
    (record,) = db.session.query(AuditRecord).filter_by(resource_id=str(customer.id)).all()
    assert (record.action, record.role, record.ip) == ("customer.created", "super_admin", "127.0.0.1")


def test_what_a_service_refuses_stands_at_the_field_and_nothing_is_made(desk: Person) -> None:
    form = {
        "name": "Konkan Wines",
        "email": "a@konkan.example.in",
        "country": "IN",
        "state_code": "27",
        "gstin": factories.a_gstin("29"),
        "tax_treatment": "regular",
        "status": "active",
    }
    answer = desk.post("/admin/customers/new/", form)
    assert answer.status_code == 422
    assert "The GSTIN is registered in State 29, the address is in 27." in answer.get_data(as_text=True)
    assert db.session.query(Customer).filter_by(name="Konkan Wines").count() == 0


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("email", "nobody", "This is not an e-mail address."),
        ("email", "a" * 250 + "@x.in", "254"),
        ("phone", "98765", "country code"),
        ("gstin", "29AABCO1234F1Z1", "The last character does not fit"),
        ("name", "", "This field is required."),
    ],
)
def test_the_rules_of_the_specification_are_told_at_their_field(
    desk: Person, field: str, value: str, message: str
) -> None:
    form = {
        "name": "Nilgiri Tea",
        "email": "tea@nilgiri.example.in",
        "country": "IN",
        "state_code": "29",
        "tax_treatment": "regular",
        "status": "active",
        field: value,
    }
    answer = desk.post("/admin/customers/new/", form)
    assert answer.status_code == 422
    error = re.search(rf'id="{field}-error">(.*?)</div>', answer.get_data(as_text=True), re.DOTALL)
    assert error
    assert message in error[1]


def test_a_broken_constraint_becomes_a_message_at_the_field_without_sql(desk: Person, world: World) -> None:
    rate = db.session.query(TaxRate).first()
    assert rate is not None
    form = {
        "jurisdiction": rate.jurisdiction,
        "service_code": rate.service_code,
        "rate": "5",
        "valid_from": rate.valid_from.isoformat(),
    }
    page = desk.post("/admin/tax-rates/new/", form).get_data(as_text=True)
    assert "This is already used by another tax rate." in page
    assert re.findall(r"psycopg|uq_tax_rates|INSERT|duplicate key|Key \(", page) == []
    form |= {"valid_from": "2030-01-01", "rate": "500"}
    page = desk.post("/admin/tax-rates/new/", form).get_data(as_text=True)
    assert "This value is not allowed here." in page


def test_a_parent_with_children_stays_and_its_children_keep_it(
    desk: Person, world: World, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = app.extensions["admin_screens"][SellerRegistration]
    monkeypatch.setattr(view, "can_delete", True)
    seller = world.invoice.registration
    answer = desk.post("/admin/seller-registrations/delete/", {"id": seller.id})
    assert answer.location == f"/admin/seller-registrations/details/?id={seller.id}"
    assert "It is still used elsewhere" in desk.text(answer.location)
    assert db.session.get(SellerRegistration, seller.id) is not None
    assert world.invoice.registration_id == seller.id


def test_deleting_leaves_a_record_of_what_was(desk: Person, world: World) -> None:
    rate = db.session.query(TaxRate).first()
    assert rate is not None
    key = rate.id
    assert desk.post("/admin/tax-rates/delete/", {"id": key}).status_code == 302
    assert db.session.get(TaxRate, key) is None
    (record,) = db.session.query(AuditRecord).filter_by(resource_id=str(key), action="tax_rate.deleted").all()
    assert record.before is not None
    assert record.before["service_code"] == "*"


def test_a_change_by_form_tells_before_and_after(desk: Person, world: World) -> None:
    form = {"low_balance_threshold": "750.50", "overdraft_limit": "0", "auto_top_up": ""}
    assert desk.post(f"/admin/wallets/edit/?id={world.wallet.id}", form).status_code == 302
    records = (
        db.session.query(AuditRecord)
        .filter_by(
            resource_type="Wallet", resource_id=str(world.wallet.id), role="super_admin", actor_kind="user"
        )
        .all()
    )
    changed = [
        record
        for record in records
        if record.after and "low_balance_threshold" in record.after and "otpless" not in record.actor_id
    ]
    assert [Decimal(str(record.after["low_balance_threshold"])) for record in changed if record.after] == [
        Decimal("750.5")
    ]


def test_a_harmless_cell_is_edited_in_place_and_others_are_not(desk: Person, world: World) -> None:
    answer = desk.post(
        "/admin/accounts/ajax/update/", {"id": world.account.id, "column": "name", "name": "Kaveri North"}
    )
    assert (answer.status_code, answer.json) == (200, {"html": '<span class="text">Kaveri North</span>'})
    assert db.session.get_one(Account, world.account.id).name == "Kaveri North"
    for column in ("currency", "customer_id", "nothing", "id"):
        assert (
            desk.post(
                "/admin/accounts/ajax/update/", {"id": world.account.id, "column": column, column: "USD"}
            ).status_code
            == 404
        )
    wrong = desk.post("/admin/accounts/ajax/update/", {"id": world.account.id, "column": "name", "name": ""})
    assert (wrong.status_code, wrong.json) == (422, {"error": "This field is required."})
    assert (
        desk.post(
            "/admin/accounts/ajax/update/", {"id": "nonsense", "column": "name", "name": "x"}
        ).status_code
        == 404
    )


def test_a_screen_without_forms_edits_no_cell_either(
    desk: Person, world: World, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app.extensions["admin_screens"][Account], "can_edit", False)
    answer = desk.post(
        "/admin/accounts/ajax/update/", {"id": world.account.id, "column": "name", "name": "Mallory"}
    )
    assert answer.status_code == 404
    assert db.session.get_one(Account, world.account.id).name != "Mallory"


def test_a_related_record_is_looked_up_and_a_foreign_id_is_refused(desk: Person, world: World) -> None:
    page = desk.text("/admin/accounts/new/")
    assert page.count(world.customer.name) == 0
    assert 'data-lookup-url="/admin/accounts/ajax/lookup/?name=customer"' in page
    for customer in ("nonsense", str(world.account.id), ""):
        answer = desk.post(
            "/admin/accounts/new/",
            {
                "customer": customer,
                "name": "x",
                "currency": "INR",
                "timezone": "Asia/Kolkata",
                "billing_mode": "prepaid",
                "payment_terms_days": "15",
                "status": "active",
            },
        )
        assert answer.status_code == 422
    assert db.session.query(Account).filter_by(name="x").count() == 0


def test_flask_admin_commits_nothing_by_itself(
    desk: Person, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise factories_error

    factories_error = RuntimeError("the audit is away")
    monkeypatch.setattr(audit, "record", refuse)
    threshold = world.wallet.low_balance_threshold
    with pytest.raises(RuntimeError, match="the audit is away"):
        desk.post(
            f"/admin/wallets/edit/?id={world.wallet.id}",
            {"low_balance_threshold": "1", "overdraft_limit": "0"},
        )
    assert db.session.get_one(Wallet, world.wallet.id).low_balance_threshold == threshold
