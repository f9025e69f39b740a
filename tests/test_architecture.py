"""The rules of docs/architecture.md that a machine can keep."""

import ast
import subprocess
import sys
import uuid
from collections.abc import Iterator
from functools import cache

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Table, text
from sqlalchemy.orm import Session
from werkzeug.routing import Rule

import jobs
from app.config import Settings
from app.db import db
from app.registry import load_package
from jobs import runner
from tests.support.machine import ROOT

LONGEST_FILE, LONGEST_FUNCTION = 300, 60
# Each with the reason why it is better long.
LONG_FILES: dict[str, str] = {}
LONG_FUNCTIONS: dict[str, str] = {}

# Modules of the inner layers that know floats, and what of; none of them is money.
FLOATS: dict[str, str] = {
    "app/services/audit_throttle.py": "seconds of the monotonic clock",
    "app/domain/properties.py": "a JSON number of an event, taken over by its shortest writing",
    "app/services/cache.py": "seconds of the monotonic clock",
    "app/services/event_names.py": "seconds of the monotonic clock",
    "app/services/event_writer.py": "seconds between two wake-ups",
    "app/services/group_commit.py": "seconds of patience",
    "app/services/callers/memory.py": "seconds of the monotonic clock",
    "app/services/callers/signers.py": "seconds of the monotonic clock",
}

# What anybody may call, and why.
PUBLIC_ENDPOINTS = {
    "static": "style sheets and scripts",
    "admin.static": "Flask-Admin's own style sheets and scripts",
    "rq_dashboard.static": "the dashboard's own style sheets and scripts",
    "auth.home": "leads everybody to their own place",
    "auth.sign_in": "the door itself",
    "auth.sign_in_as": "the door itself",
    "auth.start": "leads to the identity provider",
    "auth.callback": "takes the identity provider's answer, which proves itself",
    "auth.sign_out": "ends a session if there is one",
    "brand.logo": "the seller's logo, named by its content",
    "language.choose": "keeps a language in the browser of whoever asks",
}

SOURCES = [
    path
    for folder in ("app", "admin_views", "jobs")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if "static" not in path.parts
]
TREES = {str(path.relative_to(ROOT)): ast.parse(path.read_text("utf-8")) for path in SOURCES}


def walk(*prefixes: str, without: tuple[str, ...] = ()) -> Iterator[tuple[str, ast.AST]]:
    """Yield every node of the sources below the prefixes, with where it stands."""
    for name, tree in TREES.items():
        if name.startswith(prefixes) and not name.startswith(without):
            for node in ast.walk(tree):
                yield f"{name}:{getattr(node, 'lineno', 0)}", node


def calls_of(node: ast.AST) -> str:
    """Return the dotted name that a node calls, '' where it is no such call."""
    return ast.unparse(node.func) if isinstance(node, ast.Call) else ""


def test_only_the_database_module_commits() -> None:
    found = [
        where
        for where, node in walk("app", "admin_views", "jobs", without=("app/db.py", "app/embedded"))
        if calls_of(node).endswith(".commit")
    ]
    assert found == []


def test_no_import_hides_inside_a_function_or_behind_type_checking() -> None:
    found = [
        where
        for where, node in walk("app", "admin_views", "jobs")
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and any(isinstance(inner, ast.Import | ast.ImportFrom) for inner in ast.walk(node))
    ]
    found += [where for where, node in walk("app", "admin_views", "jobs") if _is_name(node, "TYPE_CHECKING")]
    assert found == []


def test_the_domain_imports_the_standard_library_itself_and_the_registry_only() -> None:
    allowed = set(sys.stdlib_module_names)
    found = [
        f"{where} {name}"
        for where, node in walk("app/domain")
        for name in _imported(node)
        if name.partition(".")[0] not in allowed and not name.startswith(("app.domain", "app.registry"))
    ]
    assert found == []


def test_no_float_comes_near_money() -> None:
    found = {
        where.partition(":")[0]
        for where, node in walk("app/domain", "app/models", "app/services")
        if (_is_name(node, "float") or (isinstance(node, ast.Constant) and isinstance(node.value, float)))
        and where not in _refusals_of_floats()
    }
    assert found == FLOATS.keys()


def test_only_the_clock_module_reads_the_clock() -> None:
    found = [
        where
        for where, node in walk("app", "admin_views", "jobs", without=("app/clock.py", "app/ids.py"))
        if calls_of(node).endswith(
            ("datetime.now", "datetime.utcnow", "datetime.today", "date.today", "time.time", "time.time_ns")
        )
    ]
    assert found == []


def test_files_and_functions_are_short() -> None:
    files = {
        name: length
        for name in TREES
        if (length := len((ROOT / name).read_text("utf-8").splitlines())) > LONGEST_FILE
    }
    functions = {
        f"{where.partition(':')[0]}:{node.name}": node.end_lineno - node.lineno + 1
        for where, node in walk("app", "admin_views", "jobs")
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno + 1 > LONGEST_FUNCTION
    }
    assert files.keys() == LONG_FILES.keys(), files
    assert functions.keys() == LONG_FUNCTIONS.keys(), functions


