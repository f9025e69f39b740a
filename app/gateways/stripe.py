"""Stripe by its own SDK: Checkout Sessions, so that cards are typed on Stripe's page and never here.

Requests carry the intent's id as `Idempotency-Key`, with a body derived from the intent row alone: the same
key always goes with the same body, which Stripe demands, and a repeat returns the first session.
"""

import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, TypeVar

import stripe

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
    SavedMethod,
    WebhookEvent,
    from_minor,
    payment_gateways,
    to_minor,
    uuid_or_none,
)
from app.gateways.sandbox import sandboxed

T = TypeVar("T")

# https://docs.stripe.com/currencies: IDR is counted in hundredths, UGX and ISK too although they have none.
ZERO_DECIMAL = frozenset(
    {"BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF"}
)
THREE_DECIMAL = frozenset({"BHD", "JOD", "KWD", "OMR", "TND"})
TIMEOUT_SECONDS = 10.0
# Stripe signs each delivery anew, so an older one is a replay.
WEBHOOK_TOLERANCE_SECONDS = 300
UNANSWERED = (stripe.APIConnectionError, stripe.APIError, stripe.RateLimitError)
IN_PROGRESS = 409
REFUND_STATES = {
    "succeeded": GatewayStatus.succeeded,
    "failed": GatewayStatus.failed,
    "canceled": GatewayStatus.failed,
}
SETTLED = ("checkout.session.", "payment_intent.")


class StripeGateway:
    """The `PaymentGateway` over Stripe Checkout."""

    name = "stripe"
    title = "Stripe"
    hosted = True
    keeps_methods = True

    def __init__(
        self,
        *,
        secret_key: str,
        webhook_secret: str,
        api_url: str = "",
        timeout_seconds: float,
    ) -> None:
        self._webhook_secret = webhook_secret
        self._circuit = Circuit(self.title)
        self._client = stripe.StripeClient(
            secret_key,
            base_addresses={"api": api_url} if api_url else {},
            http_client=stripe.RequestsClient(timeout=timeout_seconds),
            max_network_retries=0,
        )

    def minor_exponent(self, currency: str) -> int:
        """Return the decimals of Stripe's minor unit: 0, 3 for a few, else 2."""
        return 0 if currency in ZERO_DECIMAL else 3 if currency in THREE_DECIMAL else 2

    def create_checkout(self, intent: PaymentIntent) -> Checkout:
        """Open a Checkout Session for one line that carries the intent's id in its metadata."""
        price = {
            "currency": intent.currency.lower(),
            "unit_amount": to_minor(intent.amount, self.minor_exponent(intent.currency)),
            "product_data": {"name": intent.description},
        }
        tag = {"intent_id": str(intent.id)}
        params: Any = {
            "mode": "payment",
            "line_items": [{"price_data": price, "quantity": 1}],
            "success_url": intent.return_url,
            "cancel_url": intent.return_url,
            "expires_at": int(intent.expires_at.timestamp()),
            "client_reference_id": str(intent.id),
            "metadata": tag,
            "payment_intent_data": {"metadata": tag, "description": intent.description},
        }
        if intent.email:
            params["customer_email"] = intent.email
        if intent.save_method:
            params["customer_creation"] = "always"
            params["payment_intent_data"]["setup_future_usage"] = "off_session"
        session: Any = self._ask(
            lambda: self._client.v1.checkout.sessions.create(params, {"idempotency_key": str(intent.id)})
        )
        return Checkout(ref=session.id, url=session.url)

    def charge_saved(self, intent: PaymentIntent) -> Checkout:
        """Confirm a Payment Intent off-session; what Stripe declines or wants the customer for is refused."""
        if intent.method is None:
            raise GatewayRefused("There is no saved way to pay.")
        params: Any = {
            "amount": to_minor(intent.amount, self.minor_exponent(intent.currency)),
            "currency": intent.currency.lower(),
            "customer": intent.method.customer_ref,
            "payment_method": intent.method.method_ref,
            "off_session": True,
            "confirm": True,
            "description": intent.description,
            "metadata": {"intent_id": str(intent.id)},
        }
        made: Any = self._ask(
            lambda: self._client.v1.payment_intents.create(params, {"idempotency_key": str(intent.id)})
        )
        return Checkout(ref=made.id, url="")

    def fetch(self, ref: str) -> GatewayPayment:
        """Read the session with its payment intent and, once paid, what Stripe kept as its fee; or the intent
        alone, where a saved way to pay was charged.
        """
        if ref.startswith("pi_"):
            return self._fetch_intent(ref)
        expand = ["payment_intent.latest_charge.balance_transaction", "payment_intent.payment_method"]
        session: Any = self._ask(lambda: self._client.v1.checkout.sessions.retrieve(ref, {"expand": expand}))
        currency = session.currency.upper()
        exponent = self.minor_exponent(currency)
        paid = session.payment_intent
        status, reason = _status_of(session)
        minor = paid.amount_received if status is GatewayStatus.succeeded else session.amount_total
        return GatewayPayment(
            status=status,
            amount=from_minor(minor, exponent),
            currency=paid.currency.upper() if paid else currency,
            fee=_fee_of(paid, self.minor_exponent),
            payment_ref=paid.id if paid else None,
            reason=reason,
            saved=_saved_with(paid),
        )

    def _fetch_intent(self, ref: str) -> GatewayPayment:
        options: Any = {"expand": ["latest_charge.balance_transaction"]}
        paid: Any = self._ask(lambda: self._client.v1.payment_intents.retrieve(ref, options))
        currency = paid.currency.upper()
        succeeded = paid.status == "succeeded"
        lost = paid.status in {"requires_payment_method", "requires_action", "canceled"}
        waiting = GatewayStatus.failed if lost else GatewayStatus.pending
        problem = paid.last_payment_error
        return GatewayPayment(
            status=GatewayStatus.succeeded if succeeded else waiting,
            amount=from_minor(
                paid.amount_received if succeeded else paid.amount, self.minor_exponent(currency)
            ),
            currency=currency,
            fee=_fee_of(paid, self.minor_exponent),
            payment_ref=paid.id,
            reason=problem.message if lost and problem else "",
        )

    def refund(self, payment_ref: str, amount: Decimal, currency: str, *, key: str) -> GatewayRefund:
        """Refund part or all of a payment intent."""
        exponent = self.minor_exponent(currency)
        refund: Any = self._ask(
            lambda: self._client.v1.refunds.create(
                {"payment_intent": payment_ref, "amount": to_minor(amount, exponent)},
                {"idempotency_key": key},
            )
        )
        return self._refund_of(refund)

    def fetch_refund(self, payment_ref: str, ref: str) -> GatewayRefund:
        """Read a refund."""
        return self._refund_of(self._ask(lambda: self._client.v1.refunds.retrieve(ref)))

    def _refund_of(self, refund: Any) -> GatewayRefund:
        currency = refund.currency.upper()
        return GatewayRefund(
            ref=refund.id,
            status=REFUND_STATES.get(refund.status, GatewayStatus.pending),
            amount=from_minor(refund.amount, self.minor_exponent(currency)),
            currency=currency,
        )

    def verify_webhook(self, raw_body: bytes, headers: Mapping[str, str]) -> WebhookEvent:
        """Check `Stripe-Signature` over the raw bytes; the event's own id is its key."""
        try:
            stripe.WebhookSignature.verify_header(
                raw_body.decode(),
                headers.get("Stripe-Signature", ""),
                self._webhook_secret,
                WEBHOOK_TOLERANCE_SECONDS,
            )
            event = json.loads(raw_body)
            kind, subject = event["type"], event["data"]["object"]
        except (stripe.SignatureVerificationError, ValueError, KeyError) as error:
            raise BadSignature("The signature does not match the body.") from error
        is_session = kind.startswith("checkout.session.")
        is_intent = kind.startswith("payment_intent.")
        tag = (subject.get("metadata") or {}).get("intent_id")
        return WebhookEvent(
            key=event["id"],
            kind=kind,
            intent_id=uuid_or_none(tag) if kind.startswith(SETTLED) else None,
            checkout_ref=subject["id"] if is_session else None,
            payment_ref=subject["id"] if is_intent else subject.get("payment_intent"),
        )

    def _ask(self, call: Callable[[], T]) -> T:
        def answered() -> T:
            try:
                return call()
            except UNANSWERED as error:
                raise GatewayUnavailable(
                    "Stripe did not answer. The payment is checked again by itself."
                ) from error
            except stripe.StripeError as error:
                if error.http_status == IN_PROGRESS:
                    raise GatewayUnavailable("Stripe is still working on the same request.") from error
                raise GatewayRefused(f"Stripe refused: {error.user_message or error}") from error

        return self._circuit.call(answered)


