"""Logos: what is kept is written anew, and only a drawing is in it."""

import io

import pytest
from PIL import Image

from app.domain.errors import RuleBroken
from app.gateways import logos


def png(size: tuple[int, int] = (64, 64)) -> bytes:
    """Return a picture."""
    written = io.BytesIO()
    Image.new("RGB", size, (200, 30, 30)).save(written, "PNG")
    return written.getvalue()


def test_what_rides_along_with_a_png_is_gone() -> None:
    content_type, kept = logos.read(png() + b"<script>alert(1)</script>")
    assert content_type == "image/png"
    assert b"script" not in kept
    assert Image.open(io.BytesIO(kept)).size == (64, 64)
    assert logos.read(png())[1] == kept


def test_of_an_svg_only_the_drawing_is_kept() -> None:
    given = (
        b'<svg xmlns="http://www.w3.org/2000/svg" xmlns:l="http://www.w3.org/1999/xlink" viewBox="0 0 9 9" '
        b'onload="alert(1)"><title>Us</title><script>alert(1)</script>'
        b"<style>* { fill: url(http://evil.example) }</style>"
        b'<a href="javascript:alert(1)"><rect width="9" height="9"/></a>'
        b'<image l:href="http://evil.example/x.png"/><use href="#x"/>'
        b'<foreignObject><body><img src="x" onerror="alert(1)"/></body></foreignObject>'
        b'<g fill="url(#a)" stroke="URL(//evil.example)"><path d="M0 0L9 9" fill="url(http://evil.example)" '
        b'style="x" stroke="#f00"/></g></svg>'
    )
    content_type, kept = logos.read(given)
    assert content_type == "image/svg+xml"
    assert kept == (
        b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><title>Us</title>'
        b'<g fill="url(#a)"><path d="M0 0L9 9" stroke="#f00" /></g></svg>'
    )


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"GIF89a", "wrong_type"),
        (b"", "wrong_type"),
        (b"<html><script>alert(1)</script></html>", "wrong_type"),
        (logos.PNG_START + b"rubbish", "unreadable"),
        (b"<svg><rect></svg>", "unreadable"),
        (b'<!DOCTYPE svg [<!ENTITY a "aaaa">]><svg>&a;</svg>', "unreadable"),
        (b"<svg>" + b"<g/>" * 501 + b"</svg>", "unreadable"),
        (b"<html><svg></svg></html>", "unreadable"),
        (png((1001, 1)), "too_large"),
        (b"<svg>" + b" " * logos.MOST_BYTES + b"</svg>", "too_large"),
    ],
)
def test_what_is_no_harmless_picture_is_refused(content: bytes, code: str) -> None:
    with pytest.raises(RuleBroken) as refused:
        logos.read(content)
    assert (refused.value.pointer, refused.value.code) == ("/logo", code)
