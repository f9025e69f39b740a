"""The sandbox in Stripe's shape: Checkout Sessions, Payment Intents, Refunds and their events.

Field names and states follow https://docs.stripe.com/api/checkout/sessions/object and its neighbours.
"""

import hashlib
import secrets
from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, current_app, jsonify, request

from app.gateways.sandbox_server.checkouts import LIFETIME_SECONDS, Refused, Sandbox, now, paid_attempt
from app.gateways.sandbox_server.store import Document

stripe_api = Blueprint("stripe_api", __name__)
BAD_REQUEST, UNAUTHORIZED, PAYMENT_REQUIRED, NOT_FOUND = 400, 401, 402, 404
SHORTEST_SECONDS = 30 * 60


def _sandbox() -> Sandbox:
    sandbox: Sandbox = current_app.extensions["sandbox"]
    return sandbox


def _error(status: int, message: str, kind: str = "invalid_request_error") -> tuple[int, Document]:
    return status, {"error": {"type": kind, "message": message}}


@stripe_api.before_request
def _authenticate() -> tuple[Response, int] | None:
    if (
        request.authorization
        and request.authorization.token == current_app.extensions["keys"].stripe_secret_key
    ):
        return None
    return jsonify(_error(UNAUTHORIZED, "Invalid API Key provided")[1]), UNAUTHORIZED


def _idempotent(work: Callable[[], tuple[int, Document]]) -> tuple[Response, int]:
    """Answer a POST once per Idempotency-Key; the same key with another body is an error, as at Stripe."""
    key = request.headers.get("Idempotency-Key") or secrets.token_hex(16)
    fingerprint = hashlib.sha256(request.path.encode() + request.get_data()).hexdigest()
    answer = _sandbox().store.once(f"stripe:{key}", fingerprint, work)
    status, body = answer or _error(
        BAD_REQUEST,
        "Keys for idempotent requests can only be used with the same parameters.",
        "idempotency_error",
    )
    return jsonify(body), status


@stripe_api.post("/v1/checkout/sessions")
def create_session() -> tuple[Response, int]:
    """Open a Checkout Session for one price."""
    request.get_data(cache=True)
    form = request.form

    def work() -> tuple[int, Document]:
        price = "line_items[0][price_data]"
        try:
            amount = int(form[f"{price}[unit_amount]"]) * int(form["line_items[0][quantity]"])
            checkout: Document = {
                "amount": amount,
                "currency": form[f"{price}[currency]"].upper(),
                "description": form[f"{price}[product_data][name]"],
                "reference": form.get("client_reference_id", ""),
                "metadata": {"intent_id": form.get("metadata[intent_id]", "")},
                "return_url": form["success_url"],
                "keeps_method": "payment_intent_data[setup_future_usage]" in form,
                "expires_at": int(form["expires_at"]),
            }
        except (KeyError, ValueError) as error:
            return _error(BAD_REQUEST, f"Missing or invalid parameter: {error}")
        if amount <= 0:
            return _error(BAD_REQUEST, "The amount must be greater than zero.")
        if not SHORTEST_SECONDS <= checkout["expires_at"] - now() <= LIFETIME_SECONDS:
            return _error(BAD_REQUEST, "The `expires_at` must be between 30 minutes and 24 hours from now.")
        return 200, session_body(_sandbox(), _sandbox().open("stripe", checkout))

    return _idempotent(work)


@stripe_api.get("/v1/checkout/sessions/<session_id>")
def retrieve_session(session_id: str) -> tuple[Response, int]:
    """Return a session, its payment intent expanded when asked."""
    try:
        checkout = _sandbox().get(session_id)
    except Refused as error:
        return jsonify(_error(NOT_FOUND, str(error))[1]), NOT_FOUND
    expand = any(path.startswith("payment_intent") for path in request.args.values())
    return jsonify(session_body(_sandbox(), checkout, expand=expand)), 200


@stripe_api.post("/v1/payment_intents")
def create_intent() -> tuple[Response, int]:
    """Charge a saved payment method off-session and confirm at once; a declined one is answered 402."""
    request.get_data(cache=True)
    form = request.form

    def work() -> tuple[int, Document]:
        try:
            checkout: Document = {
                "id": f"pi_{secrets.token_hex(12)}",
                "amount": int(form["amount"]),
                "currency": form["currency"].upper(),
                "description": form.get("description", ""),
                "reference": form.get("metadata[intent_id]", ""),
                "metadata": {"intent_id": form.get("metadata[intent_id]", "")},
                "return_url": "",
                "expires_at": int(now()) + LIFETIME_SECONDS,
            }
        except (KeyError, ValueError) as error:
            return _error(BAD_REQUEST, f"Missing or invalid parameter: {error}")
        if not form.get("customer", "").startswith("cus_") or "pm_" not in form.get("payment_method", ""):
            return _error(BAD_REQUEST, "No such customer or payment method.")
        made = _sandbox().charge("stripe", checkout)
        body = intent_body(made)
        if made["attempts"][-1]["status"] == "failed":
            status, refusal = _error(PAYMENT_REQUIRED, made["attempts"][-1]["reason"], "card_error")
            refusal["error"] |= {"code": "card_declined", "payment_intent": body}
            return status, refusal
        return 200, body or {}

    return _idempotent(work)


