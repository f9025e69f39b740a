"""Rate limits at the edge: which buckets a request takes from, the headers that tell, and the 429.

A caller who has proved who they are spends from buckets of their own. The bucket of an address pays for what
nobody stands behind: failed authentication, public views and sign-ins. While it is empty, credentials that
this process has not seen to be good are not even looked at; good ones from behind the same address pass.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from typing import Any

from flask import Flask, Response, current_app, g, request, session

from app.api.aliases import canonical
from app.config import Settings
from app.domain.buckets import SECOND, Limit, read_limits
from app.errors import RateLimited
from app.permissions import Actor
from app.queue import connection
from app.services.limits import Bucket, Limiter, Standing

GUARDED = ("/api/", "/compat/")
MOST_REMEMBERED = 10_000

ABOUT = {
    "ip": "requests without valid credentials from one address",
    "webhooks": "webhooks from one address",
    "caller": "requests of one caller",
    "events": "requests that post events",
    "invoices:read": "reading invoices",
    "invoices:write": "changing invoices",
    "pricing:read": "reading price plans",
    "pricing:write": "changing price plans",
    "wallets": "managing wallets",
}


class Limits:
    """The limits of one application: their figures, their buckets, and the credentials seen to be good."""

    def __init__(self, figures: dict[str, Limit]) -> None:
        self.figures = figures
        self.limiter = Limiter(connection)
        self._known: set[int] = set()
        self._made: dict[tuple[str, ...], tuple[Bucket, ...]] = {}

    def of_caller(self, actor: Actor, method: str, rule: str) -> tuple[Bucket, ...]:
        """Return the buckets that a caller's request to a route takes from."""
        asked = (actor.kind, actor.id, method, rule)
        found = self._made.get(asked)
        return found or self._make(asked, buckets_of(method, rule), f"{actor.kind}:{actor.id}")

    def of_address(self, name: str, environ: dict[str, Any]) -> tuple[Bucket, ...]:
        """Return the bucket `name` of a request's address, none where the limit is off."""
        address = environ.get("REMOTE_ADDR", "")
        found = self._made.get((name, address))
        return found or self._make((name, address), (name,), subscriber(address))

    def remember(self, environ: dict[str, Any]) -> None:
        """Remember that the key or the token of this request is good."""
        if len(self._known) >= MOST_REMEMBERED:
            self._known.clear()
        if credentials := _credentials(environ):
            self._known.add(credentials)

    def forget(self, environ: dict[str, Any]) -> None:
        """Remember no longer that a secret or a token is good.

        The id of a signed key is no secret. What somebody else signs wrongly under it must not hurt its
        owner, and is found out without the database.
        """
        if "HTTP_X_API_KEY" not in environ:
            self._known.discard(_credentials(environ))

    def knows(self, environ: dict[str, Any]) -> bool:
        """Tell whether this process has seen the key or the token of this request to be good."""
        return _credentials(environ) in self._known

    def _make(self, asked: tuple[str, ...], names: Iterable[str], owner: str) -> tuple[Bucket, ...]:
        if len(self._made) >= MOST_REMEMBERED:
            self._made.clear()
        made = tuple(
            Bucket(f"{name}:{owner}", limit, ABOUT[name])
            for name in names
            if (limit := self.figures.get(name.partition(":")[0]))
        )
        self._made[asked] = made
        return made


def init_app(app: Flask) -> None:
    """Enter the hooks, and the limits that the settings ask for."""
    settings: Settings = app.extensions["settings"]
    app.extensions["limits"] = Limits(read_limits(settings.rate_limits))
    app.before_request(_limit_strangers)
    app.after_request(_tell)


def spend(actor: Actor) -> None:
    """Take this request from the buckets of its caller.

    Raises:
        RateLimited: one of them is empty; none has lost a token.
    """
    limits, environ, rule = _limits(), request.environ, request.url_rule
    limits.remember(environ)
    path = environ["PATH_INFO"] if rule is None else rule.rule
    _take(limits, limits.of_caller(actor, environ["REQUEST_METHOD"], path))


