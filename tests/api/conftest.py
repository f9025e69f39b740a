"""A caller of the API for the tests of this folder."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app import clock
from app.models import Account
from app.permissions import Actor
from app.services import keys

TEST = Actor.system("tests")


class Caller:
    """Calls `/api/v1` with the secret of a key."""

    def __init__(self, client: FlaskClient, secret: str) -> None:
        self.client = client
        self.headers = {"Authorization": f"Bearer {secret}"}

    def get(self, path: str, **query: Any) -> TestResponse:
        """Read an address."""
        return self.client.get(f"/api/v1{path}", query_string=query, headers=self.headers)

    def post(self, path: str, body: Any = None, **headers: str) -> TestResponse:
        """Post a JSON value, or bytes as they are; header names are written with underscores."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        more = {name.replace("_", "-"): value for name, value in headers.items()}
        kind = more.pop("Content-Type", "application/json")
        return self.client.post(
            f"/api/v1{path}", data=raw, content_type=kind, headers={**self.headers, **more}
        )


NewCaller = Callable[..., Caller]


@pytest.fixture
def new_caller(client: FlaskClient) -> NewCaller:
    """`new_caller("events:write", account=account)`: a caller with a new key."""

    def make(*scopes: str, account: Account | None = None) -> Caller:
        chosen: Sequence[str] = scopes or ("all",)
        _, secret = keys.create("test", scopes=list(chosen), account=account, actor=TEST, at=clock.now())
        return Caller(client, secret)

    return make


@pytest.fixture
def caller(new_caller: NewCaller) -> Caller:
    """A caller with every scope."""
    return new_caller("all")
