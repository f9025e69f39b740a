"""Whether the process lives (`/healthz`) and whether it can serve (`/readyz`): for supervisors and load
balancers.
"""

from functools import cache

from alembic.script import ScriptDirectory
from flask import Blueprint, Response
from redis.exceptions import RedisError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from app.api.endpoint import endpoint
from app.api.envelope import answer
from app.api.guards import public
from app.db import db, transaction
from app.queue import connection
from app.web import ROOT

blueprint = Blueprint("health", __name__, url_prefix="/")


@blueprint.get("/healthz")
@public
@endpoint("Tell that the process lives")
def healthz() -> Response:
    """Ask nothing of anybody: a restart would not bring a database back."""
    return answer({"status": "ok"}, 200)


@blueprint.get("/readyz")
@public
@endpoint("Tell whether requests can be served")
def readyz() -> Response:
    """200 when the database answers and its schema is the one of this code, else 503.

    Redis is reported and not required: without it usage is still taken, and metered a little later.
    """
    checks = {"database": _check_database(), "redis": _check_redis()}
    ready = checks["database"] == "ok"
    return answer({"status": "ok" if ready else "unavailable", "checks": checks}, 200 if ready else 503)


def _check_database() -> str:
    try:
        with transaction():
            revisions = set(db.session.scalars(text("SELECT version_num FROM alembic_version")))
    except SQLAlchemyError:
        return "away"
    return (
        "ok" if revisions == _newest_revisions() else "schema is not of this version: run `flask db upgrade`"
    )


@cache
def _newest_revisions() -> set[str]:
    return set(ScriptDirectory(str(ROOT / "migrations")).get_heads())


def _check_redis() -> str:
    try:
        connection().ping()
    except RedisError:
        return "away"
    return "ok"
