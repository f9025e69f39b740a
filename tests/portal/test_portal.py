"""What a customer sees and may do; everything of somebody else's is as good as missing."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from html import unescape
from uuid import uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app import clock
from app.domain.periods import local_date
from app.models import Payment
from app.models.invoices import InvoiceStatus
from app.models.payments import PaymentStatus
from app.services import grants, own, wallets
from tests.auth.people import csrf_token
from tests.factories import ACTOR
from tests.portal.world import ZONE, World, make_world

TAG = re.compile(r"<[^>]*>")
PAGES = (
    "/portal/",
    "/portal/invoices",
    "/portal/usage",
    "/portal/usage?period=30d",
    "/portal/wallets",
)


@pytest.fixture
def world(client: FlaskClient) -> World:
    return make_world(client)


def page_of(client: FlaskClient, path: str) -> str:
    answer = client.get(path, follow_redirects=True)
    assert answer.status_code == 200, answer.get_data(as_text=True)
    return answer.get_data(as_text=True)


def text(client: FlaskClient, path: str) -> str:
    """Return what a page says, without its tags."""
    return " ".join(unescape(TAG.sub("", page_of(client, path))).split())


@pytest.mark.parametrize("path", PAGES)
def test_a_stranger_is_asked_to_sign_in(client: FlaskClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 302
    assert answer.location.startswith("/sign-in?next=/portal/")


def test_the_dashboard_tells_balance_debts_usage_and_alerts(client: FlaskClient, world: World) -> None:
    page = text(client, "/portal/")
    assert "Hello, Asha" in page
    assert "₹900.00" in page
    assert "Low balance" in page
    assert "₹295.00" in page
    assert world.own.invoice.number in page
    assert "One-time passwords 400 messages" in page
    assert "The balance is below its threshold" in page
    assert "was issued" in page


def test_nothing_of_another_customer_is_on_any_page(client: FlaskClient, world: World) -> None:
    for path in PAGES:
        page = text(client, path)
        assert "Sahyadri" not in page
        assert world.foreign.invoice.number not in page


def test_a_limit_of_the_account_is_shown_as_a_share(client: FlaskClient, world: World) -> None:
    world.own.prepaid.settings = {"limits": {"auth.otp": "500"}}
    assert "80 % of 500" in text(client, "/portal/")


def test_the_invoice_explains_itself(client: FlaskClient, world: World) -> None:
    page = text(client, f"/portal/invoices/{world.own.invoice.id}")
    assert "Passwords by any channel" in page
    assert "1,000 messages" in page
    assert "CGST 9%" in page
    assert "How this was worked out" in page
    assert "Pay" in page


def test_the_pdf_is_sent_under_the_invoices_number(client: FlaskClient, world: World) -> None:
    answer = client.get(f"/portal/invoices/{world.own.invoice.id}/pdf")
    assert (answer.status_code, answer.mimetype) == (200, "application/pdf")
    name = str(world.own.invoice.number).replace("/", "-")
    assert answer.headers["Content-Disposition"] == f"attachment; filename={name}.pdf"
    assert answer.data.startswith(b"%PDF-")


def test_the_wallets_transactions_unfold_to_what_they_were_for(client: FlaskClient, world: World) -> None:
    assert client.get("/portal/wallets").location == f"/portal/wallets/{world.own.wallet.id}"
    page = text(client, f"/portal/wallets/{world.own.wallet.id}")
    assert "-₹100.00" in page
    assert "₹1,000.00" in page
    assert "What it was for" in page
    assert "auth.otp" in page
    assert "of the period so far, " in page
    assert "The usage of the period so far₹100.00" in page


def test_a_wallets_live_grants_are_shown_with_their_end(client: FlaskClient, world: World) -> None:
    path, now = f"/portal/wallets/{world.own.wallet.id}", clock.now()
    assert "Credit spent first" not in text(client, path)
    told = {"at": now, "actor": ACTOR, "reason": "Launch offer"}
    grants.give(world.own.wallet, "75", expires_at=datetime(2099, 10, 10, 6, 30, tzinfo=UTC), **told)
    wallets.debit(world.own.wallet, "25", **told)
    page = text(client, path)
    assert "Credit spent first" in page
    assert "10 Oct 2099" in page
    assert "₹75.00" in page
    assert "₹50.00" in page


def test_usage_is_shown_by_day_and_by_price(client: FlaskClient, world: World) -> None:
    page = text(client, "/portal/usage")
    assert "One-time passwords by day" in page
    assert "SMS" in page
    assert "400 messages" in page
    assert "100%" in page


FOREIGN: tuple[Callable[[World], str], ...] = (
    lambda world: f"/portal/invoices/{world.foreign.invoice.id}",
    lambda world: f"/portal/invoices/{world.foreign.invoice.id}/pdf",
    lambda world: f"/portal/invoices/{world.foreign.invoice.id}/pay",
    lambda world: f"/portal/wallets/{world.foreign.wallet.id}",
    lambda world: f"/portal/wallets/{world.foreign.wallet.id}/top-up",
    lambda world: f"/portal/wallets/{world.own.wallet.id}?after={uuid4()}",
    lambda world: f"/portal/invoices/{uuid4()}",
    lambda world: "/portal/invoices/not-an-id",
    lambda world: f"/portal/wallets/{uuid4()}",
    lambda world: f"/portal/payments/{uuid4()}",
    lambda world: f"/portal/payments/{make_payment(world.foreign).id}",
)


@pytest.mark.parametrize("address", FOREIGN)
def test_other_peoples_things_are_not_there(
    client: FlaskClient, world: World, address: Callable[[World], str]
) -> None:
    assert client.get(address(world)).status_code == 404


def test_nobody_pays_or_tops_up_for_another(client: FlaskClient, world: World, session: Session) -> None:
    form = {"csrf_token": csrf_token(client), "amount": "100", "gateway": "stripe"}
    for path in (
        f"/portal/wallets/{world.foreign.wallet.id}/top-up",
        f"/portal/invoices/{world.foreign.invoice.id}/pay",
    ):
        assert client.post(path, data=form).status_code == 404
    assert session.scalar(select(func.count()).select_from(Payment)) == 0


@pytest.mark.parametrize("part", ["wallet", "invoice"])
def test_a_form_without_its_token_is_refused(
    client: FlaskClient, world: World, session: Session, part: str
) -> None:
    wallet, invoice = world.own.wallet, world.own.invoice
    path = f"/portal/wallets/{wallet.id}/top-up" if part == "wallet" else f"/portal/invoices/{invoice.id}/pay"
    assert client.post(path, data={"amount": "100", "gateway": "stripe"}).status_code == 400
    assert session.scalar(select(func.count()).select_from(Payment)) == 0


@pytest.mark.parametrize("amount", ["", "0", "-5", "1.234", "lots"])
def test_a_wrong_amount_is_told_at_the_field(
    client: FlaskClient, world: World, session: Session, sandboxed: None, amount: str
) -> None:
    form = {"csrf_token": csrf_token(client), "amount": amount, "gateway": "stripe"}
    answer = client.post(f"/portal/wallets/{world.own.wallet.id}/top-up", data=form)
    assert answer.status_code == 400
    page = answer.get_data(as_text=True)
    assert 'id="amount-error"' in page
    assert f'value="{amount}"' in page
    assert session.scalar(select(func.count()).select_from(Payment)) == 0


@pytest.fixture
def sandboxed(app: Flask) -> Iterator[None]:
    """Gateways have keys, though nobody answers at their address."""
    before = app.extensions["settings"]
    app.extensions["settings"] = replace(before, sandbox_url="http://127.0.0.1:9")
    yield
    app.extensions["settings"] = before


def test_without_a_gateway_the_page_says_how_to_pay(client: FlaskClient, world: World) -> None:
    page = text(client, f"/portal/wallets/{world.own.wallet.id}/top-up")
    assert "Paying online is not set up yet." in page
    assert "Continue to payment" not in page


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (PaymentStatus.pending, "Waiting for the payment"),
        (PaymentStatus.unknown, "Waiting for the payment"),
        (PaymentStatus.succeeded, "Thank you, the payment arrived"),
        (PaymentStatus.failed, "The payment did not go through"),
        (PaymentStatus.parked, "being looked at"),
        (PaymentStatus.refunded, "was given back"),
    ],
)
def test_a_payments_page_tells_how_it_stands(
    client: FlaskClient, world: World, status: PaymentStatus, words: str
) -> None:
    payment = make_payment(world.own, status)
    assert words in text(client, f"/portal/payments/{payment.id}")


def test_the_way_to_the_gateway_leads_on_by_itself(client: FlaskClient, world: World) -> None:
    payment = make_payment(world.own, PaymentStatus.pending)
    page = page_of(client, f"/portal/payments/{payment.id}?go=1")
    assert '<meta http-equiv="refresh" content="0; url=https://pay.example/c/1">' in page


def make_payment(half: object, status: PaymentStatus = PaymentStatus.pending) -> Payment:
    """Make a payment for a wallet, as a gateway would have answered it."""
    wallet = half.wallet  # type: ignore[attr-defined]
    payment = Payment(
        account_id=wallet.account_id,
        wallet_id=wallet.id,
        gateway="stripe",
        status=status,
        amount=Decimal(500),
        currency="INR",
        checkout_url="https://pay.example/c/1",
        created_by="test",
    )
    own.db.session.add(payment)
    own.db.session.flush()
    return payment


def test_alerts_name_the_most_urgent_first(client: FlaskClient, world: World) -> None:
    today = local_date(clock.now(), ZONE)
    invoice, wallet = world.own.invoice, world.own.wallet
    assert invoice.status is InvoiceStatus.issued
    late = own.alerts([wallet], [invoice], [invoice], today=today + timedelta(days=16))
    assert [(alert.tone, alert.text) for alert in late] == [
        ("alert", "is overdue"),
        ("warning", "The balance is below its threshold"),
    ]
    soon = own.alerts([], [invoice], [invoice], today=today + timedelta(days=10))
    assert [(alert.tone, alert.text) for alert in soon] == [("warning", "is due soon")]
    fresh = own.alerts([], [invoice], [invoice], today=today)
    assert [(alert.tone, alert.text) for alert in fresh] == [("action", "was issued")]


@pytest.mark.parametrize(
    ("path", "count"),
    [
        ("/portal/", 9),
        ("/portal/invoices", 4),
        ("/portal/usage", 8),
        ("/portal/usage?period=30d", 5),
        ("/portal/wallets", 2),
    ],
)
def test_a_page_costs_few_queries(
    client: FlaskClient, world: World, query_counter: Callable, path: str, count: int
) -> None:
    client.get(path)
    with query_counter() as queries:
        client.get(path)
    assert len(queries) == count, queries


def test_a_line_of_an_invoice_explains_itself_and_somebody_elses_is_not_there(
    world: World, client: FlaskClient
) -> None:
    path = f"/portal/invoices/{world.own.invoice.id}/lines/1"
    said = text(client, path)
    assert "1,000 messages in the period, priced as a whole: ₹250.00." in said
    assert "exactly those that this line was made of" in said
    assert client.get(f"/portal/invoices/{world.foreign.invoice.id}/lines/1").status_code == 404
    assert client.get(f"{path}0").status_code == 404
