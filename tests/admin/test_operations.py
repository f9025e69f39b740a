"""Operations: what people do to a record, each by one service, in one transaction, with one audit record."""

import re
from decimal import Decimal

import pytest

from app.db import db
from app.errors import Conflict
from app.models import (
    ApiKey,
    ApiKeySecret,
    AuditRecord,
    BillingRun,
    DeadLetter,
    Payment,
    PlanVersion,
    Subscription,
    Wallet,
    WalletTransaction,
)
from app.models.invoices import InvoiceStatus
from app.permissions import Role
from app.services import dead_letters
from tests import factories
from tests.admin.conftest import Desk, Person
from tests.admin.world import World, make_invoice, make_world


def test_a_wallet_is_credited_under_the_name_of_who_did_it(at_desk: Desk, world: World) -> None:
    person = at_desk(Role.finance_admin, name="Farhan Mehta")
    path = f"/admin/wallets/operation/credit/?id={world.wallet.id}"
    assert "Gives the wallet money that nobody paid." in person.text(path)
    answer = person.post(path, {"amount": "100.50", "reason": "Goodwill"})
    assert answer.location == f"/admin/wallets/details/?id={world.wallet.id}"
    assert db.session.get_one(Wallet, world.wallet.id).balance == Decimal("350.5000")
    movement = db.session.query(WalletTransaction).filter_by(reason="Goodwill").one()
    assert (movement.amount, movement.actor) == (Decimal("100.5000"), "Farhan Mehta")
    (record,) = db.session.query(AuditRecord).filter_by(action="wallet.credited", actor="Farhan Mehta").all()
    assert record.role == "finance_admin"
    assert "Credit: done." in person.text(answer.location)


@pytest.mark.parametrize(
    ("amount", "message"),
    [
        ("", "This field is required."),
        ("-5", "amount"),
        ("0", "amount"),
        ("NaN", "Write a number"),
        ("1.234567", "at most 4 decimals"),
        ("1.005", "decimals"),
    ],
)
def test_an_amount_that_cannot_be_used_moves_nothing(
    desk: Person, world: World, amount: str, message: str
) -> None:
    answer = desk.post(
        f"/admin/wallets/operation/credit/?id={world.wallet.id}", {"amount": amount, "reason": "Goodwill"}
    )
    assert answer.status_code == 422
    error = re.search(r'id="amount-error">(.*?)</div>', answer.get_data(as_text=True), re.DOTALL)
    assert error
    assert message.lower() in error[1].lower()
    assert db.session.get_one(Wallet, world.wallet.id).balance == 250


def test_what_a_service_refuses_is_told_and_changes_nothing(desk: Person, world: World) -> None:
    answer = desk.post(
        f"/admin/wallets/operation/debit/?id={world.wallet.id}", {"amount": "250.01", "reason": "Mistake"}
    )
    assert answer.status_code == 422
    assert "INR available; 250.01 is asked for." in answer.get_data(as_text=True)
    assert db.session.get_one(Wallet, world.wallet.id).balance == 250
    assert db.session.query(WalletTransaction).filter_by(reason="Mistake").count() == 0


def test_money_that_arrived_by_transfer_pays_an_invoice(desk: Person, world: World) -> None:
    path = f"/admin/invoices/operation/record_payment/?id={world.invoice.id}"
    assert re.search(r'<input[^>]* name="amount"[^>]* value="1080"', desk.text(path))
    assert desk.post(path, {"amount": "1080", "reference": "UTR42"}).status_code == 302
    db.session.refresh(world.invoice)
    assert (world.invoice.status, world.invoice.amount_due) == (InvoiceStatus.paid, 0)
    assert db.session.query(Payment).filter_by(gateway="manual", amount=Decimal(1080)).count() == 1
    assert "/operation/record_payment/" not in desk.text(f"/admin/invoices/details/?id={world.invoice.id}")


