"""The JSON edge: one file per resource, each with a `blueprint`, entered here by being in this package.

A blueprint without a prefix of its own lives under /api/v1. Its views are marked by `guards.guard` or
`guards.public`.
"""

import importlib
import pkgutil

from flask import Blueprint, Flask, Response, request
from werkzeug.exceptions import HTTPException, NotFound
from werkzeug.routing import RequestRedirect

from app.api import aliases, cors, lago, limits
from app.api.envelope import failure
from app.api.signing import check_signature
from app.web import csrf

PREFIX = "/api/v1"


def init_app(app: Flask) -> None:
    """Enter the routes of this edge: every `blueprint` of the package."""
    root = Blueprint("api", __name__)
    root.register_error_handler(Exception, failure)
    for module in pkgutil.iter_modules(__path__, f"{__name__}."):
        blueprint = getattr(importlib.import_module(module.name), "blueprint", None)
        if isinstance(blueprint, Blueprint):
            csrf.exempt(blueprint)
            root.register_blueprint(blueprint, url_prefix=blueprint.url_prefix or PREFIX)
    app.register_blueprint(root)
    aliases.init_app(app)
    cors.init_app(app)
    limits.init_app(app)
    app.before_request(check_signature)
    app.before_request(_answer_unknown_addresses)


def _answer_unknown_addresses() -> Response | None:
    """Answer in JSON also where no blueprint is reached: an unknown path, a method that it does not take,
    a name that no record can have."""
    error: HTTPException | None = request.routing_exception
    if "\x00" in request.path:
        error = NotFound()
    if error is None or isinstance(error, RequestRedirect):
        return None
    place = f"{request.path}/"
    if place.startswith("/compat/"):
        return lago.failure(error)
    return failure(error) if place.startswith("/api/") else None
