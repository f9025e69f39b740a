"""Receipt and refund vouchers: money in advance comes with its tax and goes back with it."""

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from app.db import db
from app.domain.invoicing import canonical_json
from app.domain.money import Money
from app.errors import Conflict, CurrencyMismatch, Invalid
from app.models import AuditRecord, OutboxMessage, Voucher, Wallet
from app.models.vouchers import VoucherKind
from app.models.wallets import WalletStatus
from app.services import advances, refunds, transfers, verify, wallets
from tests import factories as make
from tests.services.metered import NOON, books

TOLD: dict[str, Any] = {"at": NOON, "actor": make.ACTOR, "reason": "Bank transfer"}
CHECKS = ["journals", "wallets", "chains", "transactions", "numbers"]


@pytest.fixture(autouse=True)
def taxed(session: Session) -> None:
    make.make_seller()
    make.make_tax_rate("18")


def a_wallet(**customer: Any) -> Wallet:
    account = make.make_account(make.make_customer(**customer), prepaid=True)
    return make.make_wallet(account=account)


def vouchers_of(wallet: Wallet) -> list[Voucher]:
    db.session.flush()
    query = select(Voucher).where(Voucher.wallet_id == wallet.id)
    return list(db.session.scalars(query.order_by(Voucher.id)))


def taxes_of(voucher: Voucher) -> list[tuple[str, str, str]]:
    return [(part["code"], part["rate"], part["amount"]) for part in voucher.taxes]


def test_a_receipt_of_1180_is_1000_for_the_wallet_and_its_tax(session: Session) -> None:
    """CGST Rule 35: of ₹1,180 at 18 % the value is 1,180 × 100 / 118 = 1,000, the tax 90 + 90."""
    wallet = a_wallet()
    moved = advances.receive(wallet, "1180", reference="NEFT-1", **TOLD)
    assert (moved.kind, moved.amount, wallet.balance) == ("top_up", 1000, 1000)
    assert books(wallet) == {"cash": "-1180.00", "tax": "180.00", "wallet": "1000.00"}
    (voucher,) = vouchers_of(wallet)
    assert (voucher.kind, voucher.number) == (VoucherKind.receipt_voucher, "OT29R/26-27/0001")
    assert (voucher.taxable, voucher.tax, voucher.amount, voucher.rate) == (1000, 180, 1180, 18)
    assert taxes_of(voucher) == [("CGST", "9", "90.00"), ("SGST", "9", "90.00")]
    assert (voucher.issued_on, voucher.place_of_supply, voucher.transaction_id) == (
        date(2026, 10, 10),
        "29",
        moved.id,
    )
    assert verify.run(CHECKS).ok


def test_a_voucher_says_what_rule_50_asks_for(session: Session) -> None:
    wallet = a_wallet(name="Asha Traders", gstin=make.a_gstin("27"))
    advances.receive(wallet, "1180", reference="NEFT-1", **TOLD)
    (voucher,) = vouchers_of(wallet)
    content = voucher.snapshot
    assert content["seller"]["gstin"] == make.a_gstin("29")
    assert (content["buyer"]["name"], content["buyer"]["gstin"]) == ("Asha Traders", make.a_gstin("27"))
    assert (content["title"], content["number"], content["issued_on"]) == (
        "Receipt Voucher",
        voucher.number,
        "2026-10-10",
    )
    assert content["place_of_supply"] == {"code": "27", "name": "Maharashtra"}
    assert (content["taxable"], content["tax"], content["amount"]) == ("1000.00", "180.00", "1180.00")
    assert [(tax["code"], tax["rate"], tax["amount"]) for tax in content["taxes"]] == [
        ("IGST", "18", "180.00")
    ]
    assert (content["sac"], content["rate"], content["reverse_charge"]) == ("998319", "18", False)
    assert (content["reference"], content["receipt"]) == ("NEFT-1", None)
    assert voucher.snapshot_sha256 == sha256(canonical_json(content)).digest()


def test_a_voucher_leaves_its_record_and_the_promise_of_its_document(session: Session) -> None:
    wallet = a_wallet(name="Asha Traders")
    advances.receive(wallet, "1180", **TOLD)
    (voucher,) = vouchers_of(wallet)
    record = session.scalars(select(AuditRecord).where(AuditRecord.resource_id == str(voucher.id))).one()
    assert (record.action, record.summary) == (
        "voucher.receipt_issued",
        "Receipt Voucher OT29R/26-27/0001 was issued to Asha Traders",
    )
    promise = session.scalars(select(OutboxMessage).where(OutboxMessage.kind == "voucher.document")).one()
    assert promise.payload == {"voucher_id": str(voucher.id)}


