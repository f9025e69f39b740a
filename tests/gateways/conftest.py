"""The gateways at the sandbox, and an intent."""

from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import pytest

from app import clock
from app.gateways.payments import PaymentGateway, PaymentIntent
from app.gateways.razorpay import RazorpayGateway
from app.gateways.sandbox import sandbox_keys
from app.gateways.stripe import StripeGateway
from tests.support.sandbox import SECRET_KEY


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
