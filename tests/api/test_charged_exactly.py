"""The exact cases of issue 4 from the event to the wallet: posted, metered, and read back by the API."""

from datetime import datetime
from typing import Any

import pytest
from sqlalchemy.orm import Session

from app import clock
from app.models import Wallet
from tests.api.conftest import Caller
from tests.factories import make_metric
from tests.services.metered import meter, subscribe_prepaid

OPENING = "1000"


class Till:
    """A prepaid account with ₹1,000: what events of it did to its wallet, as the API tells."""

    def __init__(self, caller: Caller, *components: dict[str, Any]) -> None:
        _, self.wallet = subscribe_prepaid(*components, balance=OPENING)
        self.caller, self.sent = caller, 0
        self.at: datetime = clock.now()

    def use(self, *quantities: str, **properties: str) -> None:
        """Post an event for each quantity of the metric `m`, and meter them."""
        events = [
            {
                "event_id": f"e{self.sent + n}",
                "account_id": str(self.wallet.account_id),
                "metric": "m",
                "timestamp": self.at.isoformat(),
                "quantity": quantity,
                "properties": properties,
            }
            for n, quantity in enumerate(quantities)
        ]
        assert self.caller.post("/events", events).status_code == 202
        self.sent += len(events)
        meter()

    @property
    def moves(self) -> list[str]:
        """The amounts of the wallet's transactions after its opening, oldest first."""
        rows = self.caller.get(f"/wallets/{self.wallet.id}/transactions").json["data"]
        return [row["attributes"]["amount"] for row in rows][::-1][1:]

    @property
    def balance(self) -> str:
        return str(balance_of(self.caller, self.wallet))


def balance_of(caller: Caller, wallet: Wallet) -> Any:
    return caller.get(f"/wallets/{wallet.id}").json["data"]["attributes"]["balance"]


@pytest.fixture(autouse=True)
def metric(session: Session) -> None:
    make_metric("m", aggregation="sum", dimensions=["channel", "country"])


def test_a_tenth_ten_times_is_one_unit(caller: Caller) -> None:
    till = Till(caller, {"metric": "m", "model": "package", "size": "1", "price": "7", "rounding": "down"})
    till.use(*["0.1"] * 9)
    assert (till.moves, till.balance) == ([], "1000.00")
    till.use("0.1")
    assert (till.moves, till.balance) == (["-7.00"], "993.00")


def test_333_then_666_units_at_a_thousandth_are_charged_33_then_34_paise(caller: Caller) -> None:
    till = Till(caller, {"metric": "m", "model": "per_unit", "unit": "0.001"})
    till.use("333")
    till.use("333")
    assert (till.moves, till.balance) == (["-0.33", "-0.34"], "999.33")


def test_the_sixteenth_unit_of_a_volume_price_gives_seventy_back(caller: Caller) -> None:
    tiers = [{"up_to": "15", "unit": "10"}, {"up_to": None, "unit": "5"}]
    till = Till(caller, {"metric": "m", "model": "volume", "tiers": tiers})
    till.use("15")
    till.use("1")
    assert (till.moves, till.balance) == (["-150.00", "70.00"], "920.00")


def test_an_event_that_matches_two_filters_is_charged_once(caller: Caller) -> None:
    """The first declared of two with one filter each; with both filters a third one would win."""
    price = {"metric": "m", "model": "per_unit"}
    till = Till(
        caller,
        {**price, "code": "any", "unit": "1"},
        {**price, "code": "sms", "unit": "10", "filters": {"channel": "sms"}},
        {**price, "code": "india", "unit": "100", "filters": {"country": "IN"}},
    )
    till.use("1", channel="sms", country="IN")
    assert till.moves == ["-10.00"]
    till.use("1", channel="voice", country="IN")
    till.use("1", channel="voice", country="US")
    assert (till.moves, till.balance) == (["-10.00", "-100.00", "-1.00"], "889.00")
