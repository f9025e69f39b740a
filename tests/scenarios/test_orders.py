"""A slice of `bench.orders`: any order of the same usage and killed workers leave every wallet the same."""

import pytest

from bench import orders
from tests.support.own import OwnDatabase


@pytest.mark.processes
def test_every_order_of_the_same_usage_costs_the_price_of_its_totals_though_workers_are_killed(
    own_database: OwnDatabase,
) -> None:
    with own_database.app():
        orders.prepare()
        figures = orders.run(own_database.settings, count=5_000, orders=3, kills=2)
    assert (figures["wrong"], figures["events"], figures["orders"], figures["kills"]) == ([], 5_000, 3, 6)


def test_the_price_of_totals_is_worked_out_by_hand() -> None:
    usage = [
        {"account_id": 1, "metric": "orders.fine", "quantity": "0.5"},
        {"account_id": 1, "metric": "orders.graduated", "quantity": "1002"},
        {"account_id": 2, "metric": "orders.volume", "quantity": "1500.01"},
        {"account_id": 3, "metric": "orders.volume", "quantity": "1499.99"},
        {"account_id": 3, "metric": "orders.volume", "quantity": "0.01"},
    ]
    told = [tuple(f"{figure:.2f}" for figure in each) for each in orders.price_totals(usage)]
    assert told == [
        ("0.00", "0.00", "0.00"),
        ("0.00", "150.51", "0.00"),
        ("999475.49", "0.00", "0.00"),
        ("998500.00", "0.00", "998500.00"),
    ]
