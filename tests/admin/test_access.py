"""Who may do what at the desk: by every route, deny first, and never by a GET."""

import re
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

from app.db import db
from app.models import Customer, NotificationPreference, SavedFilter, User
from app.permissions import Role
from tests.admin.conftest import Desk, Person
from tests.admin.movements import make_movements
from tests.admin.world import World, make_world
from tests.auth.people import csrf_token

TABLES = text(
    "SELECT relname FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE "
    "n.nspname = 'public' AND relkind IN ('r', 'p') AND NOT relispartition ORDER BY 1"
)
SESSION_TABLES = {"audit_records", "audit_unsealed", "users"}
NOBODYS = "0192f0c1-2d3e-7f40-8a5b-6c7d8e9f0a1b"
# What a person has read, wants to be told and keeps as filters is their own: whoever may look may set it.
OWN_FILTERS = [f"/admin/filters/{NOBODYS}/delete/", f"/admin/filters/{NOBODYS}/rename/"]
OWN = [*OWN_FILTERS, "/admin/filters/save/", "/admin/inbox/read", "/admin/preferences/save"]


def fingerprint() -> dict[str, Any]:
    """Return the whole content of every table but those that signing in writes."""
    db.session.flush()
    names = [
        name
        for name in db.session.scalars(TABLES)
        if name not in SESSION_TABLES and name != "alembic_version"
    ]
    return {
        name: db.session.scalar(
            text(f"SELECT md5(coalesce(string_agg(t::text, chr(10) ORDER BY t::text), '')) FROM \"{name}\" t")
        )
        for name in names
    }


def routes(app: Flask, method: str) -> list[str]:
    """Return every address of the back office that answers a method, its variables filled in."""
    found = []
    for rule in app.url_map.iter_rules():
        if (
            rule.rule.startswith("/admin")
            and method in (rule.methods or ())
            and not rule.rule.endswith("<path:filename>")
        ):
            path = rule.rule.replace("<export_type>", "csv").replace("<document>", "pdf")
            path = path.replace("<uuid:filter_id>", NOBODYS)
            found += (
                [path.replace("<operation>", name) for name in operations(app, rule.endpoint)]
                if "<operation>" in path
                else [path]
            )
    return sorted(set(found))


def operations(app: Flask, endpoint: str) -> list[str]:
    """Return the operations of the screen that an endpoint belongs to."""
    (view,) = [
        view
        for view in app.extensions["admin_screens"].values()
        if f"{view.endpoint}.operation_view" == endpoint
    ]
    return [one.name for one in view.operations] or ["none"]


def forms(world: World) -> dict[str, Any]:
    """Return the fields that any form of the back office might want."""
    return {
        "id": str(world.wallet.id),
        "rowid": str(world.invoice.id),
        "action": "issue",
        "column": "name",
        "name": "Mallory",
        "amount": "5",
        "reason": "x",
    }


def test_nobody_sees_anything_without_signing_in(app: Flask, client: FlaskClient) -> None:
    for path in routes(app, "GET"):
        answer = client.get(path)
        assert (answer.status_code, answer.location.split("?")[0]) == (302, "/sign-in"), path


def test_a_customer_may_open_nothing_of_the_back_office(app: Flask, at_desk: Desk, world: World) -> None:
    person = at_desk(Role.customer, customer=world.customer)
    before = fingerprint()
    for path in routes(app, "GET"):
        assert person.get(path).status_code == 403, path
    for path in routes(app, "POST"):
        assert person.post(path, forms(world)).status_code == 403, path
    assert fingerprint() == before


def test_support_changes_nothing_by_any_route(app: Flask, at_desk: Desk, world: World) -> None:
    person = at_desk(Role.support)
    before = fingerprint()
    ids = {world.customer, world.wallet, world.invoice, world.plan, world.account}
    paths = routes(app, "POST")
    assert [path for path in paths if path in OWN] == OWN
    for path in paths:
        for record in ids if path not in OWN else ():
            assert person.post(f"{path}?id={record.id}", forms(world)).status_code == 403, path
    assert fingerprint() == before


def test_support_sets_marks_mails_and_filters_for_themselves_only(at_desk: Desk, world: World) -> None:
    make_movements(world.customer)
    person = at_desk(Role.support, email="rohit@example.com")
    before = fingerprint()
    form = {**forms(world), "timezone": "Asia/Kolkata", "mail": "low_balance", "screen": "invoices"}
    answers = {path: person.post(path, {**form, "asked": "search=OT"}).status_code for path in OWN}
    assert answers == dict(zip(OWN, [404, 404, 302, 303, 303], strict=True))
    after = fingerprint()
    assert {name for name in before if before[name] != after[name]} == {
        "notification_preferences",
        "notification_reads",
        "saved_filters",
    }
    chosen = db.select(User.email, NotificationPreference.mail).join(User, NotificationPreference.user)
    low = db.session.execute(chosen.where(NotificationPreference.kind == "low_balance")).all()
    assert low == [("rohit@example.com", True)]
    kept = db.select(SavedFilter.shared).where(SavedFilter.name == "Mallory")
    assert list(db.session.scalars(kept)) == [False]


def test_support_is_offered_no_button_that_changes_something(at_desk: Desk, world: World) -> None:
    person = at_desk(Role.support)
    for path in (
        "/admin/",
        "/admin/customers/",
        f"/admin/customers/details/?id={world.customer.id}",
        f"/admin/wallets/details/?id={world.wallet.id}",
    ):
        page = person.text(path)
        assert (
            re.findall(r'action="(/admin[^"]*)" method="post"|method="post" action="(/admin[^"]*)"', page)
            == []
        ), path
        assert "/new/" not in page, path
        assert "/edit/" not in page, path
        assert "/operation/" not in page, path


