"""Each value of a dimension priced by itself: positions, wallets, and the checks of both.

The prices by hand, graduated to 100 units at ₹1 and ₹0.50 above, ₹20 at least for each country:

    IN    60 + 90 = 150    100 × 1 + 50 × 0.5    125.00
    US    40                                      40.00
    NP    5                                        5.00, at the end of the period 20.00
    none  30.5                                    30.50
"""

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.domain.groups import Counted
from app.domain.pricing import Charge
from app.models import ChargePosition, Metric, Wallet
from app.services import metering, verify
from app.services.corrections import amend, cancel
from app.services.rating import UsagePrice
from tests.factories import graduated, make_metric, per_unit
from tests.services.metered import NOON, figures, meter, positions, subscribe_prepaid
from tests.services.tampering import power, red
from tests.services.test_corrections import BY, send

SENT: list[tuple[str, dict[str, str]]] = [
    ("60", {"country": "IN"}),
    ("40", {"country": "US"}),
    ("90", {"country": "IN"}),
    ("5", {"country": "NP"}),
    ("30.5", {}),
]
GROUPS = {"IN": ["150", 2], "NP": ["5", 1], "US": ["40", 1], "": ["30.5", 1]}


@pytest.fixture
def metric(session: Session) -> Metric:
    return make_metric("m", aggregation="sum", dimensions=["country"])


@pytest.fixture
def wallet(metric: Metric) -> Wallet:
    """The wallet of an account that pays by country, with ₹1,000."""
    _, wallet = subscribe_prepaid(by_country(metric), balance="1000")
    return wallet


def by_country(metric: Metric) -> dict[str, Any]:
    """Return the component of the docstring above."""
    return graduated(metric, ("100", "1"), (None, "0.5"), group_by="country", minimum="20")


def use(wallet: Wallet, metric: Metric, sent: Sequence[tuple[str, dict[str, str]]], *, each: bool) -> None:
    """Send events, metering each by itself or all together."""
    for n, (quantity, properties) in enumerate(sent):
        send(wallet.account, metric, f"e{n}", quantity=quantity, properties=properties)
        if each:
            meter()
    meter()


def groups_of(session: Session, wallet: Wallet) -> Any:
    query = select(ChargePosition.groups).where(ChargePosition.account_id == wallet.account_id)
    return session.scalars(query).one()


@pytest.mark.parametrize("each", [True, False], ids=["one by one", "all at once"])
@pytest.mark.parametrize("seed", range(3))
def test_a_wallet_pays_each_value_by_its_own_tiers_in_whatever_order_the_events_come(
    session: Session, wallet: Wallet, metric: Metric, seed: int, each: bool
) -> None:
    use(wallet, metric, random.Random(seed).sample(SENT, len(SENT)), each=each)
    assert groups_of(session, wallet) == GROUPS
    assert figures(wallet) == ("799.50", "0.00")
    assert red(verify.run(at=NOON)) == {}


def test_what_is_taken_back_leaves_its_group_and_the_group_goes_with_its_last_event(
    session: Session, wallet: Wallet, metric: Metric
) -> None:
    use(wallet, metric, SENT, each=False)
    cancel(wallet.account, "e1", reason="Wrong", **BY)
    cancel(wallet.account, "e0", reason="Wrong", **BY)
    meter()
    assert groups_of(session, wallet) == {"IN": ["90", 1], "NP": ["5", 1], "": ["30.5", 1]}
    assert figures(wallet) == ("874.50", "0.00")
    assert red(verify.run(at=NOON)) == {}


def test_an_event_and_its_cancellation_in_one_run_leave_no_group(
    session: Session, wallet: Wallet, metric: Metric
) -> None:
    send(wallet.account, metric, "e0", quantity="5", properties={"country": "IN"})
    cancel(wallet.account, "e0", reason="Wrong", **BY)
    meter()
    assert groups_of(session, wallet) == {}
    assert figures(wallet) == ("1000.00", "0.00")


def test_an_event_that_goes_to_another_country_moves_money_and_no_quantity(
    session: Session, wallet: Wallet, metric: Metric
) -> None:
    """US 40 → 0 gives ₹40 back; IN 150 → 190 takes ₹20."""
    use(wallet, metric, SENT, each=False)
    amend(wallet.account, "e1", {"properties": {"country": "IN"}}, reason="Wrong", **BY)
    meter()
    assert groups_of(session, wallet)["IN"] == ["190", 3]
    assert figures(wallet) == ("819.50", "0.00")


