"""Personal data of customers: support sees none of it on any page or in any file; finance sees all of it."""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from flask import Flask

from admin_views.keys import key_of
from app.db import db
from app.domain.masking import PERSONAL
from app.models import AuditRecord, DeadLetter, DocumentMail, Export, UsageEvent
from app.permissions import MASKED, Role, sees_personal
from app.personal import is_named
from tests import factories
from tests.admin.conftest import Desk, Person
from tests.admin.movements import make_movements
from tests.admin.world import AT, World, make_world
from tests.auth.people import csrf_token, make_user
from tests.services.paying import make_issued_invoice
from tests.services.test_document_kinds import text_of

EMAIL, COPY, CONTACT = "asha.rao@lotus.example", "ledger@lotus.example", "Asha Devi Raomukhi"
PHONE, SENT_TO, ADDRESS, CITY = "+919812345678", "919876501234", "77 Temple Tank Street", "Mudbidri"
POSTAL, IP = "574227", "203.0.113.77"
GSTIN = factories.a_gstin("29", pan="AAFCL9321K")
SECRETS = (EMAIL, COPY, CONTACT, PHONE, SENT_TO, ADDRESS, CITY, POSTAL, IP, GSTIN)


@pytest.fixture
def known(app: Flask) -> World:
    """A world in which one customer's personal data stands wherever a record can hold it."""
    world = make_world()
    customer = world.customer
    customer.email, customer.billing_emails, customer.phone = EMAIL, [COPY], PHONE
    customer.address_line1, customer.city, customer.postal_code, customer.gstin = ADDRESS, CITY, POSTAL, GSTIN
    make_movements(customer)
    make_user(Role.customer, email=EMAIL, name=CONTACT, customer=customer)
    told = {
        "email": EMAIL,
        "billing_emails": [COPY],
        "phone": PHONE,
        "gstin": GSTIN,
        "address_line1": ADDRESS,
    }
    sentence = f"Told {EMAIL}, copy to {COPY}, GSTIN {GSTIN}, called {PHONE}"
    db.session.add(
        AuditRecord(
            at=AT,
            actor_kind="user",
            actor_id="x",
            actor="Test Person",
            role="finance_admin",
            ip=IP,
            action="customer.updated",
            resource_type="Customer",
            resource_id=str(customer.id),
            summary=sentence,
            before=told,
            after={**told, "city": CITY, "postal_code": POSTAL},
        )
    )
    db.session.add(
        UsageEvent(
            account_id=world.account.id,
            occurred_at=AT,
            event_id="masked-1",
            metric_id=world.metric.id,
            quantity=Decimal(1),
            properties={"channel": "sms", "to": SENT_TO, "email": EMAIL},
        )
    )
    for letter in db.session.query(DeadLetter):
        letter.payload = {"metric": "x", "properties": {"to": SENT_TO, "phone": PHONE}}
    for mail in db.session.query(DocumentMail):
        mail.recipient, mail.copies = EMAIL, [COPY]
    db.session.flush()
    return world


def places(app: Flask) -> Iterator[str]:
    """Yield every page, file and look-up of a screen, with a record where one is asked for."""
    for model, view in app.extensions["admin_screens"].items():
        base = f"/admin/{view.slug}/"
        yield from (base, f"{base}export/csv/")
        yield from (f"{base}ajax/lookup/?name={name}" for name in view.lookups)
        row = db.session.scalars(db.select(model)).first()
        if row is not None:
            yield f"{base}details/?id={view.key_of(row)}"


def answers(app: Flask) -> Iterator[str]:
    """Yield every address of the API that needs no name."""
    for rule in app.url_map.iter_rules():
        if rule.rule.startswith("/api/v1/") and "GET" in (rule.methods or ()) and not rule.arguments:
            yield rule.rule


def shown(person: Person, path: str) -> set[str]:
    """Return what of the planted data a page or a file shows."""
    page = person.get(path).get_data(as_text=True)
    return {secret for secret in SECRETS if secret in page}


