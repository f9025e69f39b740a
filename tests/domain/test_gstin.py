"""GSTINs good and bad; the check character against published numbers and an independent library."""

import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum import luhn

from app.domain.errors import RuleBroken
from app.domain.gstin import check_character, is_valid, state_of, validate
from app.domain.places import STATES

ALPHABET = string.digits + string.ascii_uppercase
# Published by the GST portal's guides and by python-stdnum's documentation.
GOOD = ("27AAPFU0939F1ZV", "29AAGCB7383J1Z4")


@pytest.mark.parametrize("gstin", GOOD)
def test_a_published_number_is_accepted_and_read(gstin: str) -> None:
    assert validate(gstin) == gstin
    assert state_of(gstin) == gstin[:2]


def test_small_letters_and_blanks_around_are_mended() -> None:
    assert validate(" 27aapfu0939f1zv ") == "27AAPFU0939F1ZV"


@pytest.mark.parametrize(
    "bad",
    [
        None, 27, "", "27AAPFU0939F1Z", "27AAPFU0939F1ZVV", "27AAPFU0939F1ZW", "00AAPFU0939F1ZV",
        "96AAPFU0939F1ZV",
        "27AAPF00939F1ZV", "27AAPFU0939F0ZV", "27AAPFU0939F1AV", "27AAPFU0939F1Z!", "27ＡAPFU0939F1ZV",
    ],
)  # fmt: skip
def test_a_number_that_is_wrong_anywhere_is_refused(bad: Any) -> None:
    with pytest.raises(RuleBroken) as refused:
        validate(bad)
    assert (refused.value.pointer, refused.value.code) == ("/gstin", "bad_gstin")
    assert not is_valid(bad)


@pytest.mark.parametrize("gstin", GOOD)
def test_every_slip_of_one_character_is_found(gstin: str) -> None:
    for place in range(15):
        for other in ALPHABET.replace(gstin[place], ""):
            assert not is_valid(gstin[:place] + other + gstin[place + 1 :])


def test_a_test_number_is_accepted_only_where_the_setting_says_so() -> None:
    """The e-invoice sandbox hands out numbers such as 29AABCT1332L000, whose last characters follow no
    rule."""
    assert not is_valid("29AABCT1332L000")
    assert is_valid("29AABCT1332L000", accept_test=True)
    assert not is_valid("00AABCT1332L000", accept_test=True)
    assert not is_valid("29AABCT1332L00!", accept_test=True)


@given(
    st.sampled_from([code for code in STATES if code not in ("96", "97")]),
    st.text(string.ascii_uppercase, min_size=6, max_size=6),
    st.integers(0, 9999),
    st.sampled_from(ALPHABET[1:]),
)
def test_the_check_character_is_the_one_that_an_independent_library_wants(
    state: str, letters: str, digits: int, entity: str
) -> None:
    first = f"{state}{letters[:5]}{digits:04d}{letters[5]}{entity}Z"
    gstin = first + check_character(first)
    assert is_valid(gstin)
    assert luhn.calc_check_digit(first, ALPHABET) == gstin[-1]
