"""The PDFs of vouchers: made when the money came, mailed once, the same for ever, with what the law asks."""

import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from pypdf import PdfReader
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.models import DocumentMail, StoredFile, Voucher
from app.services import advances, document_mails, documents, outbox, refunds
from app.services.documents import DamagedSnapshot, render_snapshot
from tests import factories as make
from tests.services.document_samples import SAMPLES
from tests.services.metered import NOON
from tests.services.tampering import power

TOLD: dict[str, Any] = {"at": NOON, "actor": make.ACTOR, "reason": "Bank transfer"}


@pytest.fixture(autouse=True)
def files(app: Flask, tmp_path: Path) -> Iterator[None]:
    before = app.extensions["settings"]
    app.extensions["settings"] = replace(before, data_dir=tmp_path)
    yield
    app.extensions["settings"] = before


def text_of(content: bytes) -> str:
    return " ".join(page.extract_text() for page in PdfReader(io.BytesIO(content)).pages)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (
            "receipt_voucher",
            ["Received from", "29-Karnataka", "998319", "18%", "CGST 9%", "₹90.00", "₹1,180.00", "Rule 50"],
        ),
        (
            "refund_voucher",
            ["Paid back to", "OT29R/26-27/0001 of 3 Oct 2026", "₹1,000.00", "₹1,180.00", "Rule 51"],
        ),
    ],
)
def test_a_voucher_shows_what_its_rule_asks_for(kind: str, words: list[str]) -> None:
    text = " ".join(text_of(render_snapshot(SAMPLES[kind])).split())
    assert [word for word in words if word not in text] == []
    assert "Rupees One Thousand One Hundred Eighty Only" in text


def test_the_promises_of_a_refund_make_and_mail_both_vouchers_once(session: Session) -> None:
    make.make_seller()
    make.make_tax_rate("18")
    wallet = make.make_wallet()
    advances.receive(wallet, "1180", **TOLD)
    refunds.refund(wallet, "250", **TOLD)
    session.flush()
    while outbox.deliver(10)["kept"]:
        pass
    stored = session.scalars(select(StoredFile.key).where(StoredFile.resource_type == "Voucher"))
    vouchers = session.scalars(select(Voucher).order_by(Voucher.id)).all()
    assert sorted(stored) == sorted(f"vouchers/{voucher.id}.pdf" for voucher in vouchers)
    mails = (DocumentMail.document_type == "Voucher", DocumentMail.requested_by == document_mails.AT_ISSUE)
    mailed = session.scalars(select(DocumentMail.subject).where(*mails))
    assert sorted(mailed) == [
        "Receipt Voucher OT29R/26-27/0001: ₹1,180.00",
        "Refund Voucher OT29F/26-27/0001: ₹295.00",
    ]
    assert documents.load(vouchers[0]) == documents.render_snapshot(vouchers[0].snapshot)


def test_a_voucher_whose_content_was_changed_is_not_printed(session: Session) -> None:
    make.make_seller()
    make.make_tax_rate("18")
    advances.receive(make.make_wallet(), "1180", **TOLD)
    session.flush()
    power(session, "UPDATE vouchers SET snapshot = jsonb_set(snapshot, '{amount}', '\"1.00\"')")
    with pytest.raises(DamagedSnapshot, match="was changed after it was issued"):
        documents.render(session.scalars(select(Voucher)).one())
