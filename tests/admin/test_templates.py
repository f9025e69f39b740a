"""Our port of Flask-Admin's templates: what it was ported from, and what every page keeps to."""

import hashlib
import re
from pathlib import Path

import flask_admin
import pytest

from tests.support.machine import ROOT

UPSTREAM = Path(flask_admin.__file__).parent / "templates" / "bootstrap4" / "admin"
PORT = ROOT / "templates" / "admin"

# What each template looked like when it was ported (Flask-Admin 2.2.1). A change upstream fails here: read
# its difference, merge it into the file of the same name below templates/admin, and enter the new hash.
PORTED = {
    "actions.html": "685288ebd9108462",
    "base.html": "a6add6a45c2ac3c5",
    "index.html": "93b932a94ef2ef1f",
    "layout.html": "5e62de8b5e527fc7",
    "lib.html": "21a2c36fee3e1984",
    "master.html": "54ebe2fb7e4c2e18",
    "model/create.html": "8930a13e4d81cd59",
    "model/details.html": "c4aa5d6ca9b9b82d",
    "model/edit.html": "b606efe0a695ead2",
    "model/inline_field_list.html": "67e95cc8006c11c5",
    "model/inline_form.html": "7c67695b482cae3d",
    "model/inline_list_base.html": "9385d36000f838cd",
    "model/layout.html": "9801f7f6e21b6dfe",
    "model/list.html": "21003d92feb9a75c",
    "model/modals/create.html": "cee8f2d9804f4c08",
    "model/modals/details.html": "6b25f1078b54b19d",
    "model/modals/edit.html": "df182d3d8904c068",
    "model/row_actions.html": "4dc1ade152ecd029",
    "static.html": "efbdfee9e7f4eef8",
}

# Never shown here: the file manager and the Redis console.
UNUSED = {"file", "rediscli"}


def test_each_template_was_ported_from_the_version_that_is_installed() -> None:
    found = {}
    for path in sorted(UPSTREAM.rglob("*.html")):
        name = path.relative_to(UPSTREAM)
        if name.parts[0] not in UNUSED:
            found[str(name)] = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    assert found == PORTED


@pytest.mark.parametrize("name", sorted(PORTED))
def test_ours_stands_in_the_place_of_every_upstream_template(name: str) -> None:
    assert (PORT / name).is_file()


@pytest.mark.parametrize(
    "path", sorted((ROOT / "templates").rglob("*.html")), ids=lambda path: str(path.relative_to(ROOT))
)
def test_no_template_needs_what_the_policy_forbids(path: Path) -> None:
    if "email" in path.parts or "pdf" in path.parts:
        pytest.skip("not a page of the site")
    text = path.read_text("utf-8")
    assert re.findall(r"\son[a-z]+\s*=", text) == []
    # A mail is no page: its reader keeps no style sheet, and no policy of ours reaches it.
    if "mail" not in path.parts:
        assert re.findall(r"<[^>{%]*\sstyle\s*=", text) == []
    assert re.findall(r"javascript:", text) == []
    assert re.findall(r"<script(?![^>]*\ssrc=)", text) == []
    assert re.findall(r'data-(?:toggle|target|dismiss)="', text) == []


def test_every_vendored_kit_carries_its_licence() -> None:
    vendor = ROOT / "app" / "static" / "vendor"
    kits = {path.name for path in vendor.iterdir() if path.is_dir()}
    licensed = {path.parent.name for path in vendor.glob("*/LICENSE*")}
    assert kits == licensed == {"chartjs", "inter", "noto-sans-devanagari", "tabler", "tabler-icons"}


def test_every_icon_that_is_named_is_in_the_sprite() -> None:
    sprite = (ROOT / "app" / "static" / "vendor" / "tabler-icons" / "icons.svg").read_text("utf-8")
    drawn = set(re.findall(r'<symbol id="([^"]+)"', sprite))
    named: set[str] = set()
    for path in [
        *(ROOT / "templates").rglob("*.html"),
        *(ROOT / "admin_views").glob("*.py"),
        ROOT / "app" / "templating.py",
    ]:
        text = path.read_text("utf-8")
        named |= set(re.findall(r'm\.icon\("([a-z0-9-]+)"', text)) | set(
            re.findall(r'icon(?:_name)?="([a-z0-9-]+)"', text)
        )
        named |= set(re.findall(r'Look\("[a-z]+", "([a-z0-9-]+)"\)', text))
    assert named - drawn == set()