def test_support_reads_what_finance_reads_but_no_people_and_no_keys(at_desk: Desk, world: World) -> None:
    person = at_desk(Role.support)
    seen = {
        path: person.get(path).status_code
        for path in (
            "/admin/customers/",
            "/admin/invoices/",
            "/admin/wallets/",
            "/admin/audit/",
            "/admin/users/",
            "/admin/api-keys/",
        )
    }
    assert list(seen.values()) == [200, 200, 200, 200, 403, 403]
    assert ">Users<" not in person.text("/admin/").replace(" ", "")


def test_finance_reads_usage_and_writes_billing(at_desk: Desk, world: World) -> None:
    person = at_desk(Role.finance_admin)
    assert person.get("/admin/usage-events/").status_code == 200
    assert person.get(f"/admin/invoices/operation/record_payment/?id={world.invoice.id}").status_code == 200
    assert person.post("/admin/usage-events/operation/cancel/", {"reason": "x"}).status_code == 403


def test_finance_replays_dead_letters_and_support_reads_them(at_desk: Desk, world: World) -> None:
    assert (
        at_desk(Role.finance_admin).post("/admin/dead-letters/action/", {"action": "replay"}).status_code
        == 302
    )
    support = at_desk(Role.support)
    assert support.get("/admin/dead-letters/").status_code == 200
    assert support.post("/admin/dead-letters/action/", {"action": "replay"}).status_code == 403


def test_no_get_changes_anything(app: Flask, desk: Person, world: World) -> None:
    before = fingerprint()
    for path in routes(app, "GET"):
        for record in (world.customer, world.wallet, world.invoice, world.plan):
            desk.get(f"{path}?id={record.id}&name=account&query=k&action=issue&confirm=1")
    assert fingerprint() == before


def test_every_post_without_its_token_is_refused(app: Flask, desk: Person, world: World) -> None:
    before = fingerprint()
    for path in routes(app, "POST"):
        for token in ({}, {"csrf_token": ""}, {"csrf_token": "forged"}):
            answer = desk.client.post(f"{path}?id={world.wallet.id}", data={**forms(world), **token})
            assert answer.status_code == 400, path
    assert fingerprint() == before


def test_a_token_of_another_session_is_refused(at_desk: Desk, world: World) -> None:
    mine, theirs = at_desk(Role.super_admin), at_desk(Role.finance_admin)
    form = {"csrf_token": csrf_token(theirs.client), "name": "Mallory"}
    assert mine.client.post(f"/admin/accounts/edit/?id={world.account.id}", data=form).status_code == 400


def test_a_read_only_screen_has_no_form_even_for_super_admins(desk: Person, world: World) -> None:
    for path in (
        "/admin/invoices/edit/",
        "/admin/invoices/new/",
        "/admin/audit/new/",
        "/admin/usage-events/edit/",
    ):
        assert desk.get(f"{path}?id={world.invoice.id}").status_code == 404, path
    assert desk.post("/admin/invoices/delete/", {"id": world.invoice.id}).status_code == 404


def test_a_form_cannot_set_what_it_does_not_show(desk: Person, world: World, at_desk: Desk) -> None:
    form = {
        "low_balance_threshold": "100",
        "overdraft_limit": "0",
        "balance": "1000000",
        "held": "-5",
        "status": "closed",
        "seq": "99",
    }
    assert desk.post(f"/admin/wallets/edit/?id={world.wallet.id}", form).status_code == 302
    db.session.refresh(world.wallet)
    wallet = world.wallet
    assert (wallet.balance, wallet.held, wallet.status, wallet.seq, wallet.low_balance_threshold) == (
        250,
        0,
        "active",
        1,
        100,
    )


def test_a_screens_own_scope_holds_for_single_records_too(
    app: Flask, desk: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, hidden = make_world(1), make_world(2)
    view = app.extensions["admin_screens"][Customer]
    whole = view.base_query
    monkeypatch.setattr(view, "base_query", lambda: whole().where(Customer.id != hidden.customer.id))
    assert desk.get(f"/admin/customers/details/?id={seen.customer.id}").status_code == 200
    for route in ("details", "edit"):
        assert desk.get(f"/admin/customers/{route}/?id={hidden.customer.id}").status_code == 404
    assert (
        desk.post(
            "/admin/customers/ajax/update/", {"id": hidden.customer.id, "column": "city", "city": "Hubballi"}
        ).status_code
        == 404
    )
    assert hidden.customer.name not in desk.text("/admin/customers/export/csv/")


def test_a_person_who_lost_their_role_is_out_with_the_next_click(at_desk: Desk) -> None:
    person = at_desk(Role.finance_admin, email="gone@otpless.example")
    assert person.get("/admin/").status_code == 200
    db.session.query(User).filter_by(email="gone@otpless.example").update({"active": False})
    assert person.get("/admin/").status_code == 302


def test_a_redirect_after_a_bulk_operation_stays_here(desk: Person, world: World) -> None:
    for target in ("https://evil.example/", "//evil.example/", "/\\evil.example", "javascript:alert(1)"):
        answer = desk.post("/admin/invoices/action/", {"action": "issue", "url": target})
        assert answer.location == "/admin/invoices/"
