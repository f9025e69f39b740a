"""Razorpay by its own SDK: Payment Links, so that cards and UPI are entered on Razorpay's page and never
here.

Razorpay has no idempotency key for links; the intent's id is the link's `reference_id`, which Razorpay keeps
unique per merchant, and a link that exists already is looked up by it. Webhooks are signed over the body
only, without a time or an id, so a message's key is its meaning: event, subject, status.
"""

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, TypeVar

import razorpay
import requests
from razorpay.errors import BadRequestError, GatewayError, ServerError

from app.config import Settings
from app.errors import GatewayRefused, GatewayUnavailable
from app.gateways.circuit import Circuit
from app.gateways.payments import (
    BadSignature,
    Checkout,
    GatewayPayment,
    GatewayRefund,
    GatewayStatus,
    PaymentIntent,
    WebhookEvent,
    from_minor,
    payment_gateways,
    to_minor,
    uuid_or_none,
)
from app.gateways.sandbox import sandboxed

T = TypeVar("T")

# https://razorpay.com/docs/payments/international-payments/#supported-currencies: the exponents are those of
# ISO 4217.
ZERO_DECIMAL = frozenset(
    {
        "BIF",
        "CLP",
        "DJF",
        "GNF",
        "ISK",
        "JPY",
        "KMF",
        "KRW",
        "PYG",
        "RWF",
        "UGX",
        "VND",
        "VUV",
        "XAF",
        "XOF",
        "XPF",
    }
)
THREE_DECIMAL = frozenset({"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"})
TIMEOUT_SECONDS = 10.0
LINK_STATES = {
    "paid": GatewayStatus.succeeded,
    "expired": GatewayStatus.expired,
    "cancelled": GatewayStatus.expired,
}
MONEY_MOVED = frozenset({"captured", "refunded"})
REFUND_STATES = {"processed": GatewayStatus.succeeded, "failed": GatewayStatus.failed}
SUBJECTS = ("refund", "payment", "payment_link")


class _TimedSession(requests.Session):
    """A session whose calls end: the SDK itself sets no timeout."""

    def __init__(self, timeout_seconds: float) -> None:
        super().__init__()
        self._timeout_seconds = timeout_seconds

    def request(self, *args: Any, **kwargs: Any) -> requests.Response:
        kwargs.setdefault("timeout", self._timeout_seconds)
        return super().request(*args, **kwargs)


