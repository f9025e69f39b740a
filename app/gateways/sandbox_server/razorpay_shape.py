"""The sandbox in Razorpay's shape: Payment Links, orders' payments, payments, refunds and their events.

Field names and states follow https://razorpay.com/docs/api/payments/payment-links/ and its neighbours.
"""

import hashlib
import hmac
import secrets

from flask import Blueprint, Response, current_app, jsonify, request

from app.gateways.sandbox_server.checkouts import LIFETIME_SECONDS, Refused, Sandbox, now, paid_attempt
from app.gateways.sandbox_server.store import Document

razorpay_api = Blueprint("razorpay_api", __name__)
BAD_REQUEST, UNAUTHORIZED = 400, 401
ATTEMPT_STATES = {"paid": "captured", "failed": "failed", "processing": "authorized"}
Answer = tuple[Response, int]


def _sandbox() -> Sandbox:
    sandbox: Sandbox = current_app.extensions["sandbox"]
    return sandbox


def _refuse(message: str, status: int = BAD_REQUEST) -> Answer:
    return jsonify({"error": {"code": "BAD_REQUEST_ERROR", "description": message}}), status


@razorpay_api.before_request
def _authenticate() -> Answer | None:
    keys, given = current_app.extensions["keys"], request.authorization
    if given and (given.username, given.password) == (keys.razorpay_key_id, keys.razorpay_key_secret):
        return None
    return _refuse("Authentication failed", UNAUTHORIZED)


@razorpay_api.post("/v1/payment_links")
def create_link() -> Answer:
    """Create a Payment Link; its reference_id is unique per merchant."""
    body = request.get_json()
    sandbox, reference = _sandbox(), str(body.get("reference_id", ""))
    amount = body.get("amount")
    if not isinstance(amount, int) or amount <= 0:
        return _refuse("The amount must be at least the minimum allowed.")
    with sandbox.store.lock:
        if reference and sandbox.store.find_by_reference("razorpay", reference):
            return _refuse(f"payment link with given reference_id ({reference}) already exists")
        checkout = sandbox.open(
            "razorpay",
            {
                "amount": amount,
                "currency": body.get("currency", "INR"),
                "description": body.get("description", ""),
                "reference": reference,
                "metadata": body.get("notes") or {},
                "return_url": body.get("callback_url", ""),
                "expires_at": body.get("expire_by") or now() + LIFETIME_SECONDS,
            },
        )
    return jsonify(link_body(sandbox, checkout)), 200


@razorpay_api.get("/v1/payment_links")
def list_links() -> Answer:
    """Return the links with a reference_id."""
    found = _sandbox().store.find_by_reference("razorpay", request.args.get("reference_id", ""))
    return jsonify({"payment_links": [link_body(_sandbox(), link) for link in found]}), 200


@razorpay_api.get("/v1/payment_links/<link_id>")
def fetch_link(link_id: str) -> Answer:
    """Return one link."""
    try:
        return jsonify(link_body(_sandbox(), _sandbox().get(link_id))), 200
    except Refused as error:
        return _refuse(str(error))


@razorpay_api.get("/v1/orders/<order_id>/payments")
def order_payments(order_id: str) -> Answer:
    """Return every payment that was tried for an order."""
    checkout = _sandbox().store.find_by_order(order_id)
    if checkout is None:
        return _refuse("The id provided does not exist")
    items = [payment_body(checkout, attempt) for attempt in checkout["attempts"]]
    return jsonify({"entity": "collection", "count": len(items), "items": items}), 200


@razorpay_api.get("/v1/payments/<payment_id>")
def fetch_payment(payment_id: str) -> Answer:
    """Return one payment."""
    checkout = _sandbox().store.find_by_payment(payment_id)
    if checkout is None:
        return _refuse("The id provided does not exist")
    attempt = next(made for made in checkout["attempts"] if made["id"] == payment_id)
    return jsonify(payment_body(checkout, attempt)), 200


@razorpay_api.post("/v1/payments/<payment_id>/refund")
def refund_payment(payment_id: str) -> Answer:
    """Refund part or all of a payment, once per X-Refund-Idempotency."""
    amount = request.get_json().get("amount")

    def work() -> tuple[int, Document]:
        try:
            checkout, refund = _sandbox().refund(payment_id, amount)
        except Refused as error:
            return BAD_REQUEST, {"error": {"code": "BAD_REQUEST_ERROR", "description": str(error)}}
        return 200, refund_body(checkout, refund, payment_id)

    key = request.headers.get("X-Refund-Idempotency") or secrets.token_hex(16)
    fingerprint = hashlib.sha256(request.path.encode() + request.get_data()).hexdigest()
    answer = _sandbox().store.once(f"razorpay:{key}", fingerprint, work)
    if answer is None:
        return _refuse("Different request body sent for the same Refund Idempotency key.")
    return jsonify(answer[1]), answer[0]


