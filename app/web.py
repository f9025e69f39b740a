"""What every page and answer shares: the request id, the security headers with their nonce, and
the error pages.
"""

import re
import secrets
from pathlib import Path
from uuid import uuid4

from flask import Flask, Response, g, redirect, render_template, request, url_for
from flask_wtf import CSRFProtect
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as BaseResponse

from app import templating
from app.errors import DomainError

PACKAGE = Path(__file__).resolve().parent
ROOT = PACKAGE.parent
TEMPLATES = ROOT / "templates"

# Every form carries a token; the JSON edge, which no browser session opens, exempts its own blueprints.
csrf = CSRFProtect()

CONTENT_POLICY = (
    "default-src 'self'; script-src 'self' 'nonce-{nonce}'; style-src 'self' 'nonce-{nonce}'; "
    "img-src 'self' data:; font-src 'self'; connect-src 'self'; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,100}")


def init_app(app: Flask) -> None:
    """Enter the hooks, the page context and the error pages."""
    app.before_request(_name_the_request)
    csrf.init_app(app)
    app.after_request(_secure)
    app.context_processor(lambda: {"csp_nonce": g.get("csp_nonce", "")})
    templating.init_app(app)
    app.register_error_handler(DomainError, _domain_error_page)
    app.register_error_handler(HTTPException, _http_error_page)


def _name_the_request() -> None:
    given = request.headers.get("X-Request-Id", "")
    g.request_id = given if REQUEST_ID.fullmatch(given) else uuid4().hex
    g.csp_nonce = secrets.token_urlsafe(16)


def _secure(response: Response) -> Response:
    headers = response.headers
    headers.setdefault("X-Request-Id", g.get("request_id", ""))
    headers.setdefault("X-Content-Type-Options", "nosniff")
    headers.setdefault("Referrer-Policy", "same-origin")
    headers.setdefault("X-Frame-Options", "DENY")
    headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
    if response.mimetype == "text/html":
        headers.setdefault("Content-Security-Policy", CONTENT_POLICY.format(nonce=g.csp_nonce))
        headers.setdefault("Cache-Control", "no-store")
    if request.is_secure:
        headers.setdefault("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
    return response


def is_local(target: str) -> bool:
    """Tell whether a redirect target is a path of this site; anything a browser could read as another host
    is not.
    """
    return (
        target.startswith("/")
        and not target.startswith(("//", "/\\"))
        and not any(ord(c) < 32 or c == "\\" for c in target)
    )


def _domain_error_page(error: DomainError) -> tuple[str, int] | BaseResponse:
    if error.status == 401:
        return redirect(url_for("auth.sign_in", next=request.full_path if request.method == "GET" else "/"))
    return render_template("error.html", status=error.status, message=error.message), error.status


def _http_error_page(error: HTTPException) -> tuple[str, int] | HTTPException:
    if error.code is None or error.code < 400:
        return error
    return render_template("error.html", status=error.code, message=error.description), error.code
