"""Double entry and the hash chain."""

import hashlib
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.errors import Unbalanced
from app.domain.ledger import GENESIS, PostingLine, available, chain_hash, check_balanced


def lines(*amounts: str, currency: str = "INR") -> list[PostingLine]:
    return [PostingLine(f"book{n}", Decimal(amount), currency) for n, amount in enumerate(amounts)]


def test_a_top_up_of_100_credits_the_wallet_and_debits_cash() -> None:
    check_balanced(lines("100.00", "-100.00"))
    check_balanced(lines("100", "-60", "-40") + lines("5", "-5.00", currency="USD"))


@pytest.mark.parametrize(
    ("postings", "message"),
    [
        ([], "needs postings"),
        (lines("100", "-99.99"), r"a rest of 0\.01 INR"),
        (lines("100") + lines("-100", currency="USD"), "a rest of 100 INR, -100 USD"),
        (lines("0", "0"), "book0 is zero"),
    ],
)
def test_a_journal_that_does_not_sum_to_zero_in_each_currency_is_refused(
    postings: list[PostingLine], message: str
) -> None:
    with pytest.raises(Unbalanced, match=message):
        check_balanced(postings)


def test_what_can_be_spent_is_the_balance_less_holds_plus_the_overdraft() -> None:
    assert available(Decimal("100.00"), Decimal("30.50"), Decimal(20)) == Decimal("89.50")


def test_the_first_link_is_the_hash_of_its_documented_encoding() -> None:
    """length of the previous link, then per field: length and name, length and type letter with value."""
    by_hand = bytes(8)
    for part in (b"amount", b"m1.5", b"seq", b"i1"):
        by_hand += len(part).to_bytes(8, "big") + part
    assert chain_hash(GENESIS, {"seq": 1, "amount": Decimal("1.50")}) == hashlib.sha256(by_hand).digest()


def test_values_read_back_from_the_database_give_the_same_link() -> None:
    at = datetime(2026, 10, 31, 18, 30, tzinfo=UTC)
    written = chain_hash(GENESIS, {"amount": Decimal("1.5"), "at": at})
    india = timezone(timedelta(hours=5, minutes=30))
    assert chain_hash(GENESIS, {"at": at.astimezone(india), "amount": Decimal("1.5000")}) == written


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": "1"}, {"a": 1}),
        ({"a": 1}, {"a": True}),
        ({"a": 1}, {"a": Decimal(1)}),
        ({"a": None}, {"a": ""}),
        ({"a": b"x"}, {"a": "x"}),
        ({"a": "b", "c": "d"}, {"a": "bcd"}),
        ({"a": date(2026, 1, 1)}, {"a": "2026-01-01"}),
        ({"a": UUID(int=1)}, {"a": str(UUID(int=1))}),
        ({}, {"a": None}),
    ],
)
def test_contents_that_differ_have_links_that_differ(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert chain_hash(GENESIS, one) != chain_hash(GENESIS, other)


@given(st.lists(st.integers(-100, 100), min_size=2, max_size=8, unique=True), st.data())
def test_changing_removing_or_moving_a_posting_changes_the_head(
    amounts: list[int], data: st.DataObject
) -> None:
    def head(values: list[int]) -> bytes:
        link = GENESIS
        for seq, value in enumerate(values, 1):
            link = chain_hash(link, {"seq": seq, "amount": Decimal(value)})
        return link

    place = data.draw(st.integers(0, len(amounts) - 1))
    changed = [value + (n == place) for n, value in enumerate(amounts)]
    removed = amounts[:place] + amounts[place + 1 :]
    moved = amounts[1:] + amounts[:1]
    assert len({head(values) for values in (amounts, changed, removed, moved)}) == 4


def test_a_link_of_another_length_a_naive_instant_and_a_float_are_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        chain_hash(b"short", {})
    with pytest.raises(ValueError, match="time zone"):
        chain_hash(GENESIS, {"at": datetime(2026, 1, 1)})  # noqa: DTZ001
    with pytest.raises(TypeError, match="float"):
        chain_hash(GENESIS, {"amount": 0.1})  # type: ignore[dict-item]
