"""Colours and whether text on them can be read (WCAG 2.1, success criterion 1.4.3)."""

import re
from fractions import Fraction

from app.domain.errors import RuleBroken

WHITE = "#ffffff"
LEAST_CONTRAST = Fraction(9, 2)
FORM = re.compile(r"#[0-9a-f]{6}")


def check_accent(text: str, pointer: str) -> str:
    """Return a colour on which white text can be read, in its normal form.

    Raises:
        RuleBroken: it is no colour of six hexadecimal digits, or too light.

    >>> check_accent("#1976D2", "/accent")
    '#1976d2'
    """
    colour = text.strip().lower()
    if not FORM.fullmatch(colour):
        raise RuleBroken(pointer, "wrong_type", "Write # and six hexadecimal digits, such as #1976d2.")
    ratio = contrast(colour, WHITE)
    if ratio < LEAST_CONTRAST:
        shown = f"{int(ratio * 10) / 10:.1f}"
        message = (
            f"White text on this colour has a contrast of {shown} to 1; 4.5 is needed. Choose a darker one."
        )
        raise RuleBroken(pointer, "too_light", message)
    return colour


def contrast(one: str, other: str) -> Fraction:
    """Return the contrast ratio of two colours.

    >>> float(contrast("#000000", "#ffffff"))
    21.0
    """
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + Fraction(1, 20)) / (darker + Fraction(1, 20))


def _luminance(colour: str) -> Fraction:
    red, green, blue = (_linear(int(colour[at : at + 2], 16)) for at in (1, 3, 5))
    return Fraction(2126, 10_000) * red + Fraction(7152, 10_000) * green + Fraction(722, 10_000) * blue


def _linear(channel: int) -> Fraction:
    share = Fraction(channel, 255)
    if share <= Fraction(4045, 100_000):
        return share / Fraction(1292, 100)
    return Fraction(((share + Fraction(55, 1000)) / Fraction(1055, 1000)) ** Fraction(12, 5))
