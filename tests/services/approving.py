"""People who ask for money to be moved and people who approve it."""

from app.permissions import Actor, Role
from app.services import users
from tests.factories import ACTOR

MEERA, ANANYA, ROHIT = "Meera Iyer", "Ananya Rao", "Rohit Verma"
ROLES = {MEERA: Role.finance_admin, ANANYA: Role.super_admin, ROHIT: Role.support}


def person(name: str) -> Actor:
    """Return a member of staff as an actor."""
    email = f"{name.split()[0].lower()}@otpless.example"
    user = users.create(email, role=ROLES[name], name=name, actor=ACTOR)
    return Actor(kind="user", id=str(user.id), label=name, role=ROLES[name])


def service(*scopes: str) -> Actor:
    """Return a key as an actor."""
    return Actor(kind="api_key", id="key", label="shop", role=Role.service, scopes=frozenset(scopes))
