"""Every provider of e-invoices, and the sandbox: it refuses, signs and remembers as the portal does."""

from datetime import timedelta
from decimal import Decimal
from multiprocessing.pool import ThreadPool
from pathlib import Path

import pytest
import time_machine

import app.gateways
from app import clock
from app.config import BadSettings, Settings
from app.domain import einvoices
from app.gateways.einvoice_sandbox import SandboxPortal
from app.gateways.einvoices import (
    BadPortalSignature,
    PortalRefused,
    Registered,
    open_provider,
    providers,
)
from app.registry import UnknownName, load_package
from tests.domain.test_einvoices import invoice, local

load_package(app.gateways)
GSTIN = "29AAGCO4567J1ZV"


@pytest.fixture
def portal(tmp_path: Path) -> SandboxPortal:
    return SandboxPortal(tmp_path)


def document(number="OT/26-27/000042", **values):
    built = einvoices.build(invoice(local(), number=number))
    return {**built, **values}


def codes(refused):
    return [error.code for error in refused.value.errors]


@pytest.mark.parametrize("name", sorted(providers))
def test_every_provider_registers_finds_cancels_and_reads_what_it_signed(name, tmp_path):
    provider = open_provider(name, Settings(data_dir=tmp_path))
    assert provider.name == name
    irn = einvoices.irn_of_content(invoice(local()))
    assert provider.find(irn, gstin=GSTIN) is None
    made = provider.register(document())
    assert (made.irn, provider.find(irn, gstin=GSTIN)) == (irn, made)
    assert provider.read(made.signed_qr)["Irn"] == provider.read(made.signed_invoice)["Irn"] == irn
    cancelled_at = provider.cancel(irn, gstin=GSTIN, reason=1, remark="Sent twice")
    assert provider.find(irn, gstin=GSTIN).cancelled_at == cancelled_at


def test_the_providers_are_these():
    assert sorted(providers) == ["sandbox"]
    with pytest.raises(UnknownName, match="sandbox"):
        open_provider("nic", Settings())


def test_the_code_says_what_the_law_wants_in_it(portal):
    with time_machine.travel("2026-11-01T04:00:00Z", tick=False):
        made = portal.register(document())
    assert portal.read(made.signed_qr) == {
        "SellerGstin": "29AAGCO4567J1ZV",
        "BuyerGstin": "29AABCN1234F1ZS",
        "DocNo": "OT/26-27/000042",
        "DocTyp": "INV",
        "DocDt": "01/11/2026",
        "TotInvVal": Decimal("620.00"),
        "ItemCnt": 1,
        "MainHsnCode": "998429",
        "Irn": made.irn,
        "IrnDt": "2026-11-01 09:30:00",
    }


def test_the_same_document_is_registered_once_by_eight_who_ask_at_once(portal):
    def ask(_):
        try:
            return portal.register(document())
        except PortalRefused as refused:
            return refused.codes

    with ThreadPool(8) as pool:
        answers = pool.map(ask, range(8))
    assert sum(isinstance(answer, Registered) for answer in answers) == 1
    assert answers.count(frozenset({"2150"})) == 7


def test_a_wrong_gstin_is_refused_in_the_portals_words(portal):
    wrong = document()
    wrong["BuyerDtls"] = {**wrong["BuyerDtls"], "Gstin": "29AABCN1234F1ZX"}
    with pytest.raises(PortalRefused) as refused:
        portal.register(wrong)
    assert codes(refused) == ["3028"]
    assert portal.find(einvoices.irn_of_content(invoice(local())), gstin=GSTIN) is None


def test_the_sandbox_can_take_the_portals_test_gstins(tmp_path):
    wrong = document()
    wrong["BuyerDtls"] = {**wrong["BuyerDtls"], "Gstin": "29AWGPV7107B1Z9"}
    made = SandboxPortal(tmp_path, accept_test=True).register(wrong)
    assert len(made.irn) == 64


def test_a_number_that_was_cancelled_is_never_used_again(portal):
    made = portal.register(document())
    portal.cancel(made.irn, gstin=GSTIN, reason=2, remark="Wrong customer")
    with pytest.raises(PortalRefused) as again:
        portal.register(document())
    with pytest.raises(PortalRefused) as twice:
        portal.cancel(made.irn, gstin=GSTIN, reason=2, remark="Wrong customer")
    assert (codes(again), codes(twice)) == (["2278"], ["9999"])


def test_after_24_hours_nothing_is_cancelled(portal):
    made = portal.register(document())
    late = clock.now() + timedelta(hours=24, minutes=1)
    with time_machine.travel(late), pytest.raises(PortalRefused) as refused:
        portal.cancel(made.irn, gstin=GSTIN, reason=2, remark="Wrong customer")
    assert codes(refused) == ["2270"]
    assert portal.find(made.irn, gstin=GSTIN).cancelled_at is None


def test_another_sellers_document_is_not_shown(portal):
    made = portal.register(document())
    with pytest.raises(PortalRefused) as refused:
        portal.find(made.irn, gstin="27AABCN1234F1ZW")
    assert codes(refused) == ["2143"]


def test_a_changed_or_foreign_token_is_not_read(portal, tmp_path):
    head, body, signature = portal.register(document()).signed_qr.split(".")
    foreign = SandboxPortal(tmp_path / "other").register(document()).signed_qr
    flipped = f"{head}.{body[:-2]}{'AA' if body[-2:] != 'AA' else 'BB'}.{signature}"
    for token in (flipped, foreign, f"{head}.{body}.", "no token", ""):
        with pytest.raises(BadPortalSignature):
            portal.read(token)


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"EINVOICE_PROVIDER": "sandbox"}, "set both or none"),
        ({"EINVOICE_PROVIDER": "sandbox", "EINVOICE_FROM": "1 April"}, "EINVOICE_FROM: write a day"),
        (
            {"EINVOICE_PROVIDER": "sandbox", "EINVOICE_FROM": "2026-04-01", "ENVIRONMENT": "production"},
            "EINVOICE_PROVIDER=sandbox must not be set in production",
        ),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(given, problem):
    with pytest.raises(BadSettings, match=problem):
        Settings.from_env({"DATABASE_URL": "postgresql://x", "SECRET_KEY": "k" * 32, **given})
