"""Billing periods from the day a subscription began, of all lengths, through changes of plan."""

from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from tests.scenarios.subscribing import Story, check_books, fee, ist, open_shop


@pytest.fixture
def story(session: Session, client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> Iterator[Story]:
    story = open_shop(client, monkeypatch, ist("2027-01-31 09:00"))
    story.open_account()
    yield story
    check_books(story)


def test_the_31st_of_january_through_february(story: Story) -> None:
    """31 January to 27 February has 28 days: 10 of 2,800 until the 9th are 1,000, 18 of 5,600 are 3,600. Then
    28 February to 30 March, and 31 March to 29 April: the 31st comes back also after a change of plan.
    """
    story.sell("lite", fee("2800"))
    story.sell("full", fee("5600"))
    subscription = story.subscribe("lite", "2027-01-31", anchor="anniversary")
    story.at = ist("2027-02-10 12:00")
    changed = story.act(subscription, "change", plan_code="full")
    assert (changed["anchor"], changed["anchor_on"]) == ("anniversary", "2027-01-31")
    assert story.bill("2027-02", "2027-03-01") == [
        ("Fee, 31 Jan 2027 to 9 Feb 2027", "1000.00"),
        ("Fee, 10 Feb 2027 to 27 Feb 2027", "3600.00"),
    ]
    assert story.bill("2027-03", "2027-04-01") == [("Fee, 28 Feb 2027 to 30 Mar 2027", "5600.00")]
    assert story.bill("2027-04", "2027-05-01") == [("Fee, 31 Mar 2027 to 29 Apr 2027", "5600.00")]


def test_the_31st_of_january_in_a_leap_year(story: Story) -> None:
    """31 January to 28 February 2028 has 29 days: 15 of 2,900 are 1,500."""
    story.sell("leap", fee("2900"))
    story.at = ist("2028-02-01 12:00")
    subscription = story.subscribe("leap", "2028-01-31", anchor="anniversary")
    story.act(subscription, "cancel", when="2028-02-15")
    assert story.bill("2028-02", "2028-03-01") == [("Fee, 31 Jan 2028 to 14 Feb 2028", "1500.00")]


def test_the_end_of_the_period_is_that_of_the_anniversary(story: Story) -> None:
    """The period from 31 January ends before 28 February; the next before 31 March."""
    subscription = story.subscribe("basic", "2027-01-31", anchor="anniversary")
    first = story.act(subscription, "change", plan_code="pro", when="period_end", preview=True)
    assert first["effective_at"] == "2027-02-27T18:30:00Z"
    story.at = ist("2027-02-28 00:00")
    second = story.act(subscription, "cancel", when="period_end", preview=True)
    assert second["effective_at"] == "2027-03-30T18:30:00Z"


@pytest.mark.parametrize(
    ("interval", "price", "line"),
    [
        # Monday 1 February; 7 days at 100, 3 of them used.
        ("week", "700", ("Fee, 1 Feb 2027 to 3 Feb 2027", "300.00")),
        # January to March 2027 has 90 days; 1 to 3 February are 3 of them.
        ("quarter", "9000", ("Fee, 1 Feb 2027 to 3 Feb 2027", "300.00")),
        # 365 days at 100.
        ("year", "36500", ("Fee, 1 Feb 2027 to 3 Feb 2027", "300.00")),
    ],
)
def test_three_days_cost_the_same_in_every_interval(
    story: Story, interval: str, price: str, line: tuple[str, str]
) -> None:
    """A fee of 100 a day, in advance: three days of a week, a quarter or a year are 300."""
    story.sell(f"by-{interval}", fee(price, timing="advance"), interval=interval)
    story.at = ist("2027-02-01 12:00")
    subscription = story.subscribe(f"by-{interval}", "2027-02-01")
    story.act(subscription, "cancel", when="2027-02-04")
    assert story.bill("2027-02", "2027-03-01") == [line]


def test_a_change_from_month_to_year_in_advance(story: Story) -> None:
    """February has 28 days at 100: 2,800 were paid. From the 15th on the year's 36,500 for 365 days run:
    until 31 December 320 days, 32,000; 1,400 of February come back.
    """
    story.sell("monthly", fee("2800", timing="advance"))
    story.sell("yearly", fee("36500", timing="advance"), interval="year")
    subscription = story.subscribe("monthly", "2027-02-01")
    assert story.bill("2027-01", "2027-02-01") == [("Fee, 1 Feb 2027 to 28 Feb 2027", "2800.00")]
    story.at = ist("2027-02-15 12:00")
    story.act(subscription, "change", plan_code="yearly")
    assert story.bill("2027-02", "2027-03-01") == [
        ("Fee, 15 Feb 2027 to 31 Dec 2027", "32000.00"),
        ("Fee, 1 Feb 2027 to 28 Feb 2027", "-1400.00"),
    ]


def test_a_fee_cut_three_times_adds_up_to_the_last_paisa(story: Story) -> None:
    """100.01 for 28 days, ended before the 11th, 15th and 22nd of February and resumed at once: running
    totals 35.72 (35.7178…), 50.01 (50.005), 75.01 (75.0075), 100.01.
    """
    story.sell("odd", fee("100.01"))
    subscription = story.subscribe("odd", "2027-02-01")
    for day in (11, 15, 22):
        story.at = ist(f"2027-02-{day} 08:00")
        story.act(subscription, "pause", when=f"2027-02-{day}")
        story.act(subscription, "resume", when=f"2027-02-{day}")
    lines = story.bill("2027-02", "2027-03-01")
    assert [amount for _, amount in lines] == ["35.72", "14.29", "25.00", "25.00"]
    assert story.invoice()["subtotal"] == "100.01"


def test_a_fee_that_is_not_prorated_is_charged_once_through_a_pause(story: Story) -> None:
    story.sell("flat", fee("500", prorated=False))
    subscription = story.subscribe("flat", "2027-02-01")
    story.at = ist("2027-02-11 08:00")
    story.act(subscription, "pause", when="2027-02-11")
    story.act(subscription, "resume", when="2027-02-20")
    assert [amount for _, amount in story.bill("2027-02", "2027-03-01")] == ["500.00"]
