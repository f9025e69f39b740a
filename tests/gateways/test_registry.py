"""Gateways by name, and which keys they get."""

from dataclasses import replace

import pytest

import app.gateways
from app.config import Settings
from app.errors import GatewayRefused
from app.gateways.payments import BadSignature, open_gateway, payment_gateways
from app.gateways.sandbox import sandboxed
from app.registry import UnknownName, load_package

load_package(app.gateways)
SANDBOX = Settings(secret_key="k" * 32, sandbox_url="http://127.0.0.1:1")


@pytest.mark.parametrize("name", sorted(payment_gateways))
def test_every_gateway_opens_in_the_sandbox_and_refuses_an_unsigned_webhook(name):
    gateway = open_gateway(name, SANDBOX)
    assert gateway.name == name
    with pytest.raises(BadSignature):
        gateway.verify_webhook(b"{}", {})


def test_the_gateways_are_these():
    assert sorted(payment_gateways) == ["manual", "razorpay", "stripe"]


def test_one_process_keeps_one_gateway_so_that_its_circuit_remembers():
    assert open_gateway("stripe", SANDBOX) is open_gateway("stripe", SANDBOX)


@pytest.mark.parametrize("name", ["stripe", "razorpay"])
def test_a_gateway_without_keys_says_what_to_set(name):
    with pytest.raises(GatewayRefused, match=f"set {name.upper()}"):
        open_gateway(name, Settings())


def test_an_unknown_gateway_lists_the_known_ones():
    with pytest.raises(UnknownName, match="manual, razorpay, stripe"):
        open_gateway("paypal", SANDBOX)


def test_own_keys_win_over_the_sandbox():
    own = replace(SANDBOX, stripe_secret_key="sk_live_own", stripe_webhook_secret="whsec_own")
    chosen = sandboxed(own)
    assert (chosen.stripe_secret_key, chosen.stripe_api_url) == ("sk_live_own", "")
    assert chosen.razorpay_api_url == "http://127.0.0.1:1"


def test_production_refuses_a_sandbox():
    with pytest.raises(GatewayRefused, match="must not be set in production"):
        open_gateway("stripe", replace(SANDBOX, environment="production"))
