"""HTML to PDF by xhtml2pdf: the same input gives the same bytes, and nothing outside the assets is ever read.

Templates live in `templates/pdf/`, the fonts (Inter, which has ₹, and those of `app.gateways.scripts`) in
`app/static/fonts/pdf/`. xhtml2pdf holds a process-wide lock while it works, so documents are made by worker
processes, one at a time in each.
"""

import io
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from app.errors import DomainError
from app.formatting import (
    amount_in_words,
    format_date,
    format_money,
    format_percent,
    format_quantity,
    format_unit_price,
)
from app.gateways.scripts import BY_FAMILY, FONTS, families, legible
from app.lazy import Lazy

# Loaded by the processes that make documents: they are half of what the program weighs.
rl_config = Lazy("reportlab.rl_config")
resources = Lazy("xhtml2pdf.config.resources")
document = Lazy("xhtml2pdf.document")

PACKAGE = Path(__file__).resolve().parents[1]
TEMPLATES = PACKAGE.parent / "templates" / "pdf"
CONTENT_TYPE = "application/pdf"
FAMILY = re.compile(r"(font-family: Inter\w*)(;)")


class CannotRender(DomainError):
    """The document could not be laid out; its data or template must be mended."""

    code = "cannot_render"
    status = 500


def load_engine() -> None:
    """Load the layout engine now: a worker that forks a process for each document does it once, before."""
    assert document.pisaDocument
    assert resources.ResourceAccessPolicy


def render_pdf(template: str, context: Mapping[str, Any], *, title: str, author: str = "") -> bytes:
    """Return the PDF of `templates/pdf/<template>` filled with `context`, every value escaped.

    Raises:
        CannotRender: the layout engine found an error.
        jinja2.UndefinedError: the template names a value that is not there.
    """
    html = _environment().get_template(template).render(context)
    return html_to_pdf(_with_faces(html), title=title, author=author)


def html_to_pdf(html: str, *, title: str, author: str = "") -> bytes:
    """Return the PDF of an HTML document; equal input gives equal bytes.

    The document may read files of the template and font folders only, and nothing from the network.

    Raises:
        CannotRender: the layout engine found an error.
    """
    # Without it ReportLab writes the time and a random id into every document.
    rl_config.invariant = 1
    written = io.BytesIO()
    result = document.pisaDocument(
        html,
        dest=written,
        path=str(TEMPLATES / "document.html"),
        resource_policy=resources.ResourceAccessPolicy.server(
            TEMPLATES, extra_roots=(FONTS,), allow_remote=False
        ),
        context_meta={"title": title, "author": author, "subject": "", "keywords": ""},
        raise_exception=False,
    )
    if result.err:
        raise CannotRender(f"The document {title!r} could not be laid out.")
    return written.getvalue()


def _with_faces(html: str) -> str:
    """Return the document with the further faces that its text needs, behind every use of Inter; each costs
    the reading of its file."""
    needed = families(html)
    if not needed:
        return html
    faces = "".join(
        f'@font-face {{ font-family: {name}; src: url("{BY_FAMILY[name].path.as_posix()}"); }}\n'
        for name in needed
    )
    others = "".join(f", {name}" for name in needed)
    return FAMILY.sub(rf"\1{others}\2", html).replace("<style>", f"<style>\n{faces}", 1)


def _shown(value: Any) -> Any:
    """Return what a template writes in a form that the faces can draw."""
    return legible(value) if type(value) is str else value


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        money=format_money,
        unit_price=format_unit_price,
        quantity=format_quantity,
        percent=format_percent,
        day=format_date,
        in_words=amount_in_words,
    )
    environment.globals["fonts"] = FONTS.as_posix()
    return environment