@pytest.mark.parametrize(
    ("received", "wallet_gets", "tax"),
    [
        ("0.03", "0.03", "0.00"),
        ("0.07", "0.05", "0.02"),
        ("100", "84.74", "15.26"),
        ("999.99", "847.45", "152.54"),
    ],
)
def test_the_parts_add_up_to_what_was_received(received: str, wallet_gets: str, tax: str) -> None:
    """Each tax is rounded by itself and the value is the rest: of ₹100, 100 × 9 / 118 = 7.627 → 7.63 each."""
    wallet = a_wallet()
    advances.receive(wallet, received, **TOLD)
    (voucher,) = vouchers_of(wallet)
    assert (wallet.balance, voucher.tax, voucher.amount) == (
        Decimal(wallet_gets),
        Decimal(tax),
        Decimal(received),
    )


@pytest.mark.parametrize(
    ("customer", "codes"),
    [
        ({"state_code": "29"}, ["CGST", "SGST"]),
        ({"state_code": "07"}, ["IGST"]),
        ({"gstin": make.a_gstin("27")}, ["IGST"]),
    ],
)
def test_the_taxes_are_those_of_the_place_of_supply(customer: dict[str, Any], codes: list[str]) -> None:
    wallet = a_wallet(**customer)
    advances.receive(wallet, "118", **TOLD)
    (voucher,) = vouchers_of(wallet)
    assert ([part["code"] for part in voucher.taxes], voucher.tax) == (codes, 18)


@pytest.mark.parametrize(
    "customer",
    [
        {"country": "US"},
        {"gstin": make.a_gstin("27"), "tax_treatment": "sez"},
        {"gstin": make.a_gstin("27"), "reverse_charge": True},
    ],
    ids=["export", "sez", "reverse charge"],
)
def test_a_supply_that_bears_no_tax_has_none_in_advance(customer: dict[str, Any]) -> None:
    wallet = a_wallet(**customer)
    advances.receive(wallet, "1180", **TOLD)
    assert (wallet.balance, vouchers_of(wallet)) == (1180, [])


def test_an_export_without_a_letter_bears_integrated_tax_in_advance(session: Session) -> None:
    make.make_seller("27", lut=False, is_default=True, valid_from=date(2014, 1, 1))
    db.session.execute(
        Voucher.registration.property.mapper.local_table.update()
        .where(Voucher.registration.property.mapper.local_table.c.state_code == "29")
        .values(is_default=False)
    )
    wallet = a_wallet(country="US")
    advances.receive(wallet, "118", **TOLD)
    (voucher,) = vouchers_of(wallet)
    assert (voucher.place_of_supply, taxes_of(voucher)) == ("96", [("IGST", "18", "18.00")])


def test_by_setting_wallet_money_is_no_advance(app: Flask) -> None:
    before = app.extensions["settings"]
    app.extensions["settings"] = replace(before, advances_taxed=False)
    wallet = a_wallet()
    advances.receive(wallet, "1180", **TOLD)
    app.extensions["settings"] = before
    assert (wallet.balance, vouchers_of(wallet)) == (1180, [])


def test_before_the_seller_is_registered_nothing_is_collected(session: Session) -> None:
    wallet = a_wallet()
    advances.receive(wallet, "1180", **{**TOLD, "at": datetime(2014, 6, 1, tzinfo=UTC)})
    assert (wallet.balance, vouchers_of(wallet)) == (1180, [])


def test_numbers_begin_anew_with_the_financial_year_in_india(session: Session) -> None:
    """31 March 2027, 18:30 UTC is 1 April in India."""
    wallet = a_wallet()
    for at in (datetime(2027, 3, 31, 18, 29, 59, tzinfo=UTC), datetime(2027, 3, 31, 18, 30, tzinfo=UTC)):
        advances.receive(wallet, "118", **{**TOLD, "at": at})
    assert [voucher.number for voucher in vouchers_of(wallet)] == ["OT29R/26-27/0001", "OT29R/27-28/0001"]


@pytest.mark.parametrize("amount", ["0", "-5", "1.001", str(2**63), Money(Decimal(5), "USD")])
def test_an_amount_that_cannot_be_is_refused_and_nothing_is_written(amount: object) -> None:
    wallet = a_wallet()
    with pytest.raises((Invalid, CurrencyMismatch)) as refused:
        advances.receive(wallet, amount, **TOLD)
    assert [one.pointer for one in refused.value.fields] == ["/amount"]
    assert (wallet.balance, vouchers_of(wallet)) == (0, [])


