"""Who signs in to the demonstration: three at the desk and two customers."""

from collections.abc import Callable

from app.db import in_transaction
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
    in_transaction(lambda: _make_staff(actor))
    in_transaction(lambda: _make_customers(actor))
    advance(len(STAFF) + len(CUSTOMERS))


def _make_staff(actor: Actor) -> None:
    for email, name, role in STAFF:
        if users.find_by_email(email) is None:
            users.create(email, role=role, name=name, actor=actor)


def _make_customers(actor: Actor) -> None:
    for email, name, reference in CUSTOMERS:
        if users.find_by_email(email) is None:
            owner = customers.get(reference)
            users.create(email, role=Role.customer, name=name, customer=owner, actor=actor)