@stripe_api.get("/v1/payment_intents/<intent_id>")
def retrieve_intent(intent_id: str) -> tuple[Response, int]:
    """Return a payment intent that was made by itself."""
    try:
        checkout = _sandbox().get(intent_id)
    except Refused as error:
        return jsonify(_error(NOT_FOUND, str(error))[1]), NOT_FOUND
    return jsonify(intent_body(checkout)), 200


@stripe_api.post("/v1/refunds")
def create_refund() -> tuple[Response, int]:
    """Refund part or all of a payment intent."""
    request.get_data(cache=True)
    form = request.form

    def work() -> tuple[int, Document]:
        try:
            amount = int(form["amount"]) if "amount" in form else None
            checkout, refund = _sandbox().refund(form.get("payment_intent", ""), amount)
        except (Refused, ValueError) as error:
            return _error(BAD_REQUEST, str(error))
        return 200, refund_body(checkout, refund)

    return _idempotent(work)


@stripe_api.get("/v1/refunds/<refund_id>")
def retrieve_refund(refund_id: str) -> tuple[Response, int]:
    """Return a refund."""
    found = _sandbox().find_refund(refund_id)
    if found is None:
        return jsonify(_error(NOT_FOUND, f"No such refund: '{refund_id}'")[1]), NOT_FOUND
    return jsonify(refund_body(*found)), 200


def refund_body(checkout: Document, refund: Document) -> Document:
    """Return a `refund`."""
    paid = paid_attempt(checkout)
    return {
        "id": refund["id"],
        "object": "refund",
        "amount": refund["amount"],
        "currency": checkout["currency"].lower(),
        "payment_intent": paid["id"] if paid else None,
        "status": refund.get("status", "succeeded"),
    }


def session_body(sandbox: Sandbox, checkout: Document, *, expand: bool = False) -> Document:
    """Return a checkout as a `checkout.session`."""
    paid = paid_attempt(checkout)
    intent = intent_body(checkout)
    return {
        "id": checkout["id"],
        "object": "checkout.session",
        "amount_total": checkout["amount"],
        "client_reference_id": checkout["reference"],
        "created": int(checkout["created_at"]),
        "currency": checkout["currency"].lower(),
        "expires_at": int(checkout["expires_at"]),
        "livemode": False,
        "metadata": checkout["metadata"],
        "mode": "payment",
        "payment_intent": intent if expand or intent is None else intent["id"],
        "payment_status": "paid" if paid else "unpaid",
        "status": checkout["status"],
        "success_url": checkout["return_url"],
        "url": sandbox.url(checkout) if checkout["status"] == "open" else None,
    }


def intent_body(checkout: Document) -> Document | None:
    """Return the session's payment intent with its charge, None before the first attempt, as Stripe does."""
    if not checkout["attempts"]:
        return None
    latest, paid = checkout["attempts"][-1], paid_attempt(checkout)
    currency = checkout["currency"].lower()
    failure = {"type": "card_error", "code": "card_declined", "message": latest["reason"]}
    settled = {
        "object": "balance_transaction",
        "id": f"txn_{latest['id']}",
        "fee": latest["fee"],
        "currency": currency,
    }
    charge = {"object": "charge", "id": f"ch_{latest['id']}", "balance_transaction": settled}
    states = {"paid": "succeeded", "failed": "requires_payment_method", "processing": "processing"}
    keeps = checkout.get("keeps_method") and paid
    suffix = latest["id"].removeprefix("pi_")
    card = {"id": f"pm_{suffix}", "object": "payment_method", "card": {"brand": "visa", "last4": "4242"}}
    return {
        "id": latest["id"],
        "object": "payment_intent",
        "amount": checkout["amount"],
        "amount_received": paid["amount"] if paid else 0,
        "currency": currency,
        "customer": f"cus_{suffix}" if keeps else None,
        "last_payment_error": failure if latest["status"] == "failed" else None,
        "latest_charge": charge if paid else None,
        "livemode": False,
        "metadata": checkout["metadata"],
        "payment_method": card if keeps else None,
        "setup_future_usage": "off_session" if checkout.get("keeps_method") else None,
        "status": states[latest["status"]],
    }


def stripe_events(sandbox: Sandbox, checkout: Document, fact: str) -> list[Document]:
    """Return the events that Stripe sends for a fact, in its order; without a page there is no session."""
    session = session_body(sandbox, checkout)
    charge = {
        "id": f"ch_{checkout['attempts'][-1]['id']}" if checkout["attempts"] else "",
        "object": "charge",
        "payment_intent": checkout["attempts"][-1]["id"] if checkout["attempts"] else None,
    }
    refund = refund_body(checkout, checkout["refunds"][-1]) if checkout["refunds"] else None
    kinds: dict[str, list[tuple[str, Any]]] = {
        "paid": [
            ("payment_intent.succeeded", intent_body(checkout)),
            ("checkout.session.completed", session),
        ],
        "declined": [("payment_intent.payment_failed", intent_body(checkout))],
        "expired": [("checkout.session.expired", session)],
        "refunded": [("charge.refunded", charge), ("refund.updated", refund)],
        "refund_failed": [("refund.failed", refund)],
    }
    return [
        {
            "id": f"evt_{secrets.token_hex(12)}",
            "object": "event",
            "type": kind,
            "created": int(now()),
            "livemode": False,
            "data": {"object": subject},
        }
        for kind, subject in kinds[fact]
        if not (checkout["id"].startswith("pi_") and kind.startswith("checkout."))
    ]
