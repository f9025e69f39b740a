"""Text in any script, made ready for a layout engine that draws one character after the other.

Inter has Latin, Greek and Cyrillic. The other faces in `app/static/fonts/pdf/` are Noto: Arabic, whose
letters xhtml2pdf joins and orders itself; emoji, in black; and the scripts of India, in which letters change
their place and melt into others. Those are shaped by HarfBuzz here, and each glyph that comes out is named by
a character of the private plane 15, which the face maps to it: `first` of the face plus the glyph's number.
What no face can draw is told by its code, so nobody's name becomes a row of empty boxes.
"""

import re
import unicodedata
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from app.lazy import Lazy

# Loaded only by processes that meet such a script.
uharfbuzz = Lazy("uharfbuzz")

FONTS = Path(__file__).resolve().parents[1] / "static" / "fonts" / "pdf"
BASE = "Inter"
# What joins and parts letters of Indian scripts; elsewhere it has no shape.
JOINERS = "\u200c\u200d"
KEPT_CONTROLS = "\n"


@dataclass(frozen=True, slots=True)
class Face:
    """A font for what Inter lacks: the blocks it is asked for, and the character of its glyph 0 where it is
    shaped."""

    family: str
    blocks: str
    first: int = 0

    @property
    def path(self) -> Path:
        """Its file."""
        return FONTS / f"{self.family}-Regular.ttf"


FACES = (
    Face("NotoSansArabic", "\u0600-\u06ff\u0750-\u077f\u08a0-\u08ff\ufb50-\ufdff\ufe70-\ufefc"),
    Face("NotoSansBengali", "\u0980-\u09ff", 0xF0000),
    Face("NotoSansDevanagari", "\u0900-\u097f\ua8e0-\ua8ff\u1cd0-\u1cff", 0xF0271),
    Face("NotoSansGujarati", "\u0a80-\u0aff", 0xF05F4),
    Face("NotoSansGurmukhi", "\u0a00-\u0a7f", 0xF08DC),
    Face("NotoSansKannada", "\u0c80-\u0cff", 0xF09D7),
    Face("NotoSansMalayalam", "\u0d00-\u0d7f", 0xF0B82),
    Face("NotoSansTamil", "\u0b80-\u0bff", 0xF0CAF),
    Face("NotoSansTelugu", "\u0c00-\u0c7f", 0xF0D6D),
    Face("NotoEmoji", "\u203c-\u3299\U0001f000-\U0001faff"),
)
SHAPED = re.compile(
    "|".join(f"(?P<{face.family}>[{face.blocks}][{face.blocks}{JOINERS}]*)" for face in FACES if face.first)
)
BY_FAMILY = {face.family: face for face in FACES}


def legible(text: str) -> str:
    """Return `text` as the faces can draw it; plain Latin comes back as it is.

    Control characters and those that turn the order of what stands beside them around are left out.
    """
    return text if text.isascii() and text.isprintable() else _drawn(text)


def families(text: str) -> list[str]:
    """Return the families besides Inter that `text`, which was made legible, needs."""
    if text.isascii():
        return []
    strange = {ord(character) for character in set(text)} - _covered(BASE)
    return [face.family for face in FACES if strange & _covered(face.family)]


@lru_cache(maxsize=1_000)
def _drawn(text: str) -> str:
    cleaned = "".join(filter(_has_shape, unicodedata.normalize("NFC", text)))
    parts, end = [], 0
    for found in SHAPED.finditer(cleaned):
        parts.append(_told(cleaned[end : found.start()]))
        parts.append(_shape(found[0], BY_FAMILY[str(found.lastgroup)]))
        end = found.end()
    return "".join([*parts, _told(cleaned[end:])])


def _has_shape(character: str) -> bool:
    if character in KEPT_CONTROLS or character in JOINERS:
        return True
    # Variation selectors, and the colours of skins, which a black emoji has not.
    if "\ufe00" <= character <= "\ufe0f" or "\U0001f3fb" <= character <= "\U0001f3ff":
        return False
    return unicodedata.category(character) not in {"Cc", "Cf", "Cs"}


def _told(text: str) -> str:
    """Return text that needs no shaping, with a code for what no face has."""
    return "".join(
        character if character in KEPT_CONTROLS or _is_drawable(character) else f"[U+{ord(character):04X}]"
        for character in text
        if character not in JOINERS
    )


def _is_drawable(character: str) -> bool:
    if unicodedata.category(character) == "Co":
        return False
    if unicodedata.category(character) == "Zs":
        return True
    code = ord(character)
    return code in _covered(BASE) or any(code in _covered(face.family) for face in FACES if not face.first)


def _shape(text: str, face: Face) -> str:
    """Return the glyphs of a run as characters of plane 15, in the order they are drawn."""
    run = uharfbuzz.Buffer()
    run.add_str(text)
    run.guess_segment_properties()
    uharfbuzz.shape(uharfbuzz.Font(_opened(face.family)), run)
    return "".join(chr(face.first + glyph.codepoint) for glyph in run.glyph_infos)


@cache
def _covered(family: str) -> frozenset[int]:
    return frozenset(_opened(family).unicodes)


@cache
def _opened(family: str) -> Any:
    return uharfbuzz.Face(uharfbuzz.Blob.from_file_path(str(FONTS / f"{family}-Regular.ttf")))
