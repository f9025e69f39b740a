"""Signing in without an identity provider: for a demonstration on one's own machine, and nowhere else."""

from ipaddress import ip_address

from flask import request

from app.config import Settings
from app.models import User
from app.permissions import Role
from app.sign_in_settings import is_loopback

WHAT_THEY_SEE = {
    Role.super_admin: "Everything, with people, keys and queues",
    Role.finance_admin: "Customers, plans, wallets, invoices and payments",
    Role.support: "Reads the back office and changes nothing",
}
# Written by what stands between us and a browser elsewhere: then the peer's address says nothing.
FORWARDING = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-Ip")


def is_open(settings: Settings) -> bool:
    """Tell whether people may sign in by choosing a name.

    Only where it is switched on, not in production, no identity provider is configured, the installation's
    own address is this machine, and so is all of the request: the address that the server listens on, the one
    it comes from, and the name that was asked for (a page elsewhere can make its own name lead here).
    """
    return (
        settings.development_sign_in
        and not settings.production
        and not settings.issuer
        and settings.on_loopback
        and _is_this_machine(request.environ.get("SERVER_NAME"))
        and _is_this_machine(request.remote_addr)
        and is_loopback(f"//{request.host}")
        and not any(name in request.headers for name in FORWARDING)
    )


def sight(user: User) -> str:
    """Return in one line what a person will see."""
    if user.customer is not None:
        return f"The portal of {user.customer.name}"
    return WHAT_THEY_SEE[Role(user.role)]


def initials(name: str) -> str:
    """Return up to two letters that stand for a name.

    >>> initials("Ananya Rao"), initials("ops")
    ('AR', 'O')
    """
    words = name.split()
    return (words[0][:1] + (words[-1][:1] if len(words) > 1 else "")).upper() if words else ""


def _is_this_machine(address: str | None) -> bool:
    try:
        return address == "localhost" or ip_address(address or "").is_loopback
    except ValueError:
        return False
