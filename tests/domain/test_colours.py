"""Colours on which white text can be read."""

from fractions import Fraction

import pytest

from app.domain.colours import check_accent, contrast
from app.domain.errors import RuleBroken


def test_the_ratio_is_that_of_wcag() -> None:
    assert contrast("#000000", "#ffffff") == contrast("#ffffff", "#000000") == Fraction(21)
    assert round(contrast("#1976d2", "#ffffff"), 2) == Fraction(460, 100)
    assert round(contrast("#767676", "#ffffff"), 2) == Fraction(454, 100)


def test_a_colour_is_kept_in_its_normal_form() -> None:
    assert check_accent(" #1B2A41 ", "/accent") == "#1b2a41"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("#777777", "too_light"),
        ("#ffffff", "too_light"),
        ("red", "wrong_type"),
        ("#12345", "wrong_type"),
        ("#1976d2;}", "wrong_type"),
        ("", "wrong_type"),
    ],
)
def test_what_cannot_be_used_is_refused(text: str, code: str) -> None:
    with pytest.raises(RuleBroken) as refused:
        check_accent(text, "/accent")
    assert (refused.value.pointer, refused.value.code) == ("/accent", code)