def test_a_bulk_operation_tells_what_went_through_and_what_was_refused(
    desk: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in (1, 2, 3):
        make_world(number)
    letters = db.session.query(DeadLetter).order_by(DeadLetter.event_id).all()
    dead_letters.discard(letters[0], actor=factories.ACTOR, at=letters[0].last_seen_at)
    answer = desk.post(
        "/admin/dead-letters/action/",
        {
            "action": "discard",
            "rowid": [str(letter.id) for letter in letters],
            "url": "/admin/dead-letters/?status=open",
        },
    )
    assert answer.location == "/admin/dead-letters/?status=open"
    assert "Discard: 3 dead letters done." in desk.text(answer.location)
    assert {letter.status for letter in db.session.query(DeadLetter)} == {"discarded"}
    assert db.session.query(AuditRecord).filter_by(action="dead_letter.discarded").count() == 3


def test_one_refusal_in_a_bulk_operation_stops_no_other(
    desk: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in (1, 2):
        make_world(number)
    first, second = db.session.query(DeadLetter).order_by(DeadLetter.id).all()
    view = desk.client.application.extensions["admin_screens"][DeadLetter]
    real = view.operation("discard").run

    def refuse_the_first(letter: DeadLetter, **options: object) -> DeadLetter:
        result: DeadLetter = real(letter, **options)
        if letter.id == first.id:
            raise Conflict("Not this one.")
        return result

    object.__setattr__(view.operation("discard"), "run", refuse_the_first)
    try:
        answer = desk.post(
            "/admin/dead-letters/action/", {"action": "discard", "rowid": [str(first.id), str(second.id)]}
        )
        page = desk.text(answer.location)
    finally:
        object.__setattr__(view.operation("discard"), "run", real)
    assert "Discard: 1 dead letter done." in page
    assert "1 refused." in page
    assert "Not this one." in page
    assert (
        db.session.get_one(DeadLetter, first.id).status,
        db.session.get_one(DeadLetter, second.id).status,
    ) == ("open", "discarded")


def test_nothing_selected_and_a_forged_row_do_nothing(desk: Person, world: World) -> None:
    answer = desk.post("/admin/dead-letters/action/", {"action": "discard"})
    assert "Select at least one dead letter first." in desk.text(answer.location)
    assert (
        desk.post("/admin/dead-letters/action/", {"action": "discard", "rowid": "nonsense"}).status_code
        == 404
    )
    assert desk.post("/admin/dead-letters/action/", {"action": "delete", "rowid": "x"}).status_code == 404
    assert (
        desk.post("/admin/wallets/action/", {"action": "credit", "rowid": str(world.wallet.id)}).status_code
        == 404
    )
    assert {letter.status for letter in db.session.query(DeadLetter)} == {"open"}


def test_a_draft_is_issued_and_then_offers_no_such_thing(desk: Person, world: World) -> None:
    draft = make_invoice(world.prepaid, 7)
    page = desk.text(f"/admin/invoices/details/?id={draft.id}")
    assert f'action="/admin/invoices/operation/issue/?id={draft.id}"' in page
    assert "can never change again" in page
    assert "/download/pdf/" not in page
    page = desk.text(f"/admin/invoices/details/?id={world.invoice.id}")
    assert "/operation/issue/" not in page
    assert "/download/pdf/" in page


def test_an_account_is_put_on_a_plan_and_taken_off(desk: Person, world: World) -> None:
    other = factories.make_account(world.customer, name="Second")
    answer = desk.post(f"/admin/accounts/operation/subscribe/?id={other.id}", {"plan": str(world.plan.id)})
    assert answer.status_code == 302, answer.get_data(as_text=True)
    subscription = db.session.query(Subscription).filter_by(account_id=other.id).one()
    path = f"/admin/subscriptions/operation/cancel/?id={subscription.id}"
    assert desk.post(path, {"when": "now", "reason": ""}).status_code == 422
    assert desk.post(path, {"when": "now", "reason": "Moved", "step": "do"}).status_code == 302
    db.session.refresh(subscription)
    assert (subscription.status, subscription.end_reason) == ("ended", "Moved")


def test_a_new_version_gets_its_prices_and_is_published(desk: Person, world: World) -> None:
    assert desk.post(f"/admin/plans/operation/add_version/?id={world.plan.id}").status_code == 302
    version = db.session.query(PlanVersion).filter_by(plan_id=world.plan.id, number=2).one()
    prices = f'[{{"metric": "{world.metric.code}", "model": "per_unit", "unit": "0.5"}}]'
    path = f"/admin/plan-versions/operation/set_prices/?id={version.id}"
    assert (
        desk.post(path, {"prices": '[{"metric": "nothing", "model": "per_unit", "unit": "1"}]'}).status_code
        == 422
    )
    assert desk.post(path, {"prices": prices}).status_code == 302
    assert desk.post(f"/admin/plan-versions/operation/publish/?id={version.id}").status_code == 302
    db.session.refresh(version)
    assert (version.status, [one.terms["unit"] for one in version.components]) == ("published", ["0.5"])
    assert "/operation/publish/" not in desk.text(f"/admin/plan-versions/details/?id={version.id}")


NEW_KEY = {"name": "Gateway", "kind": "bearer", "scopes": "events:write, usage:read", "account": ""}


def test_the_secret_of_a_key_is_told_once_and_never_again(desk: Person, world: World) -> None:
    answer = desk.post("/admin/api-keys/operation/make/", {**NEW_KEY, "allowed_ips": "203.0.113.7"})
    assert answer.status_code == 200
    key = db.session.query(ApiKey).filter_by(name="Gateway").one()
    assert (key.scopes, key.allowed_ips) == (["events:write", "usage:read"], ["203.0.113.7/32"])
    (secret,) = set(re.findall(r"otpb_[A-Za-z0-9_-]{50,}", answer.text))
    assert secret not in desk.text("/admin/api-keys/")
    assert secret not in desk.text(f"/admin/api-keys/details/?id={key.id}")
    refused = desk.post("/admin/api-keys/operation/make/", {**NEW_KEY, "scopes": "everything"})
    assert refused.status_code == 422
    assert db.session.query(ApiKey).filter_by(name="Gateway").one() is key


def test_a_signed_key_is_made_with_its_id_and_rotated_once(desk: Person, world: World) -> None:
    made = desk.post("/admin/api-keys/operation/make/", {**NEW_KEY, "kind": "hmac"})
    key = db.session.query(ApiKey).filter_by(name="Gateway").one()
    (first,) = set(re.findall(r"otps_[A-Za-z0-9_-]{50,}", made.text))
    assert str(key.id) in made.text

    rotate = f"/admin/api-keys/operation/rotate/?id={key.id}"
    (second,) = set(re.findall(r"otps_[A-Za-z0-9_-]{50,}", desk.post(rotate, {"overlap_hours": "2"}).text))
    third = desk.post(rotate, {"overlap_hours": "2"})

    assert first != second
    assert third.status_code == 422
    assert "Two secrets of this key are active until" in third.text
    assert db.session.query(ApiKeySecret).filter_by(key_id=key.id).count() == 2
    assert desk.post(f"/admin/api-keys/operation/revoke/?id={key.id}").status_code == 302
    assert "Revoked" in desk.text("/admin/api-keys/")


def test_a_billing_run_is_started_once_for_its_month(desk: Person, world: World) -> None:
    for _ in range(2):
        assert desk.post("/admin/billing-runs/operation/start/", {"period": "2026-09"}).status_code == 302
    assert db.session.query(BillingRun).filter_by(period="2026-09").count() == 1
    assert desk.post("/admin/billing-runs/operation/start/", {"period": "September"}).status_code == 422
    assert desk.post("/admin/billing-runs/operation/start/", {"period": "2999-01"}).status_code == 422
