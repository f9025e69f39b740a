"""How much of a balance nobody has paid: examples, and what holds for every history."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.unpaid import Step, unpaid_after

Told = tuple[str, int]
AMOUNTS = st.integers(1, 50)
PEOPLE = st.tuples(st.sampled_from(["paid", "credit", "spend", "use", "give_back", "refund"]), AMOUNTS)


def steps_of(history: list[Told]) -> list[Step]:
    """Return the steps of a history of (what, amount), and of reversals as (`undo`, which step)."""
    steps: list[Step] = []
    balance = Decimal(0)
    for what, number in history:
        amount = Decimal(number)
        undone = steps[number] if what == "undo" else None
        if undone is not None:
            amount = -undone.amount
        elif what in {"spend", "use", "refund"}:
            amount = -amount
        balance += amount
        steps.append(
            Step(
                len(steps),
                amount,
                balance,
                unpaid=amount if what == "credit" else Decimal(0),
                spends=what != "refund",
                usage=what in {"use", "give_back"},
                undoes=None if undone is None else undone.key,
            )
        )
    return steps


@pytest.mark.parametrize(
    ("history", "unpaid"),
    [
        ([("paid", 100)], 0),
        ([("credit", 10), ("paid", 100)], 10),
        ([("credit", 10), ("paid", 100), ("spend", 4)], 6),
        ([("paid", 100), ("spend", 80), ("credit", 10)], 10),
        ([("credit", 10), ("paid", 100), ("use", 50), ("give_back", 20)], 0),
        ([("credit", 10), ("paid", 100), ("use", 50), ("give_back", 45)], 5),
        ([("credit", 10), ("paid", 100), ("use", 4), ("use", 30), ("give_back", 30)], 6),
        ([("credit", 40), ("spend", 40), ("undo", 1)], 40),
        ([("paid", 100), ("spend", 40), ("undo", 1)], 0),
        ([("credit", 40), ("paid", 10), ("undo", 0)], 0),
        ([("credit", 10), ("spend", 10), ("paid", 10), ("undo", 0)], 0),
        ([("credit", 10), ("paid", 100), ("refund", 100)], 10),
        ([("spend", 20), ("credit", 30)], 10),
    ],
)
def test_credits_are_spent_first_and_come_back_last(history: list[Told], unpaid: int) -> None:
    assert unpaid_after(steps_of(history)) == unpaid


@given(st.lists(PEOPLE, max_size=30))
def test_it_is_never_below_zero_nor_more_than_was_credited_or_is_there(history: list[Told]) -> None:
    steps = steps_of(history)
    unpaid = unpaid_after(steps)
    credited = sum(number for what, number in history if what == "credit")
    assert 0 <= unpaid <= credited
    assert not steps or unpaid <= max(0, steps[-1].balance_after)


@given(st.lists(PEOPLE, max_size=20), AMOUNTS)
def test_spending_and_taking_it_back_changes_nothing(history: list[Told], amount: int) -> None:
    before = steps_of([("paid", 50_000), *history])
    spent = steps_of([("paid", 50_000), *history, ("spend", amount), ("undo", len(history) + 1)])
    assert unpaid_after(spent) == unpaid_after(before)


@given(st.lists(st.sampled_from(["paid", "credit"]), max_size=5), st.lists(AMOUNTS, min_size=1), st.data())
def test_usage_given_back_is_as_if_less_had_been_used(
    start: list[str], used: list[int], data: st.DataObject
) -> None:
    begun = [*((what, 40) for what in start), ("paid", 5_000)]
    back = data.draw(st.integers(1, sum(used)))
    given_back = unpaid_after(steps_of([*begun, *(("use", n) for n in used), ("give_back", back)]))
    less = sum(used) - back
    assert given_back == unpaid_after(steps_of([*begun, ("use", less)] if less else begun))