class RazorpayGateway:
    """The `PaymentGateway` over Razorpay Payment Links."""

    name = "razorpay"
    title = "Razorpay"
    hosted = True
    keeps_methods = False

    def __init__(
        self,
        *,
        key_id: str,
        key_secret: str,
        webhook_secret: str,
        api_url: str = "",
        timeout_seconds: float,
    ) -> None:
        self._webhook_secret = webhook_secret
        self._circuit = Circuit(self.title)
        options = {"base_url": api_url} if api_url else {}
        self._client = razorpay.Client(
            session=_TimedSession(timeout_seconds), auth=(key_id, key_secret), **options
        )

    def minor_exponent(self, currency: str) -> int:
        """Return the decimals of Razorpay's minor unit, which are those of ISO 4217."""
        return 0 if currency in ZERO_DECIMAL else 3 if currency in THREE_DECIMAL else 2

    def create_checkout(self, intent: PaymentIntent) -> Checkout:
        """Create a Payment Link, or find the one made for this intent before."""
        body: dict[str, Any] = {
            "amount": to_minor(intent.amount, self.minor_exponent(intent.currency)),
            "currency": intent.currency,
            "description": intent.description,
            "reference_id": str(intent.id),
            "notes": {"intent_id": str(intent.id)},
            "notify": {"sms": False, "email": False},
            "reminder_enable": False,
            "expire_by": int(intent.expires_at.timestamp()),
            "callback_url": intent.return_url,
            "callback_method": "get",
        }
        if intent.email:
            body["customer"] = {"email": intent.email}
        try:
            link = self._ask(lambda: self._client.payment_link.create(body))
        except GatewayRefused:
            found = self._ask(lambda: self._client.payment_link.all({"reference_id": str(intent.id)}))
            if not found["payment_links"]:
                raise
            link = found["payment_links"][0]
        return Checkout(ref=link["id"], url=link["short_url"])

    def charge_saved(self, intent: PaymentIntent) -> Checkout:
        """Refuse: a Payment Link keeps no token, and a mandate of the Reserve Bank of India needs its own
        registration (https://razorpay.com/docs/payments/recurring-payments/).
        """
        raise GatewayRefused("Razorpay keeps no way to pay for payment links.")

    def fetch(self, ref: str) -> GatewayPayment:
        """Read the link, and the payment on it that decides: the captured one, else the latest failure."""
        link = self._ask(lambda: self._client.payment_link.fetch(ref))
        status = LINK_STATES.get(link["status"], GatewayStatus.pending)
        payment, reason = None, ""
        if status is GatewayStatus.succeeded:
            captured = next(made for made in link["payments"] if made["status"] in MONEY_MOVED)
            payment = self._ask(lambda: self._client.payment.fetch(captured["payment_id"]))
        elif status is GatewayStatus.expired:
            reason = "The payment link expired before it was paid."
        elif link.get("order_id"):
            tried = self._ask(lambda: self._client.order.payments(link["order_id"]))["items"]
            latest = max(tried, key=lambda attempt: int(attempt["created_at"]), default=None)
            if latest and latest["status"] == "failed":
                status, payment, reason = (
                    GatewayStatus.failed,
                    latest,
                    latest.get("error_description") or "Declined.",
                )
        subject = payment or link
        exponent = self.minor_exponent(subject["currency"])
        return GatewayPayment(
            status=status,
            amount=from_minor(subject["amount"], exponent),
            currency=subject["currency"],
            fee=from_minor(payment["fee"], exponent) if payment and payment.get("fee") is not None else None,
            payment_ref=payment["id"] if payment else None,
            reason=reason,
        )

    def refund(self, payment_ref: str, amount: Decimal, currency: str, *, key: str) -> GatewayRefund:
        """Refund part or all of a captured payment, at most once per key."""
        exponent = self.minor_exponent(currency)
        body = {"amount": to_minor(amount, exponent), "receipt": key, "speed": "normal"}
        headers = {"X-Refund-Idempotency": key}
        return self._refund_of(
            self._ask(lambda: self._client.payment.refund(payment_ref, body, headers=headers))
        )

    def fetch_refund(self, payment_ref: str, ref: str) -> GatewayRefund:
        """Read a refund of a payment."""
        return self._refund_of(self._ask(lambda: self._client.payment.fetch_refund_id(payment_ref, ref)))

    def _refund_of(self, refund: Mapping[str, Any]) -> GatewayRefund:
        return GatewayRefund(
            ref=refund["id"],
            status=REFUND_STATES.get(refund["status"], GatewayStatus.pending),
            amount=from_minor(refund["amount"], self.minor_exponent(refund["currency"])),
            currency=refund["currency"],
        )

    def verify_webhook(self, raw_body: bytes, headers: Mapping[str, str]) -> WebhookEvent:
        """Check `X-Razorpay-Signature` (hex HMAC-SHA256 of the raw bytes) and read whom it concerns."""
        given = headers.get("X-Razorpay-Signature", "")
        if not hmac.compare_digest(self.sign(raw_body).encode(), given.encode()):
            raise BadSignature("The signature does not match the body.")
        try:
            message = json.loads(raw_body)
            kind, payload = message["event"], message["payload"]
            entities = {name: payload[name]["entity"] for name in SUBJECTS if name in payload}
            subject = next(iter(entities.values()))
            key = f"{kind}:{subject['id']}:{subject['status']}"
        except (ValueError, KeyError, TypeError, StopIteration) as error:
            raise BadSignature("The body is not a Razorpay event about a payment.") from error
        link, payment = entities.get("payment_link", {}), entities.get("payment", {})
        notes = payment.get("notes") or {}
        tag = link.get("reference_id") or (notes.get("intent_id") if isinstance(notes, dict) else None)
        return WebhookEvent(
            key=key,
            kind=kind,
            intent_id=uuid_or_none(tag),
            checkout_ref=link.get("id"),
            payment_ref=payment.get("id"),
        )

    def sign(self, raw_body: bytes) -> str:
        """Return the signature that Razorpay gives a webhook with this body."""
        return hmac.new(self._webhook_secret.encode(), raw_body, hashlib.sha256).hexdigest()

    def _ask(self, call: Callable[[], T]) -> T:
        def answered() -> T:
            try:
                return call()
            except (requests.RequestException, GatewayError, ServerError) as error:
                raise GatewayUnavailable(
                    "Razorpay did not answer. The payment is checked again by itself."
                ) from error
            except BadRequestError as error:
                if "too many requests" in str(error).lower():
                    raise GatewayUnavailable("Razorpay asks to slow down.") from error
                raise GatewayRefused(f"Razorpay refused: {error}") from error

        return self._circuit.call(answered)


@payment_gateways.register("razorpay")
def _open(settings: Settings) -> RazorpayGateway:
    keys = sandboxed(settings)
    if not keys.razorpay_key_id or not keys.razorpay_key_secret or not keys.razorpay_webhook_secret:
        raise GatewayRefused(
            "Razorpay is not set up: set RAZORPAY_KEY_ID, RAZORPAY_KEY_SECRET and RAZORPAY_WEBHOOK_SECRET."
        )
    return RazorpayGateway(
        key_id=keys.razorpay_key_id,
        key_secret=keys.razorpay_key_secret,
        webhook_secret=keys.razorpay_webhook_secret,
        api_url=keys.razorpay_api_url,
        timeout_seconds=TIMEOUT_SECONDS,
    )
