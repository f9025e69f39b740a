"""Pictures that people give as a logo, made harmless: what is kept is written anew, never what was sent.

A PNG is decoded and encoded again, which drops whatever rides along. An SVG is parsed without entities and
rebuilt from the shapes and attributes that a drawing needs; scripts, links, styles and other files have no
place in it.
"""

import io
import re
from xml.etree import ElementTree

from app.domain.errors import RuleBroken
from app.lazy import Lazy

# Loaded where a picture is read, which is hardly ever.
images = Lazy("PIL.Image")

MOST_BYTES = 100_000
MOST_PIXELS = 1_000
PNG, SVG = "image/png", "image/svg+xml"
PNG_START = b"\x89PNG\r\n\x1a\n"
SVG_SPACE = "http://www.w3.org/2000/svg"
MOST_ELEMENTS = 500
ELEMENTS = frozenset(
    (
        *("svg", "g", "defs", "title", "desc", "path", "rect", "circle", "ellipse", "line", "polyline"),
        *("polygon", "linearGradient", "radialGradient", "stop", "clipPath"),
    )
)
ATTRIBUTES = frozenset(
    (
        *("id", "viewBox", "width", "height", "x", "y", "x1", "y1", "x2", "y2", "cx", "cy", "r", "rx", "ry"),
        *("fx", "fy", "d", "points", "transform", "fill", "fill-rule", "clip-rule", "fill-opacity", "stroke"),
        *("stroke-width", "stroke-linecap", "stroke-linejoin", "stroke-miterlimit", "stroke-opacity"),
        *("stroke-dasharray", "opacity", "offset", "stop-color", "stop-opacity", "gradientUnits"),
        *("gradientTransform", "clip-path", "preserveAspectRatio"),
    )
)
# Numbers, colours and words; what has an address leads into the drawing itself.
VALUE = re.compile(r"[\w\s.,#%()+-]*", re.ASCII)
POINTER = "/logo"


def read(content: bytes) -> tuple[str, bytes]:
    """Return the content type and the harmless form of a PNG or SVG.

    Raises:
        RuleBroken: it is neither, too big, or cannot be read; the pointer is `/logo`.
    """
    if len(content) > MOST_BYTES:
        raise RuleBroken(POINTER, "too_large", f"A logo has at most {MOST_BYTES // 1000} kB.")
    if content.startswith(PNG_START):
        return PNG, _png(content)
    if b"<svg" in content[:1000]:
        return SVG, _svg(content)
    raise RuleBroken(POINTER, "wrong_type", "Choose a PNG or an SVG picture.")


def _png(content: bytes) -> bytes:
    written = io.BytesIO()
    try:
        picture = images.open(io.BytesIO(content), formats=("PNG",))
        size = max(picture.size)
        if size <= MOST_PIXELS:
            picture.convert("RGBA").save(written, "PNG")
    except (OSError, SyntaxError, ValueError, images.DecompressionBombError):
        raise RuleBroken(POINTER, "unreadable", "This picture cannot be read.") from None
    if size > MOST_PIXELS:
        raise RuleBroken(POINTER, "too_large", f"A logo is at most {MOST_PIXELS} pixels wide and high.")
    return written.getvalue()


def _svg(content: bytes) -> bytes:
    if b"<!" in re.sub(rb"<!--.*?-->", b"", content, flags=re.DOTALL):
        raise RuleBroken(POINTER, "unreadable", "Save the SVG without a document type and without entities.")
    try:
        # Without a document type there are no entities to expand.
        root = ElementTree.fromstring(content)  # noqa: S314
    except (ElementTree.ParseError, ValueError, LookupError):
        raise RuleBroken(POINTER, "unreadable", "This SVG cannot be read.") from None
    if _name(root.tag) != "svg" or sum(1 for _ in root.iter()) > MOST_ELEMENTS:
        raise RuleBroken(POINTER, "unreadable", f"Choose a drawing of at most {MOST_ELEMENTS} shapes.")
    ElementTree.register_namespace("", SVG_SPACE)
    written: bytes = ElementTree.tostring(_rebuilt(root), encoding="utf-8")
    return written


def _rebuilt(element: ElementTree.Element) -> ElementTree.Element:
    kept = {
        name: value for name, value in element.attrib.items() if name in ATTRIBUTES and VALUE.fullmatch(value)
    }
    made = ElementTree.Element(f"{{{SVG_SPACE}}}{_name(element.tag)}", kept)
    if _name(element.tag) in ("title", "desc"):
        made.text = element.text
    made.extend(_rebuilt(child) for child in element if _name(child.tag) in ELEMENTS)
    return made


def _name(tag: object) -> str:
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""
