"""The sandbox's faults from outside: `POST /sandbox/controls` switches them, `GET /sandbox/deliveries` tells
what was sent.

Both want the Stripe test key as bearer token. Only calls to the two REST APIs are slowed down or failed,
never the pages.
"""

import hmac
import time
from dataclasses import asdict, fields

from flask import Blueprint, Response, current_app, g, jsonify, request

from app.gateways.sandbox_server.checkouts import Controls, Sandbox

controls = Blueprint("controls", __name__)
APIS = frozenset({"stripe_api", "razorpay_api"})
BAD_REQUEST, UNAUTHORIZED, FAILING = 400, 401, 503
Answer = tuple[Response, int]


@controls.before_request
def _authenticate() -> Answer | None:
    token = request.authorization.token if request.authorization else None
    if token and hmac.compare_digest(token, current_app.extensions["keys"].stripe_secret_key):
        return None
    return jsonify(error="Send the sandbox's Stripe key as a bearer token."), UNAUTHORIZED


@controls.post("/sandbox/controls")
def switch() -> Answer:
    """Set the named controls, leave the others, return all of them."""
    wanted, present = request.get_json(), _sandbox().controls
    known = {field.name: type(getattr(Controls(), field.name)) for field in fields(Controls)}
    for name, value in wanted.items():
        if name not in known or not isinstance(value, int | float):
            return jsonify(
                error=f"{name!r} is not a control or {value!r} not its kind.", known=sorted(known)
            ), BAD_REQUEST
        setattr(present, name, known[name](value))
    return jsonify(asdict(present)), 200


@controls.post("/sandbox/refunds")
def finish_refunds() -> Answer:
    """Let the pending refunds succeed, or with `{"failed": true}` fail; tell of each."""
    return jsonify(done=_sandbox().finish_refunds(failed=bool(request.get_json().get("failed")))), 200


@controls.get("/sandbox/deliveries")
def deliveries() -> Answer:
    """Return every webhook with its attempts and outcome."""
    return jsonify(deliveries=_sandbox().store.deliveries()), 200


@controls.before_app_request
def _fail() -> Answer | None:
    present = _sandbox().controls
    g.slow = request.blueprint in APIS and present.slow_answers > 0
    if g.slow:
        present.slow_answers -= 1
    if request.blueprint in APIS and present.failing_calls > 0:
        present.failing_calls -= 1
        failure = {"type": "api_error", "code": "SERVER_ERROR", "description": "down", "message": "down"}
        return jsonify(error=failure), FAILING
    return None


@controls.after_app_request
def _stall(response: Response) -> Response:
    """Answer late: the work is done, but the caller may have given up, as when a reply is lost."""
    if g.get("slow"):
        time.sleep(_sandbox().controls.slow_seconds)
    return response


def _sandbox() -> Sandbox:
    sandbox: Sandbox = current_app.extensions["sandbox"]
    return sandbox
