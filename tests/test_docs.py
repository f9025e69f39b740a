"""What the pages and the code name is there: pages, headings, files, pictures, targets, modules, commands."""

import re
from collections.abc import Iterator
from pathlib import Path

from flask import Flask

from tests.support.machine import ROOT

PAGES = [ROOT / "README.md", ROOT / "bench" / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FOLDERS = ("admin_views", "app", "bench", "jobs", "migrations", "templates", "tests", "translations")
SOURCES = [
    *(ROOT / name for name in (".env.example", "Makefile", "pyproject.toml", "wsgi.py")),
    # A migration stays as it was when it ran, its comments too.
    *(path for folder in FOLDERS if folder != "migrations" for path in sorted((ROOT / folder).rglob("*.py"))),
]
LINK = re.compile(r"\]\(([^()\s]+)\)")
CODE = re.compile(r"`([^`\n]+)`")
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
# A decision may be cited by its number alone: docs/adr/0007.
CITED = re.compile(r"(?<![\w./])docs/[\w/-]+(?:\.md)?|\b[A-Z]{2,}\.md\b")


def told(pattern: re.Pattern[str]) -> Iterator[tuple[str, str]]:
    """Yield what the pages say by a pattern, each with its page."""
    for page in PAGES:
        for found in pattern.finditer(page.read_text("utf-8")):
            yield str(page.relative_to(ROOT)), found[1]


def anchors(page: Path) -> set[str]:
    """Return the fragments that lead to the headings of a page, as GitHub makes them."""
    text = FENCED.sub("", page.read_text("utf-8"))
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def leads_somewhere(page: Path, link: str) -> bool:
    """Tell whether a link inside the project leads to a file, and its fragment to a heading there."""
    path, _, fragment = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    return target.exists() and (not fragment or fragment in anchors(target))


def test_every_link_leads_to_a_page_and_a_heading() -> None:
    broken = [
        f"{name}: {link}"
        for name, link in told(LINK)
        if "://" not in link and not leads_somewhere(ROOT / name, link)
    ]
    assert broken == []


def test_every_page_and_picture_is_linked() -> None:
    linked = {(ROOT / name).parent / link.partition("#")[0] for name, link in told(LINK)}
    found = {path.resolve() for path in linked if path.exists()}
    # A folder is shown by its README, one without (the decisions) as the list of its pages.
    for folder in filter(Path.is_dir, set(found)):
        first = folder / "README.md"
        found |= {first} if first.exists() else set(folder.iterdir())
    files = [*PAGES[1:], *sorted((ROOT / "docs" / "pictures").iterdir())]
    lost = [str(path.relative_to(ROOT)) for path in files if path not in found]
    assert lost == []


def test_every_file_that_a_page_names_is_there() -> None:
    paths = re.compile(rf"`((?:{'|'.join(FOLDERS)}|docs)/[\w./*-]+)(?:::\w+)?`")
    gone = [
        f"{name}: {path}"
        for name, path in told(paths)
        if not any(True for found in (path, f"{path}.py") for _ in ROOT.glob(found))
    ]
    assert gone == []


def test_every_page_that_the_code_cites_is_there() -> None:
    gone = [
        f"{path.relative_to(ROOT)}: {cited}"
        for path in SOURCES
        for cited in CITED.findall(path.read_text("utf-8"))
        if not list(ROOT.glob(cited if cited.endswith(".md") else f"{cited}*"))
    ]
    assert gone == []


def test_every_target_and_module_that_a_page_names_is_there() -> None:
    made = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    asked = {target for _, text in told(CODE) for target in re.findall(r"^make ([a-z]+)", text)}
    measured = {name for _, name in told(re.compile(r"BENCH=([a-z_]+)"))}
    started = {name for _, name in told(re.compile(r"python -m ((?:app|bench|tests)[\w.]*)"))}
    modules = {f"bench.{name}" for name in measured} | started
    places = {name: ROOT.joinpath(*name.split(".")) for name in modules}
    assert asked - made == set()
    assert [
        name for name, place in places.items() if not (place.is_dir() or place.with_suffix(".py").is_file())
    ] == []


def test_every_command_that_a_page_names_is_there(app: Flask) -> None:
    said = re.compile(r"(?:^|`|[ /])flask (?:--app wsgi )?([a-z][a-z-]+)(?: ([a-z][a-z-]+))?", re.MULTILINE)
    unknown = set()
    for page in PAGES:
        for command, below in said.findall(page.read_text("utf-8")):
            found = app.cli.commands.get(command)
            names = getattr(found, "commands", None)
            if found is None or (names is not None and below and below not in names):
                unknown.add(f"{page.name}: flask {command} {below}")
    assert unknown == set()
