"""Rate limits at the edge: which buckets a request takes from, the headers that tell, and the 429.

A caller who has proved who they are spends from buckets of their own. The bucket of an address pays for what
nobody stands behind: failed authentication, public views and sign-ins. While it is empty, credentials that
this process has not seen to be good are not even looked at; good ones from behind the same address pass.
"""

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv6Address, ip_address

from flask import Flask, Response, current_app, g, request, session

from app.api.aliases import canonical
from app.config import Settings
from app.domain.buckets import SECOND, Limit, read_limits
from app.errors import RateLimited
from app.permissions import Actor
from app.queue import connection
from app.services.limits import Bucket, Limiter, Standing

UNLIMITED = frozenset({"/healthz", "/readyz", "/metrics"})
MOST_KNOWN = 10_000

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
        self.known: set[int] = set()

    def bucket(self, name: str, owner: str) -> Bucket | None:
        """Return the bucket `name` (a figure's name, or with `:read`, `:write`) of `owner`; None if it is
        off.
        """
        limit = self.figures.get(name.partition(":")[0])
        return None if limit is None else Bucket(f"{name}:{owner}", limit, ABOUT[name])


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
    limits = _limits()
    _remember_credentials(limits)
    rule = request.url_rule.rule if request.url_rule else request.path
    names = buckets_of(request.method, canonical(rule))
    owner = f"{actor.kind}:{actor.id}"
    _take([bucket for name in names if (bucket := limits.bucket(name, owner))])


@lru_cache(maxsize=1_024)
def buckets_of(method: str, rule: str) -> tuple[str, ...]:
    """Return the names of the buckets that a request to a route takes from.

    The figures of specification 5.3.2 are for posting events and for managing the resources: what moves money
    below a wallet, and quotes, count only as requests of the caller.

    >>> buckets_of("GET", "/api/v1/invoices/<uuid:invoice_id>")
    ('caller', 'invoices:read')
    """
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
    mark = getattr(current_app.view_functions.get(request.endpoint or ""), "__guard__", None)
    if request.method == "OPTIONS" or request.path in UNLIMITED:
        return
    if isinstance(mark, tuple):
        bucket = _limits().bucket("ip", _address())
        standing = bucket and _limits().limiter.emptiness(bucket)
        if standing and not _has_known_credentials(_limits()):
            _refuse(standing)
    elif mark is not None:
        _take_from_address("webhooks" if request.path.startswith("/webhooks/") else "ip")
    elif request.method == "POST" and request.path.startswith("/sign-in"):
        _take_from_address("ip")


def _tell(response: Response) -> Response:
    """Let the address pay for failed authentication, and tell how the tightest bucket stands."""
    if response.status_code == 401 and request.endpoint and "standing" not in g:
        _limits().known.discard(_credentials())
        bucket = _limits().bucket("ip", _address())
        if bucket:
            g.standing = _limits().limiter.spend([bucket])
    standing: Standing | None = g.get("standing")
    if standing:
        limit = standing.bucket.limit
        response.headers["RateLimit-Limit"] = str(limit.capacity)
        response.headers["RateLimit-Remaining"] = str(standing.remaining)
        response.headers["RateLimit-Reset"] = str(standing.full_in)
        policy = f"{limit.tokens};w={limit.window // SECOND};burst={limit.capacity}"
        response.headers["RateLimit-Policy"] = policy
        if standing.wait:
            response.headers["Retry-After"] = str(standing.wait)
    return response


def _take_from_address(name: str) -> None:
    bucket = _limits().bucket(name, _address())
    _take([bucket] if bucket else [])


def _take(buckets: Sequence[Bucket]) -> None:
    if buckets:
        g.standing = _limits().limiter.spend(buckets)
        if g.standing.wait:
            _refuse(g.standing)


def _refuse(standing: Standing) -> None:
    g.standing = standing
    bucket, wait = standing.bucket, standing.wait
    raise RateLimited(
        f"Too many requests: the limit of {bucket.about} is {bucket.limit}. "
        f"Try again in {wait} second{'s' if wait > 1 else ''}.",
        retry_after_seconds=wait,
    )


def _limits() -> Limits:
    limits: Limits = current_app.extensions["limits"]
    return limits


def _address() -> str:
    """Return whose bucket an address has: an IPv6 network of 64 bits is one subscriber."""
    address = request.remote_addr or ""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        return str(IPv6Address(int(parsed) >> 64 << 64))
    return address


def _credentials() -> int:
    headers = request.headers
    return hash((request.remote_addr, headers.get("X-Api-Key") or headers.get("Authorization")))


def _remember_credentials(limits: Limits) -> None:
    if len(limits.known) >= MOST_KNOWN:
        limits.known.clear()
    limits.known.add(_credentials())


def _has_known_credentials(limits: Limits) -> bool:
    """Tell whether credentials proved good here before; a session is proved by its own signature."""
    return _credentials() in limits.known or "_user_id" in session
