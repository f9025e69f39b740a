"""Every reason for which an event or its body can be refused is explained in docs/api/README.md."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.services import events
from tests.support.machine import ROOT

APP = ROOT / "app"
SOURCES = [
    *(APP / "domain" / f"{name}.py" for name in ("events", "properties", "rating", "cloudevents", "lago")),
    *sorted((APP / "domain" / "aggregations").glob("*.py")),
    *(APP / "api" / f"{name}.py" for name in ("ingest", "cloudevents", "lago", "strict_json")),
]
# What is refused when a metric is made, not when an event comes in.
DEFINITIONS = {"check_definition"}
# Of `decode`, which checks texts for other readers; an event's are checked by its own.
ELSEWHERE = {"bad_character"}
# Of the numbers that `read_quantity` reads by `app/domain/money.py`.
OF_NUMBERS = {"not_a_number", "too_many_decimals", "too_large", "negative"}


def refusing_calls(tree: ast.AST) -> Iterator[ast.Call]:
    """Yield the calls that make a refusal, outside of the definitions of metrics."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef) and node.name in DEFINITIONS:
            continue
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"RuleBroken", "Rejection", "Invalid.at"}:
            yield node
        yield from refusing_calls(node)


def codes_of(path: Path) -> set[str]:
    """Return the codes that a module refuses with."""
    found = set()
    for call in refusing_calls(ast.parse(path.read_text("utf-8"))):
        place = {"RuleBroken": 1, "Rejection": 2}.get(ast.unparse(call.func))
        given = call.args[place : place + 1] if place else [word.value for word in call.keywords]
        found |= {one.value for one in given if isinstance(one, ast.Constant)}
    return found - ELSEWHERE


def documented() -> str:
    """Return what the page says about events."""
    page = (ROOT / "docs" / "api" / "README.md").read_text("utf-8")
    return page[page.index("\n## Events") : page.index("\n## ", page.index("\n## Events") + 1)]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(APP)))
def test_every_code_of_a_module_is_explained(path: Path) -> None:
    text = documented()
    assert {code for code in codes_of(path) if f"`{code}`" not in text} == set()


def test_the_codes_of_matching_and_of_numbers_are_explained() -> None:
    text = documented()
    wanted = {*OF_NUMBERS, events.UNKNOWN_ACCOUNT, "unknown_metric"}
    assert {code for code in wanted if f"`{code}`" not in text} == set()


def test_the_search_finds_what_there_is() -> None:
    found = set().union(*map(codes_of, SOURCES))
    assert {"too_old", "missing_value", "unsupported", "batch_size", "unsigned_headers"} <= found
