"""What a correction gives back: to wallets, and where values do not add."""

from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

from app.services.corrections import amend, cancel
from tests.factories import make_metric, per_unit
from tests.services.metered import NOON, a_rupee_each, amounts, figures, meter, positions, subscribe_prepaid
from tests.services.test_corrections import BY, send


def test_a_wallet_gets_back_exactly_what_the_event_had_cost(session: Session) -> None:
    subscription, wallet, metric = a_rupee_each("100")
    for n in range(3):
        send(subscription.account, metric, f"e{n}")
    meter()
    assert figures(wallet) == ("97.00", "0.00")

    cancel(subscription.account, "e1", reason="Never happened", **BY)
    meter()

    assert figures(wallet) == ("98.00", "0.00")
    assert amounts(wallet) == ["100.00", "-3.00", "1.00"]
    assert list(positions(subscription).values()) == [("2", 2, "2.00")]


def test_an_amendment_before_metering_costs_what_the_replacement_costs(session: Session) -> None:
    metric = make_metric(aggregation="sum", dimensions=[])
    subscription, wallet = subscribe_prepaid(per_unit(metric, "0.333"), balance="100")
    send(subscription.account, metric, quantity="10")
    amend(subscription.account, "e", {"quantity": "7"}, reason="Wrong", **BY)
    meter()
    assert figures(wallet) == ("97.67", "0.00")


@pytest.mark.parametrize(("aggregation", "before", "after"), [("max", "9", "4"), ("latest", "9", "2")])
def test_where_values_do_not_add_the_quantity_is_that_of_the_events_that_are_left(
    session: Session, aggregation: str, before: str, after: str
) -> None:
    metric = make_metric(aggregation=aggregation, dimensions=[])
    subscription, wallet = subscribe_prepaid(per_unit(metric, "1"), balance="100")
    for n, quantity in enumerate((4, 2, 9)):
        at = (NOON + timedelta(seconds=n)).isoformat()
        send(subscription.account, metric, f"e{n}", quantity=quantity, timestamp=at)
    meter()
    charged = list(positions(subscription).values())

    cancel(subscription.account, "e2", reason="Wrong", **BY)
    meter()

    assert charged == [(before, 3, f"{before}.00")]
    assert list(positions(subscription).values()) == [(after, 2, f"{after}.00")]
    assert figures(wallet) == (f"{100 - int(after)}.00", "0.00")
