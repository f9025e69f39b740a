"""Who signs in to the demonstration: three at the desk and two customers."""

from collections.abc import Callable

from app.db import in_transaction
from app.errors import NotFound
from app.permissions import Actor, Role
from app.services import customers, users

STAFF = (
    ("ananya@otpless.example", "Ananya Rao", Role.super_admin),
    ("meera@otpless.example", "Meera Iyer", Role.finance_admin),
    ("rohit@otpless.example", "Rohit Verma", Role.support),
)
CUSTOMERS = (
    ("vikram@kaveri.example", "Vikram Shah", "cust-kaveri"),
    ("nandini@hooghly.example", "Nandini Sen", "cust-hooghly"),
)
LAST = CUSTOMERS[-1][0]


def load(actor: Actor, advance: Callable[[int], None]) -> None:
    """Make the people who are missing."""
    for email, name, role in STAFF:
        in_transaction(lambda one=(email, name, role): _make(*one, None, actor))  # type: ignore[misc]
        advance(1)
    for email, name, customer in CUSTOMERS:
        in_transaction(lambda one=(email, name, customer): _make(*one[:2], Role.customer, one[2], actor))  # type: ignore[misc]
        advance(1)


def _make(email: str, name: str, role: Role, customer: str | None, actor: Actor) -> None:
    try:
        users.get_by_email(email)
    except NotFound:
        owner = customers.get(customer) if customer else None
        users.create(email, role=role, name=name, customer=owner, actor=actor)
