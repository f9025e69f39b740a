"""The paths of specification 3.3.2, which lead to the same views as /api/v1.

`/api/customers` and `/api/admin` have their version in the path (/api/v1/customers) and mean version 1
without one; `/api/billing/…` has it in the header `X-API-Version`, `/api/usage` in `?version=`, each 1 by
default.
"""

from functools import lru_cache

from flask import Blueprint, Flask, Response, request
from werkzeug.datastructures import MultiDict

from app.api.envelope import failure
from app.errors import Invalid
from app.web import csrf

ALIASES = {
    "/api/customers": "/api/v1/customers",
    "/api/admin": "/api/v1/admin",
    "/api/billing/invoices": "/api/v1/invoices",
    "/api/billing/payments": "/api/v1/payments",
    "/api/billing/billing-runs": "/api/v1/admin/billing-runs",
    "/api/usage": "/api/v1/usage",
}
HEADER, PARAMETER = "X-API-Version", "version"
NEWEST = "1"
VERSIONS = frozenset({NEWEST, f"v{NEWEST}"})


def init_app(app: Flask) -> None:
    """Enter the aliases of all routes that exist by now, each with the view of its route and so its guard."""
    blueprint = Blueprint("aliases", __name__)
    blueprint.register_error_handler(Exception, failure)
    blueprint.before_request(_check_version)
    blueprint.after_request(_tell_version)
    csrf.exempt(blueprint)
    for rule in list(app.url_map.iter_rules()):
        view = app.view_functions[rule.endpoint]
        for alias in (name for name, target in ALIASES.items() if _lies_below(rule.rule, target)):
            path = alias + rule.rule[len(ALIASES[alias]) :]
            name = rule.endpoint.removeprefix("api.").replace(".", "_")
            blueprint.add_url_rule(path, name, view, methods=(rule.methods or set()) - {"HEAD", "OPTIONS"})
    app.register_blueprint(blueprint)


@lru_cache(maxsize=1_024)
def canonical(path: str) -> str:
    """Return the path below /api/v1 that a path or the rule of a route stands for.

    >>> canonical("/api/billing/invoices/7"), canonical("/api/v1/usage"), canonical("/api/usages")
    ('/api/v1/invoices/7', '/api/v1/usage', '/api/usages')
    """
    for alias, target in ALIASES.items():
        if _lies_below(path, alias):
            return target + path[len(alias) :]
    return path


def _lies_below(path: str, prefix: str) -> bool:
    return path == prefix or path.startswith(f"{prefix}/")


def _check_version() -> None:
    """Refuse a version that does not exist; the view does not see how it was asked for."""
    if _lies_below(request.path, "/api/billing"):
        asked = [request.headers.get(HEADER, NEWEST)]
    elif _lies_below(request.path, "/api/usage"):
        asked = request.args.getlist(PARAMETER)
        request.args = MultiDict([pair for pair in request.args.items(multi=True) if pair[0] != PARAMETER])
    else:
        return
    for version in asked:
        if version not in VERSIONS:
            message = f"There is no version {version!r} of this API. Supported: {NEWEST}."
            raise Invalid.at(f"/{PARAMETER}", message, code="unsupported_version")


def _tell_version(response: Response) -> Response:
    response.headers[HEADER] = NEWEST
    return response
