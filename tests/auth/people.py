"""People for tests, and signing them in as a browser does."""

import hashlib
import os
import re

from flask.testing import FlaskClient
from itsdangerous import URLSafeTimedSerializer

from app.models import Customer, User
from app.permissions import Actor, Role
from app.services import users

TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')
SYSTEM = Actor.system("test")


def make_user(
    role: Role = Role.super_admin, *, email: str = "", customer: Customer | None = None, name: str = ""
) -> User:
    """Make a person of a role; customers need their customer."""
    return users.create(
        email or f"{role}@otpless.example", role=role, name=name, customer=customer, actor=SYSTEM
    )


def csrf_token(client: FlaskClient) -> str:
    """Return a token for this browser's session, as every form of every page carries one."""
    with client.session_transaction() as kept:
        raw = kept.setdefault("csrf_token", hashlib.sha1(os.urandom(64)).hexdigest())
    return str(URLSafeTimedSerializer(client.application.secret_key, salt="wtf-csrf-token").dumps(raw))


def page_token(client: FlaskClient, path: str) -> str:
    """Return the token that the first form of a page carries."""
    found = TOKEN.search(client.get(path).get_data(as_text=True))
    assert found, f"{path} has no form"
    return found[1]


def sign_in(client: FlaskClient, user: User, next_page: str = "") -> None:
    """Sign a person in by the sign-in page."""
    form = {"csrf_token": page_token(client, "/sign-in"), "user": str(user.id), "next": next_page}
    answer = client.post("/sign-in", data=form)
    assert answer.status_code == 303, answer.get_data(as_text=True)
