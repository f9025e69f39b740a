"""A slice of `bench.deliveries`: duplicates and conflicts from sixteen clients, every answer right."""

from collections import Counter
from urllib.parse import urlsplit

import pytest

from app import clock
from app.db import transaction
from app.services import keys
from bench.deliveries import Delivery, Tables, count_wrong, deliver, look, shuffle
from bench.load import Key
from bench.stack import ACCOUNTS
from tests import factories as make
from tests.support.own import OwnDatabase

EVENTS, DELIVERIES, KEYS = 10_000, 20_000, 4


@pytest.mark.processes
def test_twenty_thousand_deliveries_of_ten_thousand_ids_are_answered_and_counted_rightly(
    own_database: OwnDatabase,
) -> None:
    with own_database.app(), transaction():
        make.make_metric("auth.otp")
        customer = make.make_customer()
        for n in range(ACCOUNTS):
            make.make_account(customer, external_id=f"account-{n}")
        senders = [
            Key(keys.create(f"{n}", scopes=["events:write"], actor=make.ACTOR, at=clock.now())[1])
            for n in range(KEYS)
        ]
    url = own_database.start_web(workers=2)
    own_database.start_worker()

    answered = deliver(urlsplit(url).port or 0, senders, shuffle(EVENTS, DELIVERIES, seed=7))

    tables = look(own_database.url)
    assert count_wrong(answered, tables) == {}
    assert (tables.rows, Counter(answer for _, answer in answered)["accepted"]) == (EVENTS, EVENTS)


@pytest.mark.parametrize(
    ("answers", "stored", "wrong"),
    [
        (["accepted", "duplicate", "conflict"], {0: "IN"}, {}),
        (["accepted", "accepted", "conflict"], {0: "IN"}, {"not accepted once": 1}),
        (["duplicate", "duplicate", "conflict"], {0: "IN"}, {"not accepted once": 1}),
        (["accepted", "duplicate", "duplicate"], {0: "IN"}, {"duplicate that is a conflict": 1}),
        (["accepted", "conflict", "conflict"], {0: "IN"}, {"conflict that is none": 1}),
        (["accepted", "duplicate", "conflict"], {0: "IN", 5: "IN"}, {"never sent": 1}),
        (
            ["accepted", "duplicate", "conflict"],
            {0: "NP"},
            {"accepted with other content": 1, "duplicate that is a conflict": 1, "conflict that is none": 1},
        ),
    ],
)
def test_each_wrong_answer_is_found(
    answers: list[str], stored: dict[int, str], wrong: dict[str, int]
) -> None:
    deliveries = [Delivery(0, "IN"), Delivery(0, "IN"), Delivery(0, "NP")]
    tables = Tables(stored, len(stored), dict(Counter(stored.values())))
    assert count_wrong(list(zip(deliveries, answers, strict=True)), tables) == wrong


def test_what_the_tables_hold_too_much_or_too_little_is_found() -> None:
    answered = [(Delivery(0, "IN"), "accepted")]
    assert count_wrong(answered, Tables({}, 0, {})) == {"accepted with other content": 1, "missing": 1}
    tables = Tables({0: "IN"}, 2, {"NP": 3})
    expected = {"stored twice": 1, "not in the sums": 1, "too much in the sums": 3}
    assert count_wrong(answered, tables) == expected