@razorpay_api.get("/v1/payments/<payment_id>/refunds/<refund_id>")
def fetch_refund(payment_id: str, refund_id: str) -> Answer:
    """Return a refund of a payment."""
    found = _sandbox().find_refund(refund_id)
    if found is None:
        return _refuse("The id provided does not exist")
    return jsonify(refund_body(*found, payment_id)), 200


def link_body(sandbox: Sandbox, checkout: Document) -> Document:
    """Return a checkout as a `payment_link`."""
    paid = paid_attempt(checkout)
    states = {"open": "created", "complete": "paid", "expired": "expired"}
    captured = paid and {"payment_id": paid["id"], "amount": paid["amount"], "status": "captured"}
    return {
        "id": checkout["id"],
        "amount": checkout["amount"],
        "amount_paid": paid["amount"] if paid else 0,
        "callback_url": checkout["return_url"],
        "created_at": int(checkout["created_at"]),
        "currency": checkout["currency"],
        "description": checkout["description"],
        "expire_by": int(checkout["expires_at"]),
        "notes": checkout["metadata"],
        "order_id": checkout["order_id"],
        "payments": [captured] if captured else None,
        "reference_id": checkout["reference"],
        "short_url": sandbox.url(checkout),
        "status": states[checkout["status"]],
    }


def payment_body(checkout: Document, attempt: Document) -> Document:
    """Return an attempt as a `payment`."""
    failed, paid = attempt["status"] == "failed", attempt["status"] == "paid"
    refunded = sum(refund["amount"] for refund in checkout["refunds"]) if paid else 0
    return {
        "id": attempt["id"],
        "entity": "payment",
        "amount": attempt["amount"],
        "amount_refunded": refunded,
        "captured": paid,
        "created_at": int(attempt["created_at"]),
        "currency": checkout["currency"],
        "error_code": "BAD_REQUEST_ERROR" if failed else None,
        "error_description": attempt["reason"] if failed else None,
        "fee": attempt["fee"] if paid else None,
        "method": "card",
        "notes": checkout["metadata"],
        "order_id": checkout["order_id"],
        "status": "refunded" if refunded == attempt["amount"] else ATTEMPT_STATES[attempt["status"]],
        "tax": 0 if paid else None,
    }


def refund_body(checkout: Document, refund: Document, payment_id: str) -> Document:
    """Return a `refund`."""
    return {
        "id": refund["id"],
        "entity": "refund",
        "amount": refund["amount"],
        "currency": checkout["currency"],
        "payment_id": payment_id,
        "status": {"succeeded": "processed"}.get(refund["status"], refund["status"]),
        "created_at": int(refund["created_at"]),
    }


def razorpay_events(sandbox: Sandbox, checkout: Document, fact: str) -> list[Document]:
    """Return the events that Razorpay sends for a fact."""
    entities: dict[str, Document] = {"payment_link": link_body(sandbox, checkout)}
    if checkout["attempts"]:
        entities["payment"] = payment_body(checkout, checkout["attempts"][-1])
    if fact in {"refunded", "refund_failed"}:
        entities["refund"] = refund_body(checkout, checkout["refunds"][-1], entities["payment"]["id"])
    kinds = {
        "paid": [("payment.captured", ["payment"]), ("payment_link.paid", ["payment_link", "payment"])],
        "declined": [("payment.failed", ["payment"])],
        "expired": [("payment_link.expired", ["payment_link"])],
        "refunded": [("refund.processed", ["refund", "payment"])],
        "refund_failed": [("refund.failed", ["refund", "payment"])],
    }
    return [
        {
            "entity": "event",
            "account_id": "acc_sandbox",
            "event": kind,
            "contains": parts,
            "payload": {part: {"entity": entities[part]} for part in parts},
            "created_at": int(now()),
        }
        for kind, parts in kinds[fact]
    ]


def callback_parameters(checkout: Document, key_secret: str) -> dict[str, str]:
    """Return what Razorpay appends to the callback address after a payment, with its signature."""
    paid = paid_attempt(checkout)
    payment_id = paid["id"] if paid else ""
    message = f"{checkout['id']}|{checkout['reference']}|paid|{payment_id}"
    return {
        "razorpay_payment_id": payment_id,
        "razorpay_payment_link_id": checkout["id"],
        "razorpay_payment_link_reference_id": checkout["reference"],
        "razorpay_payment_link_status": "paid",
        "razorpay_signature": hmac.new(key_secret.encode(), message.encode(), hashlib.sha256).hexdigest(),
    }
