"""Groups of usage in their one spelling: added, compared, priced."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from app.domain.groups import NO_USAGE, Groups, Total, add, charge, difference, spelled, value_of
from app.domain.pricing import parse_terms

PARTS = st.tuples(st.decimals(-100, 100, places=3, allow_nan=False, allow_infinity=False), st.integers(-3, 3))
GROUPS = st.dictionaries(st.sampled_from(("", "IN", "US", "none")), PARTS)


def groups(parts: dict[str, tuple[Decimal, int]]) -> Groups:
    return spelled((value, *part) for value, part in parts.items())


def test_the_value_is_read_from_the_dimensions_and_is_empty_without_one() -> None:
    assert value_of('{"channel": "sms", "country": "IN"}', "country") == "IN"
    assert value_of('{"channel": "sms"}', "country") == ""


def test_groups_have_one_spelling() -> None:
    assert spelled([("US", Decimal("1.50"), 2), ("IN", Decimal("1E+2"), 1), ("NP", Decimal(0), 0)]) == {
        "IN": ["100", 1],
        "US": ["1.5", 2],
    }


def test_a_group_goes_when_nothing_is_left_of_it() -> None:
    found: Groups = {}
    add(found, "IN", Decimal("0.1"), 1)
    add(found, "IN", Decimal("0.2"), 1)
    assert found == {"IN": ["0.3", 2]}
    add(found, "IN", Decimal("-0.3"), -2)
    assert found == {}


@given(GROUPS, GROUPS)
def test_what_was_held_and_the_difference_are_what_was_wanted(
    wanted: dict[str, tuple[Decimal, int]], held: dict[str, tuple[Decimal, int]]
) -> None:
    found = groups(held)
    for value, (quantity, events) in difference(groups(wanted), found).items():
        add(found, value, Decimal(quantity), events)
    assert found == groups(wanted)


def test_each_group_has_its_own_free_units_and_minimum_and_none_is_owed_without_usage() -> None:
    terms = parse_terms("per_unit", {"unit": "1", "free_units": "10", "minimum": "5"})
    used = Total(Decimal(32), 3, {"IN": ["20", 2], "US": ["12", 1]})
    priced = charge(terms, used, "INR", group_by="country")
    assert str(priced.amount) == "15.00"
    assert [(row.group, row.kind, str(row.amount)) for row in priced.breakdown] == [
        ("IN", "free", "0"),
        ("IN", "units", "10"),
        ("US", "free", "0"),
        ("US", "units", "2"),
        ("US", "minimum", "3"),
    ]
    assert str(charge(terms, used, "INR", group_by="country", apply_minimum=False).amount) == "12.00"
    assert str(charge(terms, NO_USAGE, "INR", group_by="country").amount) == "0.00"
    assert str(charge(terms, used, "INR", group_by=None).amount) == "22.00"