def test_every_wake_up_names_a_registered_job() -> None:
    load_package(jobs)
    asked = {
        (where, node.args[0].value)
        for where, node in walk("app", "admin_views", "jobs")
        if isinstance(node, ast.Call)
        and calls_of(node).rpartition(".")[2] == "enqueue"
        and node.args
        and isinstance(node.args[0], ast.Constant)
    }
    assert {(where, name) for where, name in asked if name not in runner.jobs} == set()


def test_imports_follow_the_layers() -> None:
    command = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    done = subprocess.run(
        [sys.executable, "-c", command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_setting_has_its_line_in_the_example() -> None:
    lines = (ROOT / ".env.example").read_text("utf-8").splitlines()
    named = {line.lstrip("#").partition("=")[0] for line in lines if line.lstrip("#").split("=")[0].isupper()}
    assert named == {name.upper() for name in Settings.__dataclass_fields__}


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_every_requirement_is_pinned_exactly(name: str) -> None:
    lines = [line for line in (ROOT / name).read_text("utf-8").splitlines() if line and line[0] not in "#-"]
    assert [line for line in lines if "==" not in line] == []
    packages = [line.partition("==")[0].lower() for line in lines]
    assert len(packages) == len(set(packages))


def test_every_foreign_key_is_indexed(app: Flask) -> None:
    missing = [
        f"{table.name}.{'+'.join(columns)}"
        for table in db.metadata.sorted_tables
        for columns in ([column.name for column in key.columns] for key in table.foreign_key_constraints)
        if not any(starts[: len(columns)] == columns for starts in _index_columns(table))
    ]
    assert missing == []


# Alembic compares such an index by its name alone.
@pytest.mark.filterwarnings("ignore:Expression #. .* detected to include an operator clause:UserWarning")
def test_the_models_and_the_migrations_describe_the_same_schema(session: Session) -> None:
    partitions = set(session.scalars(text("SELECT inhrelid::regclass::text FROM pg_inherits")))
    context = MigrationContext.configure(
        session.connection(),
        opts={
            "compare_type": True,
            "include_object": lambda item, name, kind, reflected, other: name not in partitions,
        },
    )
    assert compare_metadata(context, db.metadata) == []


def test_a_stranger_comes_through_no_door(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The token against forged forms is asked for first; without it the guard itself has to answer.
    monkeypatch.setitem(app.config, "WTF_CSRF_ENABLED", False)
    rules = [rule for rule in app.url_map.iter_rules() if not _is_public(app, rule)]
    open_doors = {
        f"{method} {rule.rule} → {status}"
        for rule in rules
        for method in sorted((rule.methods or set()) - {"OPTIONS", "HEAD"})
        if (status := _knock(app, client, rule, method)) not in {"401", "sign-in"}
    }
    assert open_doors == set()


def test_every_public_endpoint_exists(app: Flask) -> None:
    assert set(PUBLIC_ENDPOINTS) - {rule.endpoint for rule in app.url_map.iter_rules()} == set()


def _is_name(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


@cache
def _refusals_of_floats() -> set[str]:
    """Return where `isinstance(value, … float …)` stands: there the word turns one away."""
    return {
        where
        for where, node in walk("app")
        if calls_of(node) == "isinstance" and "float" in ast.unparse(node)
    }


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [
            f"{node.module}.{alias.name}" if node.module == "app" else node.module or ""
            for alias in node.names
        ]
    return []


def _index_columns(table: Table) -> Iterator[list[str]]:
    yield [column.name for column in table.primary_key.columns]
    for index in table.indexes:
        if index.dialect_options["postgresql"]["where"] is None:
            yield [getattr(column, "name", "") for column in index.expressions]
    for constraint in table.constraints:
        if constraint.__visit_name__ == "unique_constraint":
            yield [column.name for column in constraint.columns]


def _is_public(app: Flask, rule: Rule) -> bool:
    view = app.view_functions[rule.endpoint]
    return rule.endpoint in PUBLIC_ENDPOINTS or getattr(view, "__guard__", None) == "public"


def _knock(app: Flask, client: FlaskClient, rule: Rule, method: str) -> str:
    """Return what a stranger gets: a status, or 'sign-in' where they are led to the door."""
    values = {
        name: uuid.UUID(int=7) if type(converter).__name__ == "UUIDConverter" else "7"
        for name, converter in rule._converters.items()
    }
    with app.test_request_context():
        path = app.url_map.bind("localhost").build(rule.endpoint, values, method=method)
    answer = client.open(path, method=method)
    return "sign-in" if answer.headers.get("Location", "").startswith("/sign-in") else str(answer.status_code)
