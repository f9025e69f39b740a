"""Re-rating by the API and on the invoice's page: the difference line by line, for staff alone."""

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.domain.invoicing import canonical_json, sha256_hex
from app.models import AuditRecord, Invoice
from app.permissions import Role
from tests import factories as make
from tests.api.conftest import Caller, NewCaller
from tests.auth.people import csrf_token, make_user, sign_in
from tests.services.invoicing import issue_for, priced, use
from tests.services.simulating import OCTOBER_20


@pytest.fixture
def invoice(session: Session) -> Invoice:
    """An invoice of 12 messages, of which 2 more came late."""
    make.make_seller()
    make.make_tax_rate("18")
    metric = make.make_metric()
    account = priced(make.per_unit(metric, "1.5")).account
    use(account, metric, 12)
    issued = issue_for(account)
    use(account, metric, 2, at=OCTOBER_20)
    return issued


def test_an_invoice_is_rerated_line_by_line(session: Session, caller: Caller, invoice: Invoice) -> None:
    answer = caller.post(f"/invoices/{invoice.id}/rerate")
    assert (answer.status_code, answer.json["data"]["type"]) == (200, "rerating")
    found = answer.json["data"]["attributes"]
    (line,) = found["document"]["lines"]
    told = ("billed_quantity", "quantity", "billed", "amount", "difference", "adjusted", "open")
    assert [line[name] for name in told] == ["12", "14", "18", "21", "3", "0", "3"]
    assert found["sha256"] == sha256_hex(canonical_json(found["document"]))
    assert caller.post(f"/invoices/{invoice.id}/rerate").json["data"]["attributes"] == found
    noted = select(func.count()).select_from(AuditRecord).where(AuditRecord.action == "invoice.rerated")
    assert session.scalar(noted) == 2


def test_an_unknown_invoice_is_not_found(caller: Caller) -> None:
    answer = caller.post("/invoices/019b0000-0000-7000-8000-000000000000/rerate")
    assert answer.status_code == 404


def test_who_may_not_read_bills_rerates_nothing(new_caller: NewCaller, invoice: Invoice) -> None:
    assert new_caller("usage:read").post(f"/invoices/{invoice.id}/rerate").status_code == 403
    assert new_caller("billing:read").post(f"/invoices/{invoice.id}/rerate").status_code == 200


def test_a_customer_rerates_nothing(session: Session, client: FlaskClient, invoice: Invoice) -> None:
    sign_in(client, make_user(Role.customer, customer=invoice.customer))
    answer = client.post(f"/api/v1/invoices/{invoice.id}/rerate", headers={"X-CSRFToken": csrf_token(client)})
    assert answer.status_code == 403
    assert session.scalar(select(func.count()).where(AuditRecord.action == "invoice.rerated")) == 0


@pytest.mark.parametrize("role", [Role.finance_admin, Role.support])
def test_the_page_of_an_invoice_leads_to_its_rerating(
    session: Session, client: FlaskClient, invoice: Invoice, role: Role
) -> None:
    sign_in(client, make_user(role))
    address = f"/admin/invoices/rerate/?id={invoice.id}"
    assert address in client.get(f"/admin/invoices/details/?id={invoice.id}").get_data(as_text=True)
    page = client.get(address)
    assert page.status_code == 200
    shown = page.get_data(as_text=True)
    for figure in ("₹18.00", "₹21.00", "₹3.00", "The next invoice asks for what is open"):
        assert figure in shown
    assert session.scalar(select(func.count()).where(AuditRecord.action == "invoice.rerated")) == 0
