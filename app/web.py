"""What every page and answer shares: the request id, the session, the security headers with their nonce,
and the error pages.
"""

import os
import re
import secrets
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, Request, Response, g, redirect, render_template, request, url_for
from flask.sessions import NullSession, SecureCookieSessionInterface
from flask_wtf import CSRFProtect
from itsdangerous import URLSafeTimedSerializer
from werkzeug.exceptions import HTTPException, SecurityError
from werkzeug.wrappers import Response as BaseResponse

from app import languages, templating
from app.config import current_settings
from app.errors import DomainError, StepUpRequired

PACKAGE = Path(__file__).resolve().parent
ROOT = PACKAGE.parent
TEMPLATES = ROOT / "templates"

# Every form carries a token; the JSON edge, which no browser session opens, exempts its own blueprints.
csrf = CSRFProtect()

CONTENT_POLICY = (
    "default-src 'self'; script-src 'self' 'nonce-{nonce}'; style-src 'self' 'nonce-{nonce}'; "
    "img-src 'self' data:; font-src 'self'; connect-src 'self'; object-src 'none'; base-uri 'none'; "
    "form-action 'self'{provider}; frame-ancestors 'none'"
)
JSON = "application/json"
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,100}")
EVERYWHERE = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
}

# A caller of the API who sends one of these proves itself by it, and has no session.
KEYED_PATHS = ("/api/", "/compat/")
KEY_HEADERS = ("HTTP_AUTHORIZATION", "HTTP_X_API_KEY")


class KnownRequest(Request):
    """A request whose content type is not parsed where it is the usual one."""

    @property
    def mimetype(self) -> str:
        """The content type without its parameters, in lower case."""
        return JSON if self.environ.get("CONTENT_TYPE") == JSON else super().mimetype


class Application(Flask):
    """Flask without coroutines: no view or hook of ours is one, so none is asked whether it is."""

    request_class = KnownRequest

    def ensure_sync(self, func: Any) -> Any:
        """Return the function as it is."""
        return func


class Sessions(SecureCookieSessionInterface):
    """The signed cookie of a person. A call of the API with a key opens none, so that it costs nothing."""

    def open_session(self, app: Flask, request: Request) -> Any:
        """Return the session of the request, one that cannot be written where a key is sent."""
        environ = request.environ
        if environ["PATH_INFO"].startswith(KEYED_PATHS) and any(name in environ for name in KEY_HEADERS):
            return NullSession()
        return super().open_session(app, request)

    def get_signing_serializer(self, app: Flask) -> URLSafeTimedSerializer | None:
        """Return what signs and reads the cookie, made once for each secret."""
        return self._signer(app, app.secret_key) if app.secret_key else None

    @lru_cache(maxsize=8)  # noqa: B019
    def _signer(self, app: Flask, _secret: object) -> URLSafeTimedSerializer | None:
        return super().get_signing_serializer(app)


def init_app(app: Flask) -> None:
    """Enter the hooks, the session, the page context and the error pages."""
    app.session_interface = Sessions()
    app.before_request(_name_the_request)
    csrf.init_app(app)
    app.after_request(_secure)
    app.context_processor(lambda: {"csp_nonce": _nonce()})
    languages.init_app(app)
    templating.init_app(app)
    app.register_error_handler(DomainError, _domain_error_page)
    app.register_error_handler(HTTPException, _http_error_page)


def _name_the_request() -> None:
    given = request.environ.get("HTTP_X_REQUEST_ID")
    g.request_id = given if given and REQUEST_ID.fullmatch(given) else os.urandom(16).hex()


def _nonce() -> str:
    """Return the nonce of this page's own scripts and styles."""
    if "csp_nonce" not in g:
        g.csp_nonce = secrets.token_urlsafe(16)
    return str(g.csp_nonce)


def _content_policy() -> str:
    """Return the policy of a page. A form may lead to the identity provider: signing out ends there."""
    origin = current_settings().issuer_origin
    return CONTENT_POLICY.format(nonce=_nonce(), provider=origin and f" {origin}")


def _secure(response: Response) -> Response:
    if response.status_code == 308:
        _stay_here(response)
    headers = response.headers
    present = {name.lower() for name, _ in headers}
    more = {**EVERYWHERE, "X-Request-Id": g.get("request_id", "")}
    if response.mimetype == "text/html":
        more["Content-Security-Policy"] = _content_policy()
        more["Cache-Control"] = "no-store"
    if request.is_secure:
        more["Strict-Transport-Security"] = "max-age=31536000; includeSubDomains"
    for name, value in more.items():
        if name.lower() not in present:
            headers.add(name, value)
    return response


def _stay_here(response: Response) -> None:
    """Let the redirect that adds a slash name the path alone, never the host that a request claims."""
    response.location = urlsplit(response.location or "/")._replace(scheme="", netloc="").geturl()
    response.set_data("")


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
    if isinstance(error, StepUpRequired):
        return redirect(url_for("auth.sign_in_again", next=error.back or _page_asked_for()), code=303)
    return render_template("error.html", status=error.status, message=error.message), error.status


def _page_asked_for() -> str:
    """Return the address of the page that a request is about: a form's, where it was sent from one."""
    has_page = request.url_rule is not None and "GET" in (request.url_rule.methods or ())
    return request.full_path if has_page else "/"


def _http_error_page(error: HTTPException) -> tuple[str, int] | HTTPException | Response:
    if error.code is None or error.code < 400:
        return error
    if isinstance(error, SecurityError):
        # No page: its links would lead to the host that is not ours.
        return Response("This host is not served here.\n", 400, mimetype="text/plain")
    return render_template("error.html", status=error.code, message=error.description), error.code
