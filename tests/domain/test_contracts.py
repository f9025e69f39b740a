"""What is taken off an invoice, as pure arithmetic: by rate and code, to the last paisa, never below zero."""

from datetime import date
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from app.domain.contracts import Item, Part, Remainders, true_up

D = Decimal
HIGH, LOW = D(18), D(5)


def of(*amounts: str, rate: Decimal = HIGH, sac: str = "998319") -> list[Item]:
    return [Item(D(amount), rate, sac, date(2026, 10, 1)) for amount in amounts]


def everything(item: Item) -> bool:
    return True


def test_a_true_up_is_what_is_missing_and_never_negative() -> None:
    assert true_up(D(1000), D(400)) == D(600)
    assert true_up(D(1000), D(1000)) == D(0)
    assert true_up(D(1000), D("1000.01")) == D(0)
    assert true_up(D(1000), D(-50)) == D(1050)


def test_an_amount_is_split_by_rate_by_running_totals() -> None:
    """100 over 333.33, 333.33 and 333.34: the running totals are 33.33, 66.67 (66.666) and 100."""
    items = [*of("333.33", rate=LOW), *of("333.33", rate=D(12)), *of("333.34")]
    parts = Remainders(items, "INR").take_amount(D(100), everything)
    assert [part.amount for part in parts] == [D("33.33"), D("33.34"), D("33.33")]
    assert parts[0] == Part(LOW, "998319", D("333.33"), D("33.33"))


def test_nothing_is_taken_twice_and_never_more_than_there_is() -> None:
    rest = Remainders(of("60", "40"), "INR")
    assert [part.amount for part in rest.take_amount(D(70), everything)] == [D(70)]
    assert [part.amount for part in rest.take_amount(D(70), everything)] == [D(30)]
    assert rest.take_amount(D(70), everything) == ()
    assert rest.total == D(0)


def test_what_is_given_back_elsewhere_bounds_what_may_be_taken() -> None:
    """100 charged and 95 given back leave 5, whatever the discount says."""
    rest = Remainders([*of("100"), *of("-95", sac="998413")], "INR")
    parts = rest.take_percent(D(10), lambda item: item.sac == "998319")
    assert [part.amount for part in parts] == [D(5)]
    assert rest.total == D(0)
    back = Remainders([*of("100"), *of("-120", sac="998413")], "INR")
    assert back.take_percent(D(10), lambda item: item.sac == "998319") == ()


def test_a_percentage_of_what_is_given_back_is_given_back_too() -> None:
    rest = Remainders([*of("100"), *of("-20", sac="998413")], "INR")
    taken = {part.sac: part.amount for part in rest.take_percent(D(10), everything)}
    assert taken == {"998319": D(10), "998413": D(-2)}


def test_yen_have_no_fractions() -> None:
    parts = Remainders(of("333", "334"), "JPY").take_percent(D("12.5"), everything)
    assert [part.amount for part in parts] == [D(83)]


AMOUNTS = st.decimals(min_value=0, max_value=100_000, places=2)
ITEMS = st.lists(st.builds(Item, AMOUNTS, st.sampled_from([HIGH, LOW, D(0)]), st.sampled_from(["1", "2"])))


@given(items=ITEMS, percent=st.decimals(min_value="0.01", max_value=100, places=2))
def test_a_percentage_comes_to_the_rounded_whole_and_leaves_no_rate_below_zero(
    items: list[Item], percent: Decimal
) -> None:
    rest = Remainders(items, "INR")
    parts = rest.take_percent(percent, everything)
    whole = sum((item.amount for item in items), D(0))
    exact = whole * percent / 100
    assert sum((part.amount for part in parts), D(0)) == exact.quantize(D("0.01"), "ROUND_HALF_UP")
    for part in parts:
        base = sum((i.amount for i in items if (i.rate, i.sac) == (part.rate, part.sac)), D(0))
        assert D(0) < part.amount <= base == part.base


@given(items=ITEMS, amounts=st.lists(AMOUNTS, max_size=4))
def test_amounts_are_taken_whole_until_nothing_is_left(items: list[Item], amounts: list[Decimal]) -> None:
    rest = Remainders(items, "INR")
    left = sum((item.amount for item in items), D(0))
    for amount in amounts:
        taken = sum((part.amount for part in rest.take_amount(amount, everything)), D(0))
        assert taken == min(amount, left)
        left -= taken
        assert rest.total == left
