"""The sandbox's postman: posts signed webhooks to the app, with growing pauses, until it answers 2xx."""

import hashlib
import hmac
import json
import logging
from threading import Event, Thread

import requests
import stripe

from app.gateways.sandbox import SandboxKeys
from app.gateways.sandbox_server.checkouts import Sandbox, now

log = logging.getLogger(__name__)
ATTEMPTS = 12
LONGEST_PAUSE_SECONDS = 60
TIMEOUT_SECONDS = 5
POLL_SECONDS = 0.1


class Postman(Thread):
    """A thread that settles delayed payments and delivers what is due."""

    def __init__(self, sandbox: Sandbox, keys: SandboxKeys, webhook_url: str) -> None:
        super().__init__(name="postman", daemon=True)
        self._sandbox, self._keys, self._webhook_url = sandbox, keys, webhook_url.rstrip("/")
        self._stopping = Event()
        self._session = requests.Session()
        self._session.trust_env = False

    def run(self) -> None:
        """Go round until stopped."""
        while not self._stopping.wait(POLL_SECONDS):
            self._sandbox.settle_due()
            controls = self._sandbox.controls
            if controls.hold_webhooks:
                continue
            for delivery in self._sandbox.store.due(now(), newest_first=controls.newest_first):
                self._deliver(*delivery)

    def stop(self) -> None:
        """End the thread after the round it is in."""
        self._stopping.set()

    def _deliver(self, delivery_id: int, gateway: str, body: str, attempts: int) -> None:
        store = self._sandbox.store
        try:
            answer = self._session.post(
                f"{self._webhook_url}/webhooks/{gateway}",
                data=body.encode(),
                headers={"Content-Type": "application/json", **self._signature(gateway, body)},
                timeout=TIMEOUT_SECONDS,
            )
            outcome = f"answered {answer.status_code}"
            delivered = answer.ok
        except requests.RequestException as error:
            outcome, delivered = f"no answer: {type(error).__name__}", False
        if delivered:
            store.close_delivery(delivery_id, outcome)
        elif attempts + 1 >= ATTEMPTS:
            log.warning("Gave up on a webhook: %s", outcome)
            store.close_delivery(delivery_id, f"gave up: {outcome}")
        else:
            store.postpone(delivery_id, now() + min(2**attempts, LONGEST_PAUSE_SECONDS))

    def _signature(self, gateway: str, body: str) -> dict[str, str]:
        if gateway == "stripe":
            sign = stripe.WebhookSignature.generate_signature_header
            return {"Stripe-Signature": sign(body, self._keys.stripe_webhook_secret)}
        secret = self._keys.razorpay_webhook_secret.encode()
        identity = json.loads(body)
        return {
            "X-Razorpay-Signature": hmac.new(secret, body.encode(), hashlib.sha256).hexdigest(),
            "X-Razorpay-Event-Id": hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[
                :14
            ],
        }