def _status_of(session: Any) -> tuple[GatewayStatus, str]:
    if session.payment_status == "paid":
        return GatewayStatus.succeeded, ""
    if session.status == "expired":
        return GatewayStatus.expired, "The checkout page expired before it was paid."
    problem = session.payment_intent and session.payment_intent.last_payment_error
    if problem and session.payment_intent.status in {"requires_payment_method", "canceled"}:
        return GatewayStatus.failed, problem.message
    return GatewayStatus.pending, ""


def _saved_with(paid: Any) -> SavedMethod | None:
    """Return the way to pay that Stripe kept with a payment intent, None where it kept none."""
    if not paid or not paid.customer or not paid.setup_future_usage:
        return None
    method = paid.payment_method
    card = getattr(method, "card", None)
    label = f"{card.brand.capitalize()} ending {card.last4}" if card else "Saved with Stripe"
    return SavedMethod(paid.customer, method.id, label)


def _fee_of(paid: Any, exponent: Callable[[str], int]) -> Decimal | None:
    """Return the fee in the settlement currency, None until the charge has settled."""
    charge = paid and paid.latest_charge
    settled = charge and charge.balance_transaction
    return from_minor(settled.fee, exponent(settled.currency.upper())) if settled else None


@payment_gateways.register("stripe")
def _open(settings: Settings) -> StripeGateway:
    keys = sandboxed(settings)
    if not keys.stripe_secret_key or not keys.stripe_webhook_secret:
        raise GatewayRefused("Stripe is not set up: set STRIPE_SECRET_KEY and STRIPE_WEBHOOK_SECRET.")
    return StripeGateway(
        secret_key=keys.stripe_secret_key,
        webhook_secret=keys.stripe_webhook_secret,
        api_url=keys.stripe_api_url,
        timeout_seconds=TIMEOUT_SECONDS,
    )
