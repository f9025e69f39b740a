"""Payments, and the inbox of what the gateways tell us."""

from admin_views.base import ModelScreen
from admin_views.registry import screen
from app.models import Payment, WebhookMessage


@screen(Payment, category="Billing", resource="payments", icon="credit-card", place=3)
class PaymentScreen(ModelScreen):
    """Every intent to take money, for a wallet or for an invoice."""

    column_list = (
        "created_at",
        "account",
        "gateway",
        "status",
        "amount",
        "refunded",
        "invoice",
        "wallet",
        "gateway_ref",
    )
    search = ("=gateway_ref", "=gateway_payment_ref", "account.name")
    filters = ("status", "gateway", "currency", "account", "created_at")
    labels = {"gateway_ref": "Gateway reference"}
    empty = "A customer pays or tops up in the portal; the payment shows here from its first moment."


@screen(
    WebhookMessage,
    category="Operations",
    resource="payments",
    title="Gateway messages",
    icon="inbox",
    place=4,
)
class WebhookMessageScreen(ModelScreen):
    """What the gateways told us, verified and stored before it was acted on."""

    column_list = ("received_at", "gateway", "kind", "reference", "status", "error", "processed_at")
    search = ("=reference",)
    filters = ("status", "gateway")
    big = True
