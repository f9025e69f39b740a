"""Payment gateways behind one Protocol, and the registry that names them.

A gateway knows how money is asked for, how a payment stands, and whether a webhook is genuine. It decides
nothing: services compare what it says with the intent and move the money. Card data never enters; the
customer pays on the gateway's own page.

Every call either answers, or raises `GatewayRefused` (a definite no: nothing was charged), or raises
`GatewayUnavailable` (the outcome is unknown and is resolved by asking again with the same intent).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from typing import Protocol
from uuid import UUID

from app.config import Settings
from app.errors import GatewayRefused, Invalid
from app.registry import Registry


class GatewayStatus(StrEnum):
    """How a payment stands at its gateway."""

    pending = "pending"
    succeeded = "succeeded"
    failed = "failed"
    expired = "expired"


@dataclass(frozen=True, slots=True)
class SavedMethod:
    """A way to pay that the gateway keeps: its names of the customer and of the card or mandate, and a label
    such as `Visa ending 4242`.
    """

    customer_ref: str
    method_ref: str
    label: str


@dataclass(frozen=True, slots=True)
class PaymentIntent:
    """What is to be paid. `id` is the committed intent row's and serves as the gateway's idempotency key.

    Every field is derived from that row, so that asking again is the same request. After `expires_at`, less
    than 24 hours from now, the page takes no money any more. `save_method` asks the gateway to keep the way
    to pay; `method` is one that it kept, to be charged without the customer.
    """

    id: UUID
    amount: Decimal
    currency: str
    description: str
    return_url: str
    expires_at: datetime
    email: str = ""
    save_method: bool = False
    method: SavedMethod | None = None


@dataclass(frozen=True, slots=True)
class Checkout:
    """A hosted page where the customer pays: the gateway's reference and the address to redirect to."""

    ref: str
    url: str


@dataclass(frozen=True, slots=True)
class GatewayPayment:
    """What the gateway says of a checkout; `amount` is what was received, while pending what is asked for."""

    status: GatewayStatus
    amount: Decimal
    currency: str
    fee: Decimal | None = None
    payment_ref: str | None = None
    reason: str = ""
    saved: SavedMethod | None = None


@dataclass(frozen=True, slots=True)
class GatewayRefund:
    """A refund as the gateway records it."""

    ref: str
    status: GatewayStatus
    amount: Decimal
    currency: str


@dataclass(frozen=True, slots=True)
class WebhookEvent:
    """A verified message. `key` is the same for every delivery of a fact; `intent_id` names the intent."""

    key: str
    kind: str
    intent_id: UUID | None
    checkout_ref: str | None = None
    payment_ref: str | None = None


class BadSignature(Invalid):
    """A webhook that its gateway did not sign, or signed too long ago."""

    code = "bad_signature"


class PaymentGateway(Protocol):
    """What services ask of a gateway."""

    name: str
    title: str
    hosted: bool
    keeps_methods: bool

    def minor_exponent(self, currency: str) -> int:
        """Return how many decimals this gateway counts `currency` in; gateways differ in this."""

    def create_checkout(self, intent: PaymentIntent) -> Checkout:
        """Return the hosted page for `intent`; the same intent asked again gives the same checkout.

        Raises:
            GatewayRefused: the gateway will not take it.
            GatewayUnavailable: no answer; ask again with the same intent.
        """

    def charge_saved(self, intent: PaymentIntent) -> Checkout:
        """Charge `intent.method` without the customer; the same intent asked again charges once.

        The answer has no address: `fetch` tells how it went.

        Raises:
            GatewayRefused: it was declined, or the gateway keeps no ways to pay.
            GatewayUnavailable: no answer; ask again with the same intent.
        """

    def fetch(self, ref: str) -> GatewayPayment:
        """Return how the checkout or charge `ref` stands.

        Raises:
            GatewayRefused: the gateway knows no such checkout.
            GatewayUnavailable: no answer.
        """

    def refund(self, payment_ref: str, amount: Decimal, currency: str, *, key: str) -> GatewayRefund:
        """Give back `amount` of a succeeded payment; the same `key` refunds once.

        Raises:
            GatewayRefused: more than is left, or too late.
            GatewayUnavailable: no answer; ask again with the same key.
        """

    def fetch_refund(self, payment_ref: str, ref: str) -> GatewayRefund:
        """Return how the refund `ref` of a payment stands.

        Raises:
            GatewayRefused: the gateway knows no such refund.
            GatewayUnavailable: no answer.
        """

    def verify_webhook(self, raw_body: bytes, headers: Mapping[str, str]) -> WebhookEvent:
        """Return the message that was signed, checked over the raw bytes.

        Raises:
            BadSignature: the signature is missing, wrong or too old.
        """


payment_gateways: Registry[Callable[[Settings], PaymentGateway]] = Registry("payment gateway")


@lru_cache(maxsize=32)
def open_gateway(name: str, settings: Settings) -> PaymentGateway:
    """Return the gateway of that name for these settings; one per process, so that its circuit breaker
    remembers.

    Raises:
        UnknownName: no such gateway.
        GatewayRefused: the settings have no keys for it.
    """
    return payment_gateways[name](settings)


def to_minor(amount: Decimal, exponent: int) -> int:
    """Return `amount` in a gateway's minor units.

    Raises:
        GatewayRefused: the amount has more decimals than the gateway can charge, or is not positive.
    """
    minor = amount.scaleb(exponent)
    if minor <= 0 or minor != minor.to_integral_value():
        raise GatewayRefused(
            f"{amount} cannot be charged: use a positive amount with at most {exponent} decimals."
        )
    return int(minor)


def from_minor(minor: int, exponent: int) -> Decimal:
    """Return the amount that `minor` units stand for."""
    return Decimal(minor).scaleb(-exponent)


def uuid_or_none(text: object) -> UUID | None:
    """Return the UUID written in `text`, or None: webhooks also tell of things that are not ours."""
    try:
        return UUID(str(text))
    except ValueError:
        return None
