"""One sandbox and one receiver for all the gateway tests; faults are switched off before each."""

from collections.abc import Iterator
from dataclasses import asdict
from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import pytest

from app import clock
from app.gateways.payments import PaymentGateway, PaymentIntent
from app.gateways.razorpay import RazorpayGateway
from app.gateways.sandbox import sandbox_keys
from app.gateways.sandbox_server.checkouts import Controls
from app.gateways.stripe import StripeGateway
from tests.gateways.sandbox import SECRET_KEY, Receiver, SandboxProcess, running_receiver, running_sandbox


@pytest.fixture(scope="session")
def receiver_process() -> Iterator[Receiver]:
    with running_receiver() as receiver:
        yield receiver


@pytest.fixture(scope="session")
def sandbox_process(receiver_process, tmp_path_factory) -> Iterator[SandboxProcess]:
    with running_sandbox(tmp_path_factory.mktemp("sandbox"), receiver_process.url) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(sandbox_process) -> SandboxProcess:
    sandbox_process.control(**{**asdict(Controls()), "delay_seconds": 0.3})
    return sandbox_process


@pytest.fixture
def receiver(receiver_process) -> Receiver:
    receiver_process.received.clear()
    receiver_process.answer = 200
    return receiver_process


@pytest.fixture
def stripe_gateway(sandbox) -> StripeGateway:
    keys = sandbox_keys(SECRET_KEY)
    return StripeGateway(
        secret_key=keys.stripe_secret_key,
        webhook_secret=keys.stripe_webhook_secret,
        api_url=sandbox.url,
        timeout_seconds=0.5,
    )


@pytest.fixture
def razorpay_gateway(sandbox) -> RazorpayGateway:
    keys = sandbox_keys(SECRET_KEY)
    return RazorpayGateway(
        key_id=keys.razorpay_key_id,
        key_secret=keys.razorpay_key_secret,
        webhook_secret=keys.razorpay_webhook_secret,
        api_url=sandbox.url,
        timeout_seconds=0.5,
    )


@pytest.fixture(params=["stripe", "razorpay"])
def gateway(request) -> PaymentGateway:
    return request.getfixturevalue(f"{request.param}_gateway")


@pytest.fixture
def intent() -> PaymentIntent:
    return PaymentIntent(
        id=uuid4(),
        amount=Decimal("1180.50"),
        currency="INR",
        description="Wallet top-up",
        return_url="http://127.0.0.1:8000/portal/wallet",
        expires_at=clock.now() + timedelta(hours=23),
        email="finance@example.com",
    )
