"""The sandbox as a WSGI application."""

from pathlib import Path

from flask import Flask, Response, jsonify

from app.gateways.sandbox import sandbox_keys
from app.gateways.sandbox_server.checkouts import Sandbox
from app.gateways.sandbox_server.controls import controls
from app.gateways.sandbox_server.pages import pages
from app.gateways.sandbox_server.razorpay_shape import razorpay_api, razorpay_events
from app.gateways.sandbox_server.store import Store
from app.gateways.sandbox_server.stripe_shape import stripe_api, stripe_events
from app.gateways.sandbox_server.webhooks import Postman


def create_sandbox(*, secret_key: str, data_dir: Path, public_url: str, webhook_url: str) -> Flask:
    """Return the sandbox, its postman ready to `start()`; `data_dir` keeps its SQLite file.

    `public_url` is where a browser finds it, `webhook_url` the app that hears of payments.
    """
    app = Flask(__name__, static_folder=None)
    keys = sandbox_keys(secret_key)
    sandbox = Sandbox(
        store=Store(data_dir / "sandbox.sqlite3"),
        public_url=public_url.rstrip("/"),
        events={"stripe": stripe_events, "razorpay": razorpay_events},
    )
    app.extensions.update(keys=keys, sandbox=sandbox, postman=Postman(sandbox, keys, webhook_url))
    for blueprint in (controls, stripe_api, razorpay_api, pages):
        app.register_blueprint(blueprint)
    app.add_url_rule("/healthz", view_func=_healthz)
    return app


def _healthz() -> Response:
    return jsonify(status="ok")