def test_support_is_shown_nothing_of_it_anywhere(app: Flask, known: World, at_desk: Desk) -> None:
    support = at_desk(Role.support, email="rohit@otpless.example")
    customer, invoice = known.customer, known.invoice
    event = db.session.scalars(db.select(UsageEvent).where(UsageEvent.event_id == "masked-1")).one()
    paths = [
        *places(app),
        *answers(app),
        "/admin/",
        "/admin/inbox/",
        f"/admin/usage-events/details/?id={key_of(event)}",
        f"/admin/customers/details/?id={customer.id}",
        f"/admin/invoices/details/?id={invoice.id}",
        f"/admin/invoices/mail/?id={invoice.id}",
        f"/api/v1/customers/{customer.id}",
        f"/api/v1/events?account_id={known.account.id}",
        f"/api/v1/invoices/{invoice.id}",
    ]
    leaks = {path: found for path in paths if (found := shown(support, path))}
    assert leaks == {}


def test_finance_reads_it_in_full(known: World, at_desk: Desk) -> None:
    finance = at_desk(Role.finance_admin)
    page = f"/admin/customers/details/?id={known.customer.id}"
    assert {EMAIL, PHONE, ADDRESS, CITY, POSTAL, GSTIN} - shown(finance, page) == set()
    read = shown(finance, f"/api/v1/customers/{known.customer.id}")
    assert read == {EMAIL, COPY, PHONE, ADDRESS, CITY, POSTAL, GSTIN}


def test_a_search_finds_a_masked_column_by_all_of_it_only(known: World, at_desk: Desk) -> None:
    support, finance = at_desk(Role.support), at_desk(Role.finance_admin)
    found = {
        (role, term): known.customer.name in person.text(f"/admin/customers/?search={term}")
        for role, person in (("support", support), ("finance", finance))
        for term in ("asha.r", EMAIL)
    }
    assert found == {
        ("support", "asha.r"): False,
        ("support", EMAIL): True,
        ("finance", "asha.r"): True,
        ("finance", EMAIL): True,
    }


def test_a_list_is_not_put_in_the_order_of_a_masked_column(app: Flask, known: World, at_desk: Desk) -> None:
    support = at_desk(Role.support)
    masked = [
        (view.slug, name)
        for view in app.extensions["admin_screens"].values()
        for name in view.columns
        if is_named(name) and view.resource != "users"
    ]
    assert ("customers", "phone") in masked
    for slug, name in masked:
        page = support.text(f"/admin/{slug}/?sort={name}")
        assert f"sort={name}" not in page.partition("<table")[2].partition("</thead>")[0], (slug, name)


def test_support_gets_a_masked_copy_of_a_document_and_its_bytes_stay_as_they_are(
    app: Flask, at_desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(app.extensions, "settings", replace(app.extensions["settings"], data_dir=tmp_path))
    invoice = make_issued_invoice()
    support, finance = at_desk(Role.support), at_desk(Role.finance_admin)
    pages = {}
    for name, person in (("support", support), ("finance", finance), ("again", finance)):
        answer = person.get(f"/admin/invoices/download/pdf/?id={invoice.id}")
        assert answer.status_code == 200
        pages[name] = answer.get_data()
    assert pages["finance"] == pages["again"]
    buyer = (invoice.snapshot or {})["buyer"]
    told = {name: text_of(page) for name, page in pages.items()}
    assert (buyer["name"] in told["support"], buyer["name"] in told["finance"]) == (True, True)
    for secret in (buyer["gstin"], *buyer["address"]):
        assert (secret in told["support"], secret in told["finance"]) == (False, True), secret


def test_support_has_no_exports(at_desk: Desk, known: World) -> None:
    support = at_desk(Role.support)
    headers = {"X-CSRFToken": csrf_token(support.client)}
    asked = support.client.post("/api/v1/exports", json={"kind": "invoices"}, headers=headers)
    assert (asked.status_code, asked.json["error"]["code"]) == (403, "forbidden")
    assert support.get("/api/v1/exports").json["data"] == []
    assert db.session.query(Export).count() == 1


def test_every_address_and_number_that_a_model_keeps_is_named(app: Flask) -> None:
    formats = {
        column.key
        for table in db.metadata.sorted_tables
        for column in table.columns
        if column.info.get("format") in {"email", "phone"} and table.name != "branding"
    }
    assert formats - PERSONAL.keys() == set()
    assert {role for role in Role if not sees_personal(role)} == MASKED == {Role.support}
