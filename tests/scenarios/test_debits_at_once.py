"""One run of `bench.debits`: ten thousand debits of 1 at once on a wallet that has money for six thousand."""

from collections import Counter
from decimal import Decimal
from urllib.parse import urlsplit

import pytest

from app import clock
from app.db import in_transaction, transaction
from app.services import keys, verify
from bench.debits import Books, count_wrong, debit, look
from tests.factories import ACTOR, make_wallet
from tests.support.own import OwnDatabase

FUNDS, DEBITS = 6_000, 10_000
ZERO = Decimal(0)
EMPTIED = Books(ZERO, 6_001, 6_001)


@pytest.mark.processes
def test_ten_thousand_debits_at_once_spend_exactly_what_is_there(own_database: OwnDatabase) -> None:
    with own_database.app(), transaction():
        wallet_id = make_wallet(str(FUNDS)).id
        secret = keys.create("debits", scopes=["wallets:write"], actor=ACTOR, at=clock.now())[1]
    port = urlsplit(own_database.start_web(workers=2)).port or 0

    answers = debit(port, secret, wallet_id, DEBITS)

    assert answers == {"debited": 6_000, "insufficient_funds": 4_000}
    assert look(own_database.url, wallet_id) == EMPTIED
    again = debit(port, secret, wallet_id, 50)
    assert again.total() == 50
    assert look(own_database.url, wallet_id) == EMPTIED
    with own_database.app():
        assert in_transaction(verify.run).ok


@pytest.mark.parametrize(
    ("answers", "books", "wrong"),
    [
        ({"debited": 3, "insufficient_funds": 2}, Books(ZERO, 4, 4), []),
        (
            {"debited": 4, "insufficient_funds": 1},
            Books(Decimal(-1), 5, 5),
            ["answers", "balance", "sequence"],
        ),
        ({"debited": 3, "insufficient_funds": 1, "unavailable": 1}, Books(ZERO, 4, 4), ["answers"]),
        ({"debited": 3, "insufficient_funds": 2}, Books(Decimal(1), 4, 4), ["balance"]),
        ({"debited": 3, "insufficient_funds": 2}, Books(ZERO, 4, 3), ["sequence"]),
    ],
)
def test_each_wrong_outcome_is_found(answers: dict[str, int], books: Books, wrong: list[str]) -> None:
    assert count_wrong(Counter(answers), books, funds=3, debits=5) == wrong
