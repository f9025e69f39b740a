"""A slice of `bench.screens`: a thousandth of its rows, the lists of the largest tables, and how many
statements they cost."""

from collections import Counter

from app.db import transaction
from bench import screens, screens_rows
from bench.screens import Answer
from tests.admin.movements import make_movements
from tests.admin.test_screens import MORE_QUERIES, MOST_QUERIES
from tests.admin.world import make_world
from tests.support.own import OwnDatabase

SCALE = 0.001
LARGEST = (
    "accounts",
    "customers",
    "invoices",
    "journals",
    "payments",
    "wallets",
    "wallet-transactions",
    "audit",
)
# A filter by a record reads its label; who acted is looked for among people and keys first.
FILTERED = 1


def allowed(answer: Answer) -> int:
    """Return the most statements that an address of a list may cost."""
    return MOST_QUERIES + MORE_QUERIES.get(answer.screen, 0) + (FILTERED if "=" in answer.path else 0)


def test_no_filter_search_or_order_costs_more_statements_with_many_rows(own_database: OwnDatabase) -> None:
    with own_database.app() as app:
        with transaction():
            for number in (1, 2):
                make_movements(make_world(number).customer)
        filled = screens_rows.fill(own_database.superuser_url, SCALE)
        answers = screens.measure(app, 2, LARGEST)
    assert filled["customers"] == 200
    lists = [one for one in answers if one.what != "record"]
    assert [one.path for one in lists if one.statements > allowed(one)] == []
    assert Counter(one.status for one in answers) == {200: len(answers)}
