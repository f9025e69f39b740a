"""A plan read by the API is kept, and never older than the last commit of any process."""

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Flask
from redis import Redis
from sqlalchemy import select

from app import clock
from app.db import db, transaction
from app.models import PricePlan
from app.services import keys, plans
from tests import factories as make
from tests.support.machine import ROOT
from tests.support.own import OwnDatabase

pytestmark = pytest.mark.processes

RENAME = """
from app.config import Settings
from app import clock
from app.db import db, transaction
from app.factory import create_app
from app.models import PricePlan
with create_app(Settings.from_env()).app_context():
    with transaction():
        db.session.query(PricePlan).one().name = "Growth 2027"
"""


@pytest.fixture
def own(own_database: OwnDatabase) -> Iterator[Flask]:
    """The application where commits stay, with a plan in it."""
    with own_database.app() as app:
        with transaction():
            make.make_plan("growth", name="Growth", components=[make.fee("10")])
        yield app


@pytest.fixture
def ask(own: Flask) -> Any:
    """Read prices by the API, with a key: `ask("/growth")` is the whole answer."""
    with transaction():
        _, secret = keys.create("reader", scopes=["catalog:read"], actor=make.ACTOR, at=clock.now())

    def get(path: str = "") -> Any:
        answer = own.test_client().get(
            f"/api/v1/pricing{path}", headers={"Authorization": f"Bearer {secret}"}
        )
        assert answer.status_code == 200
        return answer.get_json()

    return get


@pytest.fixture
def read(ask: Any) -> Any:
    """Read the plan."""
    return lambda: ask("/growth")["data"]


def test_a_plan_is_kept_as_it_was_answered(own: Flask, read: Any) -> None:
    first = read()
    with Redis.from_url(own.extensions["settings"].redis_url) as redis:
        kept = json.loads(redis.get("cache:plan:growth"))  # type: ignore[arg-type]
        assert kept[1] == first
        assert read() == first
        redis.flushdb()
        assert read() == first


def test_every_kind_of_change_is_seen_at_once(own: Flask, read: Any) -> None:
    def attributes() -> Any:
        return read()["attributes"]

    assert len(attributes()["versions"]) == 1
    with transaction():
        plan = db.session.scalars(select(PricePlan)).one()
        plans.add_version(plan, actor=make.ACTOR)
    assert [one["status"] for one in attributes()["versions"]] == ["published", "draft"]
    with transaction():
        draft = plans.get_version("growth", 2)
        plans.update_version(draft, {"interval": "year"}, prices=[make.fee("12")], actor=make.ACTOR)
    changed = attributes()["versions"][1]
    assert (changed["interval"], changed["components"][0]["price"]) == ("year", "12")
    with transaction():
        plans.publish(plans.get_version("growth", 2), at=datetime(2026, 10, 1, tzinfo=UTC), actor=make.ACTOR)
    assert attributes()["versions"][1]["status"] == "published"


def test_what_another_process_changes_is_seen_at_once(
    own: Flask, read: Any, own_database: OwnDatabase
) -> None:
    assert read()["attributes"]["name"] == "Growth"
    subprocess.run(
        [sys.executable, "-c", RENAME], cwd=ROOT, env=own_database.environment, check=True, timeout=60
    )
    assert read()["attributes"]["name"] == "Growth 2027"


def test_a_change_that_is_taken_back_changes_nothing(own: Flask, read: Any) -> None:
    first = read()
    with pytest.raises(ZeroDivisionError), transaction():
        db.session.scalars(select(PricePlan)).one().name = "Never"
        db.session.flush()
        raise ZeroDivisionError
    assert read() == first


def test_the_list_is_kept_page_by_page_as_it_was_answered(own: Flask, ask: Any) -> None:
    with transaction():
        make.make_plan("basic", name="Basic", components=[make.fee("5")])
    first = ask("?limit=1")
    second = ask(f"?limit=1&cursor={first['meta']['next_cursor']}")
    assert [page["data"][0]["attributes"]["code"] for page in (first, second)] == ["basic", "growth"]
    with Redis.from_url(own.extensions["settings"].redis_url) as redis:
        kept = json.loads(redis.get("cache:plans:1:"))  # type: ignore[arg-type]
        assert kept[1] == {"plans": first["data"], "next_cursor": first["meta"]["next_cursor"]}
        assert len(redis.keys("cache:plans:1:*")) == 2  # type: ignore[arg-type]
    assert ask("?limit=1")["data"] == first["data"]


def test_the_list_shows_every_change_of_every_process_at_once(
    own: Flask, ask: Any, own_database: OwnDatabase
) -> None:
    def names() -> list[str]:
        return [plan["attributes"]["name"] for plan in ask()["data"]]

    assert names() == ["Growth"]
    subprocess.run(
        [sys.executable, "-c", RENAME], cwd=ROOT, env=own_database.environment, check=True, timeout=60
    )
    assert names() == ["Growth 2027"]
    with transaction():
        make.make_plan("basic", name="Basic", components=[make.fee("5")])
    assert names() == ["Basic", "Growth 2027"]
