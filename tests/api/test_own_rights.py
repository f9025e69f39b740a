"""What a customer's person may see and change by the API, and what support may not."""

from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.db import db
from app.models import Account, AuditRecord, Customer, Invoice
from app.permissions import Role
from app.services import invoices
from tests import factories as make
from tests.auth.people import csrf_token, make_user, sign_in
from tests.services.invoicing import IN_NOVEMBER, OCTOBER, issue_for, priced, use


@pytest.fixture
def account(session: Session) -> Account:
    """An account with an issued invoice and a draft."""
    make.make_seller()
    make.make_tax_rate("18")
    metric = make.make_metric()
    account = priced(make.per_unit(metric, "1")).account
    use(account, metric, 100)
    issue_for(account)
    line = {"description": "Set-up", "quantity": "1", "unit_price": "500"}
    invoices.draft_by_hand(account, OCTOBER, lines=[line], at=IN_NOVEMBER, actor=make.ACTOR)
    return account


def come_as(client: FlaskClient, role: Role, customer: Customer | None = None) -> None:
    sign_in(client, make_user(role, customer=customer))


def send(client: FlaskClient, method: str, path: str, body: Any) -> Any:
    headers = {"X-CSRFToken": csrf_token(client)}
    return client.open(f"/api/v1{path}", method=method, json=body, headers=headers)


def test_a_customer_sees_own_issued_invoices_and_no_draft(account: Account, client: FlaskClient) -> None:
    drafted, issued = sorted(db.session.scalars(select(Invoice)), key=lambda invoice: invoice.number or "")
    come_as(client, Role.customer, account.customer)
    listed = client.get("/api/v1/invoices").json["data"]
    assert [row["id"] for row in listed] == [str(issued.id)]
    assert client.get(f"/api/v1/invoices/{issued.id}").status_code == 200
    assert client.get(f"/api/v1/invoices/{drafted.id}").status_code == 404


def test_a_customer_sees_nothing_of_others(account: Account, client: FlaskClient) -> None:
    (issued,) = db.session.scalars(select(Invoice).where(Invoice.number.is_not(None)))
    come_as(client, Role.customer, make.make_customer())
    for path in (
        f"/customers/{account.customer_id}",
        f"/accounts/{account.id}",
        f"/invoices/{issued.id}",
        f"/invoices/{issued.id}/pdf",
        f"/invoices/{issued.id}/lines/1/events",
    ):
        assert client.get(f"/api/v1{path}").status_code == 404, path
    for path in ("/accounts", "/invoices", "/subscriptions"):
        assert client.get(f"/api/v1{path}").json["data"] == []
    assert client.get("/api/v1/pricing").status_code == 403
    assert client.get("/api/v1/admin/billing-runs").status_code == 403


def test_a_customer_changes_own_contacts_and_nothing_that_taxes_hang_on(
    account: Account, client: FlaskClient
) -> None:
    customer = account.customer
    come_as(client, Role.customer, customer)
    path = f"/customers/{customer.id}"
    changed = send(client, "PATCH", path, {"email": "new@asha.example.in", "phone": "+919876543210"})
    assert changed.json["data"]["attributes"]["email"] == "new@asha.example.in"
    for body in ({"tax_treatment": "sez"}, {"status": "closed"}, {"name": "Other"}, {"metadata": {"a": "b"}}):
        assert send(client, "PATCH", path, body).status_code == 403, body
    assert send(client, "PATCH", f"/accounts/{account.id}", {"payment_terms_days": 365}).status_code == 403
    assert send(client, "POST", "/customers", {"name": "x", "email": "x@example.in"}).status_code == 403
    assert (customer.tax_treatment, customer.status, account.payment_terms_days) == ("regular", "active", 15)


def test_support_reads_everything_and_changes_nothing(
    session: Session, account: Account, client: FlaskClient
) -> None:
    (draft,) = session.scalars(select(Invoice).where(Invoice.number.is_(None)))
    come_as(client, Role.support)
    changes = select(func.count()).where(AuditRecord.action.not_in(["access.denied", "customer.viewed"]))
    before = session.scalar(changes)
    for path in (f"/invoices/{draft.id}", "/customers", "/pricing", "/admin/billing-runs"):
        assert client.get(f"/api/v1{path}").status_code == 200, path
    for method, path in (
        ("PATCH", f"/customers/{account.customer_id}"),
        ("PATCH", f"/accounts/{account.id}"),
        ("POST", f"/invoices/{draft.id}/issue"),
        ("POST", "/invoices"),
        ("POST", "/pricing"),
        ("POST", "/metrics"),
        ("POST", "/subscriptions"),
        ("POST", "/admin/billing-runs"),
    ):
        assert send(client, method, path, {}).status_code == 403, path
    assert session.scalar(changes) == before
