"""The inbox of what gateways tell: verified over the raw bytes, stored once, answered at once, acted on
later.

A message is never believed about money: it only says which payment to ask the gateway about. So duplicates,
disorder and replays end in the same state, and a missed message is found by the reconciler of
`app.services.payments`.
"""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import exists, select
from sqlalchemy.dialects.postgresql import insert

import app.gateways
from app import clock
from app.config import current_settings
from app.db import db, in_transaction, lock
from app.errors import GatewayUnavailable, NotFound
from app.gateways.payments import open_gateway, payment_gateways, uuid_or_none
from app.ids import new_id
from app.models import WebhookMessage
from app.models.payments import MessageStatus
from app.queue import enqueue
from app.registry import load_package
from app.services import payments, refund_sending

load_package(app.gateways)

BATCH = 100
# What the kinds of messages about refunds have in common: `charge.refunded`, `refund.processed`.
REFUND = "refund"
LONGEST_ERROR = 500

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A stored message that nobody acted on yet; it names a payment by our id or by the gateway's."""

    id: UUID
    kind: str
    reference: str

    @property
    def payment_id(self) -> UUID | None:
        """The payment that it names by our own id."""
        return uuid_or_none(self.reference)


def receive(gateway: str, raw_body: bytes, headers: Mapping[str, str]) -> bool:
    """Store a message in the open transaction and wake the worker; False when it was there already.

    Raises:
        NotFound: no such gateway.
        BadSignature: it is forged, replayed or too old; nothing is stored.
        GatewayRefused: the gateway is not set up.
    """
    if gateway not in payment_gateways:
        raise NotFound("There is no such gateway.")
    event = open_gateway(gateway, current_settings()).verify_webhook(raw_body, headers)
    row = {
        "id": new_id(),
        "gateway": gateway,
        "dedup_key": event.key,
        "kind": event.kind,
        "reference": str(event.intent_id or event.payment_ref or event.checkout_ref or ""),
        "payload": json.loads(raw_body),
        "status": MessageStatus.received,
    }
    stored = db.session.scalar(
        insert(WebhookMessage).values(row).on_conflict_do_nothing().returning(WebhookMessage.id)
    )
    enqueue("jobs.payments.process_messages")
    return stored is not None


def has_waiting() -> bool:
    """True when a message waits to be acted on."""
    waiting = exists().where(WebhookMessage.status == MessageStatus.received)
    return bool(db.session.scalar(select(waiting)))


def process() -> dict[str, int]:
    """Act on the stored messages, oldest first; returns how many were done and how many must wait.

    Call it with no transaction open. A message whose gateway does not answer stays and is taken up again.
    """
    counts = {"processed": 0, "waiting": 0}
    for message in in_transaction(_list_waiting):
        try:
            error = _act_on(message)
        except GatewayUnavailable as silent:
            log.warning(
                "gateway did not answer", extra={"webhook": str(message.id), "reason": silent.message}
            )
            counts["waiting"] += 1
            continue
        in_transaction(lambda done=message, why=error: _close(done.id, why))  # type: ignore[misc]
        counts["processed"] += 1
    return counts


def _list_waiting() -> list[Waiting]:
    query = (
        select(WebhookMessage.id, WebhookMessage.kind, WebhookMessage.reference)
        .where(WebhookMessage.status == MessageStatus.received)
        .order_by(WebhookMessage.received_at, WebhookMessage.id)
        .limit(BATCH)
    )
    return [Waiting(*row) for row in db.session.execute(query)]


def _act_on(message: Waiting) -> str | None:
    """Ask the gateway about the payment; returns why nothing was done, if nothing was."""
    payment_id = message.payment_id
    if payment_id is None and REFUND in message.kind:
        payment_id = in_transaction(lambda: refund_sending.payment_of(message.reference))
    if payment_id is None:
        return None
    try:
        payments.apply_gateway_state(payment_id)
    except NotFound:
        return "It names a payment that is not here."
    if REFUND in message.kind:
        refund_sending.ask_about_payment(payment_id)
    return None


def _close(message_id: UUID, error: str | None) -> None:
    for message in lock(WebhookMessage, [message_id]):
        message.status = MessageStatus.failed if error else MessageStatus.processed
        message.error = error and error[:LONGEST_ERROR]
        message.processed_at = clock.now()
