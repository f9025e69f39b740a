"""The sandbox gateway: settings that point the real SDKs at the local server of
`app.gateways.sandbox_server`.

Its keys are derived from the installation's SECRET_KEY, so none is written down, and nobody else on the
machine can sign a webhook. The server reads the same SECRET_KEY and arrives at the same keys.
"""

import hashlib
import hmac
from dataclasses import dataclass, replace

from app.config import Settings
from app.errors import GatewayRefused


@dataclass(frozen=True, slots=True)
class SandboxKeys:
    """What the app and the sandbox server share."""

    stripe_secret_key: str
    stripe_webhook_secret: str
    razorpay_key_id: str
    razorpay_key_secret: str
    razorpay_webhook_secret: str


def sandbox_keys(secret_key: str) -> SandboxKeys:
    """Return the sandbox's keys for an installation."""

    def derive(label: str) -> str:
        return hmac.new(secret_key.encode(), f"sandbox:{label}".encode(), hashlib.sha256).hexdigest()[:32]

    return SandboxKeys(
        stripe_secret_key=f"sk_test_{derive('stripe-key')}",
        stripe_webhook_secret=f"whsec_{derive('stripe-webhook')}",
        razorpay_key_id=f"rzp_test_{derive('razorpay-id')[:14]}",
        razorpay_key_secret=derive("razorpay-key"),
        razorpay_webhook_secret=derive("razorpay-webhook"),
    )


def sandboxed(settings: Settings) -> Settings:
    """Return the settings with the sandbox's address and keys in the place of each gateway's own that are
    missing.

    Raises:
        GatewayRefused: a sandbox is named in production, where its money would be taken for real.
    """
    if not settings.sandbox_url:
        return settings
    if settings.production:
        raise GatewayRefused("SANDBOX_URL must not be set in production.")
    keys = sandbox_keys(settings.secret_key)
    if not settings.stripe_secret_key:
        settings = replace(
            settings,
            stripe_api_url=settings.sandbox_url,
            stripe_secret_key=keys.stripe_secret_key,
            stripe_webhook_secret=keys.stripe_webhook_secret,
        )
    if not settings.razorpay_key_id:
        settings = replace(
            settings,
            razorpay_api_url=settings.sandbox_url,
            razorpay_key_id=keys.razorpay_key_id,
            razorpay_key_secret=keys.razorpay_key_secret,
            razorpay_webhook_secret=keys.razorpay_webhook_secret,
        )
    return settings
