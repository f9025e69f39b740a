"""People at the desk, and the small world that they look at."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from admin_views.base import ModelScreen
from app.permissions import Role
from tests.admin.world import World, make_world
from tests.auth.people import csrf_token, make_user, sign_in

Desk = Callable[..., "Person"]


class Person:
    """Somebody signed in, with a browser."""

    def __init__(self, client: FlaskClient) -> None:
        self.client = client

    def get(self, path: str, **options: Any) -> Any:
        """Ask for a page."""
        return self.client.get(path, **options)

    def text(self, path: str) -> str:
        """Return a page that must be there, without its script-readable noise of white space."""
        answer = self.client.get(path)
        assert answer.status_code == 200, answer.get_data(as_text=True)
        return re.sub(r"\s+", " ", answer.get_data(as_text=True))

    def post(self, path: str, form: dict[str, Any] | None = None, **options: Any) -> Any:
        """Send a form with its token."""
        return self.client.post(path, data={"csrf_token": csrf_token(self.client), **(form or {})}, **options)


@pytest.fixture
def at_desk(app: Flask) -> Desk:
    """Sign somebody in: `at_desk(Role.support)`."""

    def take(role: Role = Role.super_admin, **options: Any) -> Person:
        client = app.test_client()
        sign_in(client, make_user(role, **options))
        return Person(client)

    return take


@pytest.fixture
def desk(at_desk: Desk) -> Person:
    """A super admin, signed in."""
    return at_desk()


@pytest.fixture
def world(app: Flask) -> World:
    """One row of every model."""
    return make_world()


@pytest.fixture
def screens(app: Flask) -> dict[str, ModelScreen]:
    """Every screen of the application by its slug."""
    return {view.slug: view for view in app.extensions["admin_screens"].values()}
