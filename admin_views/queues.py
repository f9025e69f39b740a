"""The RQ dashboard at /rq/, for ops: behind the staff's gate, with the CSRF token its script sends and a
policy its templates need.
"""

import rq_dashboard
from flask import Flask, Response, request
from flask_wtf.csrf import generate_csrf
from redis import Redis
from rq.serializers import JSONSerializer
from rq_dashboard.web import config as dashboard_config

from admin_views.access import require
from app.config import Settings
from app.errors import NotFound
from app.permissions import Verb

PREFIX = "/rq"
READS = frozenset({"GET", "HEAD", "OPTIONS"})
# Its underscore.js templates are compiled in the browser and its pages carry inline scripts: allowed here
# and nowhere else.
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)


def init_app(app: Flask) -> None:
    """Mount the dashboard; it reads the queues that `app.queue` writes."""
    settings: Settings = app.extensions["settings"]
    dashboard_config.serializer = JSONSerializer
    app.config.update(RQ_DASHBOARD_REDIS_URL=(settings.redis_url,), RQ_DASHBOARD_POLL_INTERVAL=2500)
    app.redis_conn = Redis.from_url(settings.redis_url, socket_timeout=2)  # type: ignore[attr-defined]
    app.register_blueprint(rq_dashboard.blueprint, url_prefix=PREFIX)
    app.before_request(_guard)
    app.after_request(_dress)


def _here() -> bool:
    return request.path == PREFIX or request.path.startswith(f"{PREFIX}/")


def _guard() -> None:
    if not _here() or request.path.startswith(f"{PREFIX}/static/"):
        return
    reads = request.method in READS
    require("operations", Verb.read if reads else Verb.write)
    if reads and request.path.startswith(f"{PREFIX}/requeue/"):
        # The dashboard also answers GET there, and a GET never changes state.
        raise NotFound("There is no such page.")


def _dress(response: Response) -> Response:
    if _here() and response.mimetype == "text/html":
        response.headers["Content-Security-Policy"] = POLICY
        response.set_cookie(
            "_csrf_token", generate_csrf(), samesite="Strict", secure=request.is_secure, path=PREFIX
        )
    return response
