"""The order in which grants are spent, and the way back: as examples and for whatever amounts."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from app.domain.grants import Source, Stretch, Use, consume, cut, extend, give_back

NOON = datetime(2026, 10, 10, 6, 30, tzinfo=UTC)
PAISE = st.integers(0, 10_000).map(lambda paise: Decimal(paise) / 100)


def source(
    n: int, remaining: str = "10", priority: int = 50, days: int | None = None, age: int = 0
) -> Source:
    expires_at = None if days is None else NOON + timedelta(days=days)
    return Source(UUID(int=n), Decimal(remaining), priority, expires_at, NOON - timedelta(days=age))


SOURCES = st.lists(
    st.tuples(PAISE, st.integers(0, 3), st.none() | st.integers(1, 3), st.integers(0, 3)), max_size=6
).map(lambda rows: [source(n, str(row[0]), *row[1:]) for n, row in enumerate(rows)])


def order(*sources: Source) -> list[int]:
    return [use.grant_id.int for use in consume(sources, Decimal(10**6))]


def test_a_lower_priority_number_goes_before_anything_else() -> None:
    assert order(source(1, priority=50, days=1), source(2, priority=49)) == [2, 1]


def test_the_soonest_to_expire_goes_first_and_what_never_expires_last() -> None:
    assert order(source(1), source(2, days=3), source(3, days=2)) == [3, 2, 1]


def test_of_two_that_expire_together_the_older_goes_first() -> None:
    assert order(source(1, days=2), source(2, days=2, age=5), source(3, days=2, age=1)) == [2, 3, 1]


def test_what_the_grants_cannot_pay_is_left() -> None:
    assert consume([source(1, "3"), source(2, "0")], Decimal("7.50")) == [Use(UUID(int=1), Decimal(3))]


@given(SOURCES, PAISE)
def test_never_more_is_taken_than_asked_for_or_there(sources: list[Source], amount: Decimal) -> None:
    uses = consume(sources, amount)
    remaining = {each.id: each.remaining for each in sources}
    assert sum(use.amount for use in uses) == min(amount, sum(remaining.values()))
    assert all(0 < use.amount <= remaining[use.grant_id] for use in uses)


@given(SOURCES, PAISE)
def test_no_grant_is_touched_while_one_before_it_has_money(sources: list[Source], amount: Decimal) -> None:
    uses = consume(sources, amount)
    in_order = [each for each in sorted(sources, key=lambda each: each.place) if each.remaining]
    assert [use.grant_id for use in uses] == [each.id for each in in_order[: len(uses)]]
    assert [use.amount for use in uses[:-1]] == [each.remaining for each in in_order[: len(uses)]][:-1]


@given(SOURCES, st.lists(PAISE, max_size=5))
def test_many_small_amounts_take_what_one_large_one_takes(
    sources: list[Source], amounts: list[Decimal]
) -> None:
    left = {each.id: each.remaining for each in sources}
    for amount in amounts:
        now = [Source(one.id, left[one.id], one.priority, one.expires_at, one.created_at) for one in sources]
        for use in consume(now, amount):
            left[use.grant_id] -= use.amount
    at_once = {use.grant_id: use.amount for use in consume(sources, sum(amounts, Decimal(0)))}
    assert left == {each.id: each.remaining - at_once.get(each.id, 0) for each in sources}


def test_what_was_taken_last_comes_back_first() -> None:
    uses = [Use(UUID(int=1), Decimal(10)), Use(UUID(int=2), Decimal(5))]
    assert give_back(uses, Decimal(7)) == [Use(UUID(int=2), Decimal(5)), Use(UUID(int=1), Decimal(2))]


@given(SOURCES, PAISE, PAISE)
def test_taking_and_giving_back_a_part_is_taking_less(
    sources: list[Source], amount: Decimal, back: Decimal
) -> None:
    uses = consume(sources, amount)
    kept = {use.grant_id: use.amount for use in uses}
    for use in give_back(uses, back):
        kept[use.grant_id] -= use.amount
    taken = sum((use.amount for use in uses), Decimal(0))
    less = {use.grant_id: use.amount for use in consume(sources, max(Decimal(0), taken - back))}
    assert {grant: rest for grant, rest in kept.items() if rest} == less


def test_stretches_that_touch_become_one() -> None:
    one = extend([], Decimal(0), Decimal(5))
    two = extend(one, Decimal(5), Decimal(8))
    assert (two, extend(two, Decimal(9), Decimal(10))) == ([(0, 8)], [(0, 8), (9, 10)])


def test_a_cut_keeps_what_lies_below_and_tells_what_lay_above() -> None:
    stretches = [(Decimal(0), Decimal(5)), (Decimal(8), Decimal(10))]
    assert cut(stretches, Decimal(9)) == ([(0, 5), (8, 9)], 1)
    assert cut(stretches, Decimal(6)) == ([(0, 5)], 2)
    assert cut(stretches, Decimal("2.5")) == ([(0, Decimal("2.5"))], Decimal("4.5"))
    assert cut(stretches, Decimal(-1)) == ([], 7)
    assert cut(stretches, Decimal(10)) == (stretches, 0)


@given(st.lists(st.tuples(st.sampled_from("ABp"), st.integers(-50, 50)), max_size=30))
def test_stretches_remember_who_paid_last_as_a_stack_of_single_rupees_does(
    steps: list[tuple[str, int]],
) -> None:
    """Each step pays from one grant or from plain money (`p`), or gives back where its number is negative."""
    stack: list[str] = []
    stretches: dict[str, list[Stretch]] = {"A": [], "B": []}
    height = Decimal(0)
    for payer, number in steps:
        if number > 0:
            stack += payer * number
            if payer in stretches:
                stretches[payer] = extend(stretches[payer], height, height + number)
        else:
            number = -min(-number, len(stack))
            popped, stack = stack[len(stack) + number :], stack[: len(stack) + number]
            for grant in stretches:
                stretches[grant], back = cut(stretches[grant], height + number)
                assert back == popped.count(grant)
        height += number
    for grant, held in stretches.items():
        assert sum(top - bottom for bottom, top in held) == stack.count(grant)
