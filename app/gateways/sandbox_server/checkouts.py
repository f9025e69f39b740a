"""What happens to a checkout, whichever gateway it wears: opened, paid, declined, delayed, refunded, expired.

A checkout is a JSON document: `id gateway amount currency description reference metadata return_url status
attempts refunds`. Amounts are minor units. Each attempt is one payment: `id status amount fee reason
created_at`.
"""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from app import clock
from app.gateways.sandbox_server.store import Document, Store

LIFETIME_SECONDS = 24 * 3600
DECLINED = "Your card was declined. Try another one."
FEE_PER_MILLE = 20


class Refused(Exception):
    """The request asks for something that cannot be; the message says what."""


@dataclass
class Controls:
    """The faults that are switched on. Counts fall by one each time they strike."""

    slow_answers: int = 0
    slow_seconds: float = 0.0
    failing_calls: int = 0
    duplicates: int = 0
    hold_webhooks: bool = False
    newest_first: bool = False
    delay_seconds: float = 5.0
    overpay: int = 0
    declined_charges: int = 0
    pending_refunds: int = 0


@dataclass
class Sandbox:
    """The shop floor shared by both gateways' shapes."""

    store: Store
    public_url: str
    events: Mapping[str, "EventWriter"]
    controls: Controls = field(default_factory=Controls)

    def open(self, gateway: str, checkout: Document) -> Document:
        """Make a checkout with an id in the gateway's style."""
        prefix = "cs_test_" if gateway == "stripe" else "plink_"
        made = {
            "id": prefix + secrets.token_hex(7 if gateway == "razorpay" else 24),
            "gateway": gateway,
            "status": "open",
            "attempts": [],
            "refunds": [],
            "order_id": f"order_{secrets.token_hex(7)}",
            "settles_at": None,
            "created_at": now(),
            **checkout,
        }
        self.store.save(made)
        return made

    def url(self, checkout: Document) -> str:
        """Return the address of the hosted page."""
        return f"{self.public_url}/pay/{checkout['id']}"

    def get(self, checkout_id: str) -> Document:
        """Return a checkout, expired if its time is over.

        Raises:
            Refused: there is none with that id.
        """
        with self.store.lock:
            checkout = self.store.find(checkout_id)
            if checkout is None:
                raise Refused(f"No such checkout: '{checkout_id}'")
            if checkout["status"] == "open" and checkout["expires_at"] <= now():
                self.expire(checkout)
            return checkout

    def act(self, checkout_id: str, action: str) -> Document:
        """Do what the customer chose on the page: `pay`, `decline` or `delay`.

        Raises:
            Refused: the checkout is over, or a payment on it still takes its time.
        """
        with self.store.lock:
            checkout = self.get(checkout_id)
            if checkout["status"] != "open" or checkout["settles_at"] is not None:
                raise Refused("This checkout can no longer be paid.")
            attempt = {
                "id": ("pi_" if checkout["gateway"] == "stripe" else "pay_") + secrets.token_hex(7),
                "status": "processing",
                "amount": checkout["amount"] + self.controls.overpay,
                "fee": checkout["amount"] * FEE_PER_MILLE // 1000,
                "reason": "",
                "created_at": now(),
            }
            if checkout["gateway"] == "stripe" and checkout["attempts"]:
                attempt["id"] = checkout["attempts"][-1]["id"]
            checkout["attempts"].append(attempt)
            if action == "pay":
                self._settle(checkout)
            elif action == "decline":
                attempt.update(status="failed", reason=DECLINED)
                self._tell(checkout, "declined")
            elif action == "delay":
                checkout["settles_at"] = now() + self.controls.delay_seconds
            else:
                raise Refused("Choose pay, decline or delay.")
            self.store.save(checkout)
            return checkout

    def charge(self, gateway: str, checkout: Document) -> Document:
        """Charge a way to pay that was saved before: a checkout without a page that is over at once."""
        with self.store.lock:
            made = self.open(gateway, checkout)
            declined = self.controls.declined_charges > 0
            self.controls.declined_charges -= declined
            attempt = {
                "id": made["id"],
                "status": "failed" if declined else "processing",
                "amount": made["amount"] + self.controls.overpay,
                "fee": made["amount"] * FEE_PER_MILLE // 1000,
                "reason": DECLINED if declined else "",
                "created_at": now(),
            }
            made["attempts"].append(attempt)
            if declined:
                made["status"] = "complete"
                self._tell(made, "declined")
            else:
                self._settle(made)
            self.store.save(made)
            return made

    def settle_due(self) -> None:
        """Let the delayed payments whose time has come succeed."""
        with self.store.lock:
            for checkout in self.store.processing():
                if checkout["settles_at"] <= now():
                    checkout["settles_at"] = None
                    self._settle(checkout)
                    self.store.save(checkout)

    def expire(self, checkout: Document) -> None:
        """Close an unpaid checkout."""
        checkout["status"] = "expired"
        self._tell(checkout, "expired")
        self.store.save(checkout)

    def refund(self, payment_id: str, amount: int | None) -> tuple[Document, Document]:
        """Give back part or all of a paid attempt; returns (checkout, refund).

        Raises:
            Refused: unknown payment, not paid, or more than is left of it.
        """
        with self.store.lock:
            checkout = self.store.find_by_payment(payment_id)
            paid = checkout and paid_attempt(checkout)
            if checkout is None or not paid or paid["id"] != payment_id:
                raise Refused("The payment was not captured, so it cannot be refunded.")
            kept = [refund for refund in checkout["refunds"] if refund.get("status") != "failed"]
            left = paid["amount"] - sum(refund["amount"] for refund in kept)
            amount = left if amount is None else amount
            if not 0 < amount <= left:
                raise Refused("The refund amount is greater than what is left of the payment.")
            prefix = "re_" if checkout["gateway"] == "stripe" else "rfnd_"
            pending = self.controls.pending_refunds > 0
            self.controls.pending_refunds -= pending
            refund = {
                "id": prefix + secrets.token_hex(7),
                "amount": amount,
                "status": "pending" if pending else "succeeded",
                "created_at": now(),
            }
            checkout["refunds"].append(refund)
            if not pending:
                self._tell(checkout, "refunded")
            self.store.save(checkout)
            return checkout, refund

    def find_refund(self, refund_id: str) -> tuple[Document, Document] | None:
        """Return (checkout, refund) of a refund's id."""
        for checkout in self.store.all():
            for refund in checkout["refunds"]:
                if refund["id"] == refund_id:
                    return checkout, refund
        return None

    def finish_refunds(self, *, failed: bool) -> int:
        """Let the refunds that are pending succeed, or fail; returns how many there were."""
        done = 0
        with self.store.lock:
            for checkout in self.store.all():
                for refund in [one for one in checkout["refunds"] if one["status"] == "pending"]:
                    refund["status"] = "failed" if failed else "succeeded"
                    self._tell(checkout, "refund_failed" if failed else "refunded")
                    done += 1
                self.store.save(checkout)
        return done

    def _settle(self, checkout: Document) -> None:
        checkout["attempts"][-1]["status"] = "paid"
        checkout["status"] = "complete"
        self._tell(checkout, "paid")

    def _tell(self, checkout: Document, fact: str) -> None:
        """Queue the webhooks for a fact, with as many copies as the controls ask for."""
        for body in self.events[checkout["gateway"]](self, checkout, fact):
            for _ in range(1 + self.controls.duplicates):
                self.store.queue(checkout["gateway"], body, now())


EventWriter = Callable[[Sandbox, Document, str], list[Document]]


def now() -> float:
    """Return the present as seconds since 1970, as both gateways write their times."""
    return clock.now().timestamp()


def paid_attempt(checkout: Document) -> Document | None:
    """Return the attempt that was paid, if one was."""
    return next((attempt for attempt in checkout["attempts"] if attempt["status"] == "paid"), None)
