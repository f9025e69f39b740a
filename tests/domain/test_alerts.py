"""When a wallet is low, and when a cap is near."""

from decimal import Decimal

import pytest

from app.domain.alerts import deepest, left, step_of_cap

LEVELS = [Decimal(100), Decimal(50), Decimal(0)]


def test_what_is_left_is_the_balance_less_what_is_held_and_owed() -> None:
    assert left(Decimal(100), Decimal(30), Decimal("70.01")) == Decimal("-0.01")


@pytest.mark.parametrize(
    ("rest", "level"),
    [("100", None), ("99.99", 100), ("50", 100), ("49.99", 50), ("0.01", 50), ("0", 0), ("-5", 0)],
)
def test_the_lowest_level_that_was_passed_counts(rest: str, level: int | None) -> None:
    assert deepest(Decimal(rest), LEVELS) == level


def test_without_levels_nothing_is_low() -> None:
    assert deepest(Decimal(-5), []) is None


@pytest.mark.parametrize(("spent", "step"), [("0", 0), ("79.99", 0), ("80", 80), ("99.99", 80), ("100", 100)])
def test_a_cap_has_two_steps(spent: str, step: int) -> None:
    assert step_of_cap(Decimal(spent), Decimal(100)) == step
