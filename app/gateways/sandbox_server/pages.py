"""The hosted checkout page: what Stripe and Razorpay show the customer in the browser."""

import secrets
from decimal import Decimal
from urllib.parse import urlencode, urlsplit, urlunsplit

from flask import Blueprint, current_app, g, redirect, render_template, request
from werkzeug.wrappers import Response

from app.formatting import format_money
from app.gateways.razorpay import ZERO_DECIMAL
from app.gateways.sandbox_server.checkouts import Refused, Sandbox
from app.gateways.sandbox_server.razorpay_shape import callback_parameters
from app.gateways.sandbox_server.store import Document

pages = Blueprint("pages", __name__, template_folder="templates")
NOT_FOUND, SEE_OTHER, CONFLICT = 404, 303, 409
TITLES = {"stripe": "Stripe", "razorpay": "Razorpay"}
CLOSED = {
    "complete": ("Payment received", "Thank you. You can return to the shop."),
    "expired": ("This checkout has expired", "Start again from the shop."),
    "open": (
        "Payment on its way",
        "Your bank is confirming the payment. The shop is told as soon as it is through.",
    ),
}
Page = str | Response | tuple[str, int]


@pages.before_request
def _make_nonce() -> None:
    g.nonce = secrets.token_urlsafe(16)


@pages.after_request
def _protect(response: Response) -> Response:
    response.headers["Content-Security-Policy"] = (
        f"default-src 'none'; style-src 'nonce-{g.nonce}'; frame-ancestors 'none'; base-uri 'none'"
    )
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Cache-Control"] = "no-store"
    return response


@pages.get("/pay/<checkout_id>")
def show(checkout_id: str) -> Page:
    """Show what is to be paid, or that nothing is any more."""
    sandbox = _sandbox()
    try:
        checkout = sandbox.get(checkout_id)
    except Refused:
        text = "The address is wrong or incomplete."
        page = render_template(
            "sandbox/closed.html",
            nonce=g.nonce,
            gateway="gateway",
            heading="No such checkout",
            text=text,
            checkout=None,
        )
        return page, NOT_FOUND
    return _page(checkout)


@pages.post("/pay/<checkout_id>")
def act(checkout_id: str) -> Page:
    """Do what the customer chose and lead back to the shop, or show why not."""
    sandbox, action = _sandbox(), request.form.get("action", "")
    try:
        checkout = sandbox.act(checkout_id, action)
    except Refused:
        return redirect(request.path, SEE_OTHER)
    if action == "decline" or not checkout["return_url"]:
        return redirect(request.path, SEE_OTHER)
    return redirect(_return_address(checkout), SEE_OTHER)


def _sandbox() -> Sandbox:
    sandbox: Sandbox = current_app.extensions["sandbox"]
    return sandbox


def _page(checkout: Document) -> str:
    places = 0 if checkout["currency"] in ZERO_DECIMAL else 2
    shown = {
        "nonce": g.nonce,
        "gateway": TITLES[checkout["gateway"]],
        "checkout": checkout,
        "amount": format_money(Decimal(checkout["amount"]).scaleb(-places), checkout["currency"]),
    }
    if checkout["status"] != "open" or checkout["settles_at"] is not None:
        heading, text = CLOSED[checkout["status"]]
        return render_template("sandbox/closed.html", heading=heading, text=text, **shown)
    problem = checkout["attempts"][-1]["reason"] if checkout["attempts"] else ""
    delay = f"{_sandbox().controls.delay_seconds:g}"
    return render_template("sandbox/checkout.html", problem=problem, delay=delay, **shown)


def _return_address(checkout: Document) -> str:
    if checkout["gateway"] == "stripe":
        return str(checkout["return_url"])
    if checkout["status"] != "complete":
        return str(checkout["return_url"])
    parts = urlsplit(checkout["return_url"])
    signed = urlencode(callback_parameters(checkout, current_app.extensions["keys"].razorpay_key_secret))
    return urlunsplit(parts._replace(query="&".join(filter(None, (parts.query, signed)))))
