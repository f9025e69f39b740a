"""The Indian GST registration number: State (2), PAN (10), entity (1), `Z`, check character (CGST
Rule 10)."""

import re

from app.domain.errors import RuleBroken
from app.domain.places import OTHER_COUNTRY, STATES

LENGTH = 15
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_REGULAR = re.compile(r"[0-9]{2}[A-Z]{5}[0-9]{4}[A-Z][1-9A-Z]Z[0-9A-Z]", re.ASCII)
_TEST = re.compile(r"[0-9]{2}[0-9A-Z]{13}", re.ASCII)


def check_character(first: str) -> str:
    """Return the check character for the first 14 characters of a GSTIN.

    Base 36, weights 1 and 2 in turn from the left; a product counts as the sum of its two base-36 digits.
    """
    total = 0
    for place, character in enumerate(first[: LENGTH - 1]):
        tens, ones = divmod(_ALPHABET.index(character) * (1 + place % 2), len(_ALPHABET))
        total += tens + ones
    return _ALPHABET[-total % len(_ALPHABET)]


def validate(value: object, *, accept_test: bool = False, pointer: str = "/gstin") -> str:
    """Return a GSTIN in upper case without surrounding blanks.

    With `accept_test` (the sandbox) any 15 characters that start with a State code will do, as the portals'
    test numbers have no valid check character.

    Raises:
        RuleBroken: wrong length, form, State or check character.
    """
    gstin = value.strip().upper() if isinstance(value, str) else ""
    if len(gstin) != LENGTH:
        raise RuleBroken(pointer, "bad_gstin", f"A GSTIN has {LENGTH} characters.")
    if gstin[:2] not in STATES or gstin[:2] == OTHER_COUNTRY:
        raise RuleBroken(pointer, "bad_gstin", f"A GSTIN starts with a State code; {gstin[:2]!r} is none.")
    if accept_test and _TEST.fullmatch(gstin):
        return gstin
    if not _REGULAR.fullmatch(gstin):
        raise RuleBroken(
            pointer,
            "bad_gstin",
            "A GSTIN is a State code, a PAN, an entity character, Z and a check character.",
        )
    if check_character(gstin) != gstin[-1]:
        raise RuleBroken(
            pointer, "bad_gstin", "The last character does not fit the others: look for a slip of the pen."
        )
    return gstin


def is_valid(value: object, *, accept_test: bool = False) -> bool:
    """Tell whether `validate` would accept the value."""
    try:
        validate(value, accept_test=accept_test)
    except RuleBroken:
        return False
    return True


def state_of(gstin: str) -> str:
    """Return the two-digit State code of a valid GSTIN."""
    return gstin[:2]
