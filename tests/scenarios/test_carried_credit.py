"""A year is paid ahead and given up after a month: the unused part pays for usage until it is used up."""

from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from tests.scenarios.subscribing import Story, check_books, fee, ist, open_shop, otp

OVER = "Given back beyond the charges, 1 Nov 2026 to 30 Nov 2026"


@pytest.fixture
def story(session: Session, client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> Iterator[Story]:
    story = open_shop(client, monkeypatch, ist("2026-10-01 09:00"))
    story.sell("yearly", fee("36500", timing="advance"), interval="year")
    story.sell("usage", otp("100"))
    yield story
    check_books(story)


def test_the_rest_of_a_year_reduces_invoices_until_it_is_used_up(story: Story) -> None:
    """₹100 a day: of 365 days 31 are used and 334 come back, ₹33,400. 150 OTPs a month are ₹15,000."""
    story.open_account()
    subscription = story.subscribe("yearly", "2026-10-01", anchor="anniversary")
    assert story.bill("2026-10", "2026-11-01") == [("Fee, 1 Oct 2026 to 30 Sep 2027", "36500.00")]

    story.act(subscription, "cancel", when="2026-11-01", reason="Too dear")
    story.subscribe("usage", "2026-11-01")
    story.use(150, ist("2026-11-01 08:00"))
    assert story.bill("2026-11", "2026-12-01") == [
        ("Fee, 1 Oct 2026 to 30 Sep 2027", "-33400.00"),
        ("OTPs, 1 Nov 2026 to 30 Nov 2026", "15000.00"),
        ("Carried to your next invoices", "18400.00"),
    ]
    assert (story.invoice()["status"], story.invoice()["total"]) == ("paid", "0.00")
    (credit,) = story.call("GET", "/accounts/acme/credits")
    assert (credit["attributes"]["remaining"], credit["attributes"]["reason"]) == ("18400.00", OVER)

    story.use(150, ist("2026-12-01 08:00"))
    assert story.bill("2026-12", "2027-01-01") == [
        ("OTPs, 1 Dec 2026 to 31 Dec 2026", "15000.00"),
        (f"Credit: {OVER}", "-15000.00"),
    ]
    assert story.invoice()["total"] == "0.00"
    story.use(150, ist("2027-01-01 08:00"))
    assert story.bill("2027-01", "2027-02-01") == [
        ("OTPs, 1 Jan 2027 to 31 Jan 2027", "15000.00"),
        (f"Credit: {OVER}", "-3400.00"),
    ]
    assert (story.invoice()["total"], story.invoice()["tax_total"]) == ("13688.00", "2088.00")
    story.use(1, ist("2027-02-01 08:00"))
    assert story.bill("2027-02", "2027-03-01") == [("OTPs, 1 Feb 2027 to 28 Feb 2027", "100.00")]