@pytest.mark.parametrize(
    ("aggregation", "groups", "charged"),
    [
        ("max", {"IN": ["9", 2], "NP": ["5", 1]}, "12.00"),
        ("min", {"IN": ["4", 2], "NP": ["5", 1]}, "7.00"),
        ("average", {"IN": ["6.5", 2], "NP": ["5", 1]}, "9.50"),
        ("latest", {"IN": ["4", 2], "NP": ["5", 1]}, "7.00"),
        ("unique_count", {"IN": ["2", 2], "NP": ["1", 1]}, "1.00"),
    ],
)
def test_where_quantities_do_not_add_each_value_has_its_own(
    session: Session, aggregation: str, groups: dict[str, Any], charged: str
) -> None:
    """₹1 for each after the first of each country: the greatest 9 and 5 cost 8 + 4."""
    metric = make_metric(aggregation=aggregation, value_property="v", dimensions=["country"])
    price = per_unit(metric, "1", free_units="1", group_by="country")
    subscription, wallet = subscribe_prepaid(price, balance="100")
    for n, (value, country) in enumerate([("9", "IN"), ("5", "NP"), ("4", "IN")]):
        at = (NOON + timedelta(minutes=n)).isoformat()
        send(wallet.account, metric, f"e{n}", timestamp=at, properties={"v": value, "country": country})
        meter()
    assert groups_of(session, wallet) == groups
    ((_, _, taken),) = positions(subscription).values()
    assert taken == charged
    assert red(verify.run(at=NOON)) == {}


def ungrouped(price: UsagePrice, used: Counted, *, whole: bool = False) -> Charge:
    """Price all usage together, as if nothing were grouped."""
    return replace(price, group_by=None).charge_(used, whole=whole)  # type: ignore[attr-defined]


@pytest.fixture
def forgetful(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Pricing that forgets groups."""
    monkeypatch.setattr(UsagePrice, "charge_", UsagePrice.charge, raising=False)
    monkeypatch.setattr(UsagePrice, "charge", ungrouped)
    return monkeypatch


def test_metering_that_forgets_groups_is_found_by_the_check_of_charges(
    wallet: Wallet, metric: Metric, forgetful: pytest.MonkeyPatch
) -> None:
    """225.5 units together: 100 × 1 + 125.5 × 0.5 = 162.75 for what costs 200.50."""
    use(wallet, metric, SENT, each=True)
    assert figures(wallet) == ("837.25", "0.00")
    forgetful.undo()
    (found,) = [each for each in verify.run(at=NOON).results if not each.ok]
    assert found.name == "charges"
    assert "162.75 was charged for what costs 200.50 INR" in found.problems[0].message


def test_a_check_that_forgets_groups_finds_fault_with_honest_books(
    request: pytest.FixtureRequest, wallet: Wallet, metric: Metric
) -> None:
    use(wallet, metric, SENT, each=True)
    request.getfixturevalue("forgetful")
    assert red(verify.run(at=NOON)).keys() == {"charges"}


def test_groups_that_are_not_those_of_the_rollups_are_found(
    session: Session, wallet: Wallet, metric: Metric
) -> None:
    use(wallet, metric, SENT, each=False)
    power(session, "UPDATE charge_positions SET groups = groups - 'US' || '{\"IN\": [\"190\", 3]}'")
    found = {each.name: each for each in verify.run(at=NOON).results if not each.ok}
    assert found.keys() == {"positions", "charges"}
    (problem,) = found["positions"].problems
    assert problem.message == (
        "It holds none: 30.5, IN: 190, NP: 5 by group, the rollups none: 30.5, IN: 150, NP: 5, US: 40."
    )


def test_working_out_anew_changes_nothing_and_mends_what_is_wrong(
    session: Session, wallet: Wallet, metric: Metric
) -> None:
    use(wallet, metric, SENT, each=False)
    assert metering.rebuild(wallet.account_id, since=NOON, at=NOON) == 0
    power(session, "UPDATE charge_positions SET groups = groups - 'US' || '{\"IN\": [\"190\", 3]}'")
    assert metering.rebuild(wallet.account_id, since=NOON, at=NOON) == 1
    assert groups_of(session, wallet) == GROUPS
    assert red(verify.run(at=NOON)) == {}


def test_groups_cost_a_run_no_statement(
    session: Session, wallet: Wallet, metric: Metric, query_counter: Any
) -> None:
    counts = []
    for n, price in enumerate((by_country(metric), {**by_country(metric), "group_by": None})):
        _, paying = subscribe_prepaid(price, balance="100")
        for m in range(2):
            send(paying.account, metric, f"e{n}-{m}", quantity="1", properties={"country": "IN"})
            with query_counter() as queries:
                metering.drain(at=NOON)
            counts.append(len(queries))
    assert counts[:2] == counts[2:]