def test_a_closed_wallet_takes_no_advance(session: Session) -> None:
    wallet = a_wallet()
    wallet.status = WalletStatus.closed
    with pytest.raises(Conflict, match="closed"):
        advances.receive(wallet, "1180", **TOLD)
    assert vouchers_of(wallet) == []


def test_a_refund_gives_the_tax_back_by_a_voucher_that_names_the_receipt(session: Session) -> None:
    """CGST Rule 51: of an advance of ₹1,180 the unused 250 go back with 22.50 + 22.50 of tax."""
    wallet = a_wallet()
    advances.receive(wallet, "1180", **TOLD)
    moved = refunds.refund(wallet, "250", **TOLD)
    assert (moved.amount, wallet.balance) == (-250, 750)
    assert books(wallet) == {"cash": "-885.00", "tax": "135.00", "wallet": "750.00"}
    receipt, refund = vouchers_of(wallet)
    assert (refund.kind, refund.number) == (VoucherKind.refund_voucher, "OT29F/26-27/0001")
    assert (refund.taxable, refund.tax, refund.amount) == (250, 45, 295)
    assert (refund.receipt_id, refund.transaction_id) == (receipt.id, moved.id)
    assert refund.snapshot["receipt"] == {"number": receipt.number, "issued_on": "2026-10-10"}
    record = session.scalars(select(AuditRecord).where(AuditRecord.resource_id == str(moved.id))).one()
    assert record.summary == "250.00 INR and 45.00 of tax paid back: Bank transfer"
    assert verify.run(CHECKS).ok


def test_the_newest_advance_goes_back_first_and_all_of_it_to_the_paisa(session: Session) -> None:
    wallet = a_wallet()
    for amount in ("100", "50", "33.33"):
        advances.receive(wallet, amount, **TOLD)
    for _ in range(7):
        refunds.refund(wallet, "20", **TOLD)
    refunds.refund(wallet, wallet.balance, **TOLD)
    assert books(wallet) == {}
    receipts = vouchers_of(wallet)[:3]
    for receipt in receipts:
        sums = select(func.sum(Voucher.taxable), func.sum(Voucher.tax)).where(
            Voucher.receipt_id == receipt.id
        )
        assert db.session.execute(sums).one() == (receipt.taxable, receipt.tax)
    first = vouchers_of(wallet)[3]
    assert first.receipt_id == receipts[2].id


def test_money_that_bore_no_tax_goes_back_without(session: Session) -> None:
    wallet = a_wallet()
    wallets.top_up(wallet, "100", **TOLD)
    refunds.refund(wallet, "40", **TOLD)
    assert (books(wallet), vouchers_of(wallet)) == ({"cash": "-60.00", "wallet": "60.00"}, [])


def test_an_advance_that_went_to_another_wallet_is_given_back_from_there(session: Session) -> None:
    wallet = a_wallet()
    other = make.make_wallet(account=make.make_account(wallet.account.customer, prepaid=True))
    advances.receive(wallet, "118", **TOLD)
    transfers.transfer(wallet, other, "100", **TOLD)
    refunds.refund(other, "100", **TOLD)
    (refund,) = vouchers_of(other)
    assert (refund.amount, books(other)["cash"]) == (118, "118.00")


def test_a_top_up_taken_back_takes_its_tax_and_voucher_back(session: Session) -> None:
    wallet = a_wallet()
    moved = advances.receive(wallet, "1180", **TOLD)
    wallets.reverse(moved, **TOLD)
    assert books(wallet) == {}
    receipt, refund = vouchers_of(wallet)
    assert (refund.receipt_id, refund.amount, refund.tax) == (receipt.id, 1180, 180)


def test_a_top_up_of_which_some_went_back_is_not_taken_back_whole(session: Session) -> None:
    wallet = a_wallet()
    moved = advances.receive(wallet, "1180", **TOLD)
    wallets.credit(wallet, "500", **TOLD)
    back = refunds.refund(wallet, "250", **TOLD)
    with pytest.raises(Conflict, match="A part of the advance of OT29R/26-27/0001 is used"):
        wallets.reverse(moved, **TOLD)
    with pytest.raises(Conflict, match="record the money as a top-up"):
        wallets.reverse(back, **TOLD)
    assert (wallet.balance, len(vouchers_of(wallet))) == (1250, 2)


def test_a_voucher_never_changes(session: Session) -> None:
    wallet = a_wallet()
    advances.receive(wallet, "1180", **TOLD)
    (voucher,) = vouchers_of(wallet)
    with pytest.raises(DBAPIError), session.begin_nested():
        voucher.taxable, voucher.tax = Decimal(1001), Decimal(179)
        session.flush()
