"""Where gateways tell what happened. They prove themselves by their signature over the raw body, so nobody
signs in here."""

from flask import Blueprint, Response, request

from app.api.body import read_bytes
from app.api.envelope import success
from app.api.guards import public
from app.db import in_transaction
from app.services import gateway_messages

LARGEST_BODY = 256 * 1024

blueprint = Blueprint("webhooks", __name__, url_prefix="/webhooks")


@blueprint.post("/<any(stripe, razorpay):gateway>")
@public
def receive(gateway: str) -> Response:
    """Store a message and answer 200, whether it is the first of its kind or a repeat."""
    raw_body = read_bytes(LARGEST_BODY)
    headers = dict(request.headers)
    stored = in_transaction(lambda: gateway_messages.receive(gateway, raw_body, headers))
    return success({"received": True, "repeated": not stored})
