"""Cross-origin calls from browsers (specification 5.3.3): for the origins of CORS_ORIGINS, and no others.

Another site's script may call with a key that it was given, never with the session of whoever looks at it:
credentials are not allowed.
"""

from flask import Flask, Response, current_app, request

from app.config import Settings

PREFIXES = ("/api/", "/compat/")
TAKEN = (
    "Authorization, Content-Type, Idempotency-Key, X-Api-Key, X-API-Version, X-Nonce, X-Request-Id, "
    "X-Signature, X-Timestamp"
)
SHOWN = (
    "Idempotency-Replayed, RateLimit-Limit, RateLimit-Policy, RateLimit-Remaining, RateLimit-Reset, "
    "Retry-After, X-API-Version, X-Request-Id"
)
REMEMBERED_SECONDS = "600"


def init_app(app: Flask) -> None:
    """Let browsers of the allowed origins read what the JSON edge answers."""
    app.after_request(_allow)


def _allow(response: Response) -> Response:
    """Name the origin if it is allowed; a preflight also learns the methods, which Flask puts into Allow."""
    settings: Settings = current_app.extensions["settings"]
    if not settings.cors_origins or not request.path.startswith(PREFIXES):
        return response
    response.vary.add("Origin")
    origin = request.headers.get("Origin")
    if origin not in settings.cors_origins:
        return response
    response.headers["Access-Control-Allow-Origin"] = origin
    if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
        response.headers["Access-Control-Allow-Methods"] = response.headers.get("Allow", "")
        response.headers["Access-Control-Allow-Headers"] = TAKEN
        response.headers["Access-Control-Max-Age"] = REMEMBERED_SECONDS
    else:
        response.headers["Access-Control-Expose-Headers"] = SHOWN
    return response