def subscriber(address: str) -> str:
    """Return who stands for an address: an IPv6 network of 64 bits is one subscriber.

    >>> subscriber("2001:db8:1:2:3::4"), subscriber("203.0.113.7"), subscriber("")
    ('2001:db8:1:2::', '203.0.113.7', '')
    """
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    return str(IPv6Address(int(parsed) >> 64 << 64)) if isinstance(parsed, IPv6Address) else address


@lru_cache(maxsize=1_024)
def buckets_of(method: str, rule: str) -> tuple[str, ...]:
    """Return the names of the buckets that a request to a route takes from.

    The figures of specification 5.3.2 are for posting events and for managing the resources: what moves money
    below a wallet, and quotes, count only as requests of the caller.

    >>> buckets_of("GET", "/api/v1/invoices/<uuid:invoice_id>")
    ('caller', 'invoices:read')
    """
    rule = canonical(rule)
    reads = method in {"GET", "HEAD"}
    if not reads and (rule == "/api/v1/events" or rule.startswith("/compat/")):
        return ("events",)
    resource = rule.removeprefix("/api/v1/").partition("/")[0]
    if resource in {"invoices", "pricing"} and rule != "/api/v1/pricing/quote":
        return ("caller", f"{resource}:{'read' if reads else 'write'}")
    if resource == "wallets" and (reads or method == "PATCH" or rule == "/api/v1/wallets"):
        return ("caller", "wallets")
    return ("caller",)


def _limit_strangers() -> None:
    """Let the address pay for what needs no credentials, and turn strangers away while it cannot pay."""
    environ = request.environ
    path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
    if method == "OPTIONS":
        return
    if path.startswith(GUARDED):
        limits, view = _limits(), current_app.view_functions.get(request.endpoint or "")
        buckets = limits.of_address("ip", environ)
        if getattr(view, "__guard__", None) == "public":
            _take(limits, buckets)
        elif standing := limits.limiter.emptiness(buckets):
            _turn_away_strangers(limits, standing)
    elif path.startswith("/webhooks/"):
        _take(_limits(), _limits().of_address("webhooks", environ))
    elif method == "POST" and path.startswith("/sign-in"):
        _take(_limits(), _limits().of_address("ip", environ))


def _turn_away_strangers(limits: Limits, standing: Standing) -> None:
    # A person's session is proved by its own signature.
    if not limits.knows(request.environ) and "_user_id" not in session:
        _refuse(standing)


def _tell(response: Response) -> Response:
    """Let the address pay for failed authentication, and tell how the tightest bucket stands."""
    standing: Standing | None = g.get("standing")
    if response.status_code == 401 and standing is None and request.path.startswith(GUARDED):
        limits = _limits()
        limits.forget(request.environ)
        if buckets := limits.of_address("ip", request.environ):
            standing = limits.limiter.spend(buckets)._replace(wait=0)
    if standing:
        limit, headers = standing.bucket.limit, response.headers
        headers.add("RateLimit-Limit", str(limit.capacity))
        headers.add("RateLimit-Remaining", str(standing.remaining))
        headers.add("RateLimit-Reset", str(standing.full_in))
        policy = f"{limit.tokens};w={limit.window // SECOND};burst={limit.capacity}"
        headers.add("RateLimit-Policy", policy)
        if standing.wait:
            headers["Retry-After"] = str(standing.wait)
    return response


def _take(limits: Limits, buckets: Sequence[Bucket]) -> None:
    if buckets:
        g.standing = standing = limits.limiter.spend(buckets)
        if standing.wait:
            _refuse(standing)


def _refuse(standing: Standing) -> None:
    g.standing = standing
    bucket, wait = standing.bucket, standing.wait
    raise RateLimited(
        f"Too many requests: the limit of {bucket.about} is {bucket.limit}. "
        f"Try again in {wait} second{'s' if wait > 1 else ''}.",
        retry_after_seconds=wait,
    )


def _credentials(environ: dict[str, Any]) -> int:
    """Return what stands for a key or a token at its address, 0 where none was sent."""
    sent = environ.get("HTTP_X_API_KEY") or environ.get("HTTP_AUTHORIZATION")
    return hash((environ.get("REMOTE_ADDR"), sent)) if sent else 0


def _limits() -> Limits:
    limits: Limits = current_app.extensions["limits"]
    return limits
