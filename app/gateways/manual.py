"""Money that comes by bank transfer or cheque: a person records it, and there is nobody to ask.

It has no page to send the customer to, no webhook and no refund call; services record such a payment as it is
told them.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import NoReturn

from app.config import Settings
from app.errors import GatewayRefused
from app.gateways.payments import (
    BadSignature,
    Checkout,
    GatewayPayment,
    GatewayRefund,
    PaymentIntent,
    WebhookEvent,
    payment_gateways,
)


class ManualGateway:
    """The `PaymentGateway` without a gateway."""

    name = "manual"
    title = "Bank transfer or cheque"
    hosted = False
    keeps_methods = False

    def minor_exponent(self, currency: str) -> int:
        """Return two: a bank counts in hundredths at most for every currency we bill in."""
        return 2

    def create_checkout(self, intent: PaymentIntent) -> Checkout:
        """Refuse: there is no page to pay on."""
        self._refuse()

    def charge_saved(self, intent: PaymentIntent) -> Checkout:
        """Refuse: nobody can be charged by hand."""
        self._refuse()

    def fetch(self, ref: str) -> GatewayPayment:
        """Refuse: the bank is not connected."""
        self._refuse()

    def refund(self, payment_ref: str, amount: Decimal, currency: str, *, key: str) -> GatewayRefund:
        """Refuse: the money goes back by a bank transfer that a person makes and records."""
        self._refuse()

    def fetch_refund(self, payment_ref: str, ref: str) -> GatewayRefund:
        """Refuse: the bank is not connected."""
        self._refuse()

    def verify_webhook(self, raw_body: bytes, headers: Mapping[str, str]) -> WebhookEvent:
        """Refuse: nobody signs for a bank transfer."""
        raise BadSignature("A manual payment has no webhooks.")

    def _refuse(self) -> NoReturn:
        raise GatewayRefused("A bank transfer or cheque is recorded by a person; it has no online gateway.")


@payment_gateways.register("manual")
def _open(settings: Settings) -> ManualGateway:
    return ManualGateway()
