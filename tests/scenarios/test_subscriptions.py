"""Subscriptions change through the API, and the invoices say what a calculator says.

October 2026 has 31 days. `basic` is ₹3,100 a month and ₹2 an OTP, `pro` ₹6,200 and ₹1: a day of October is
₹100 or ₹200. Fees are in arrears unless told otherwise.
"""

from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from tests.scenarios.subscribing import Story, check_books, fee, ist, open_shop, otp


@pytest.fixture
def story(session: Session, client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> Iterator[Story]:
    story = open_shop(client, monkeypatch, ist("2026-10-01 09:00"))
    yield story
    check_books(story)


def test_an_upgrade_in_the_middle_of_the_month(story: Story) -> None:
    """15 days of basic are 1,500, 16 of pro 3,200. 10 OTPs on the 10th are 20; the 5 in the early morning of
    the 16th were 10 and become 5, as the day of the change is the new plan's; 10 on the 20th are 10.
    """
    story.open_account()
    subscription = story.subscribe("basic", "2026-10-01")
    story.at = ist("2026-10-16 10:00")
    story.use(10, ist("2026-10-10 12:00"))
    story.use(5, ist("2026-10-16 08:00"))
    shown = story.act(subscription, "change", plan_code="pro", preview=True)
    assert [(fee["description"], fee["before"], fee["after"], fee["due"]) for fee in shown["fees"]] == [
        ("Fee, 1 Oct 2026 to 15 Oct 2026", "3100.00", "1500.00", "1500.00"),
        ("Fee, 16 Oct 2026 to 31 Oct 2026", "0.00", "3200.00", "3200.00"),
    ]
    assert (shown["usage_before"], shown["usage_after"], shown["difference"]) == (
        "30.00",
        "25.00",
        "1595.00",
    )
    assert story.segments(subscription) == [("basic", "active", "2026-09-30T18:30:00Z", None)]

    changed = story.act(subscription, "change", plan_code="pro")
    assert (changed["plan_code"], changed["start_at"], changed["origin_id"], changed["previous_id"]) == (
        "pro",
        "2026-10-15T18:30:00Z",
        subscription,
        subscription,
    )
    assert story.segments(subscription) == [
        ("basic", "ended", "2026-09-30T18:30:00Z", "2026-10-15T18:30:00Z"),
        ("pro", "active", "2026-10-15T18:30:00Z", None),
    ]
    story.at = ist("2026-10-20 12:00")
    story.use(10, ist("2026-10-20 12:00"))
    assert story.bill("2026-10", "2026-11-01") == [
        ("Fee, 1 Oct 2026 to 15 Oct 2026", "1500.00"),
        ("Fee, 16 Oct 2026 to 31 Oct 2026", "3200.00"),
        ("OTPs, 1 Oct 2026 to 31 Oct 2026", "20.00"),
        ("OTPs, 1 Oct 2026 to 31 Oct 2026", "15.00"),
    ]


def test_a_downgrade_at_the_end_of_the_period(story: Story) -> None:
    """October is all pro: 6,200; November all basic: 3,100."""
    story.open_account()
    subscription = story.subscribe("pro", "2026-10-01")
    story.at = ist("2026-10-16 10:00")
    changed = story.act(subscription, "change", plan_code="basic", when="period_end")
    assert (changed["status"], changed["start_at"]) == ("scheduled", "2026-10-31T18:30:00Z")
    assert story.bill("2026-10", "2026-11-01") == [("Fee, 1 Oct 2026 to 31 Oct 2026", "6200.00")]
    assert [row[:2] for row in story.segments(subscription)] == [("pro", "ended"), ("basic", "active")]
    assert story.bill("2026-11", "2026-12-01") == [("Fee, 1 Nov 2026 to 30 Nov 2026", "3100.00")]


def test_what_is_scheduled_is_taken_back(story: Story) -> None:
    story.open_account()
    subscription = story.subscribe("pro", "2026-10-01")
    story.act(subscription, "change", plan_code="basic", when="period_end")
    kept = story.act(subscription, "undo")
    assert (kept["plan_code"], kept["status"], kept["end_at"]) == ("pro", "active", None)
    story.act(subscription, "cancel", when="2026-10-20", reason="Too dear")
    kept = story.act(subscription, "undo")
    assert (kept["end_at"], kept["ended_by"], kept["end_reason"]) == (None, None, None)
    story.act(subscription, "pause", when="period_end")
    assert story.act(subscription, "undo")["end_at"] is None
    nothing = story.act(subscription, "undo", status=409)
    assert nothing["message"] == "Nothing is scheduled for this subscription."
    assert story.bill("2026-10", "2026-11-01") == [("Fee, 1 Oct 2026 to 31 Oct 2026", "6200.00")]


def test_to_cancel_and_to_come_back(story: Story) -> None:
    """10 days until the 10th and 10 from the 22nd on are 1,000 each; what was used between is not charged."""
    story.open_account()
    subscription = story.subscribe("basic", "2026-10-01")
    story.at = ist("2026-10-11 00:00")
    gone = story.act(subscription, "cancel", when="2026-10-11", reason="Too dear")
    assert (gone["status"], gone["ended_by"], gone["end_reason"]) == ("ended", "cancel", "Too dear")
    assert story.entitled() == ("deny", "no_subscription")
    story.at = ist("2026-10-22 12:00")
    story.use(3, ist("2026-10-15 12:00"))
    back = story.subscribe("basic", "2026-10-22")
    assert back != subscription
    story.use(4, ist("2026-10-22 12:00"))
    assert story.act(subscription, "cancel", status=409)["code"] == "illegal_transition"
    assert story.bill("2026-10", "2026-11-01") == [
        ("Fee, 1 Oct 2026 to 10 Oct 2026", "1000.00"),
        ("Fee, 22 Oct 2026 to 31 Oct 2026", "1000.00"),
        ("OTPs, 1 Oct 2026 to 31 Oct 2026", "8.00"),
    ]


def test_a_trial_that_ends_in_the_middle_of_the_month(story: Story) -> None:
    """10 days for nothing; 21 of 31 days of 3,100 are 2,100; 7 OTPs in the trial are free, 4 later are 8."""
    story.open_account()
    subscription = story.subscribe("basic", "2026-10-01", trial_days=10)
    assert story.segments(subscription)[0][1] == "trialing"
    assert story.entitled() == ("allow", "trialing")
    story.at = ist("2026-10-11 12:00")
    story.use(7, "2026-10-10T18:29:59.999Z")
    story.use(4, "2026-10-10T18:30:00Z")
    assert story.entitled() == ("allow", "ok")
    assert story.bill("2026-10", "2026-11-01") == [
        ("Fee, 11 Oct 2026 to 31 Oct 2026", "2100.00"),
        ("OTPs, 1 Oct 2026 to 10 Oct 2026", "0.00"),
        ("OTPs, 11 Oct 2026 to 31 Oct 2026", "8.00"),
    ]
    (row,) = story.invoice()["lines"][1]["breakdown"]
    assert (row["kind"], row["quantity"], row["amount"]) == ("trial", "7", "0")
    assert story.segments(subscription)[0][1] == "active"


def test_a_change_at_midnight_in_india(story: Story) -> None:
    """Usage at 18:29:59.999Z is the old plan's, 2 each; at 18:30Z the new one's, 1 each."""
    story.open_account()
    subscription = story.subscribe("basic", "2026-10-01")
    story.at = ist("2026-10-15 23:00")
    story.act(subscription, "change", plan_code="pro", when="2026-10-16")
    story.at = ist("2026-10-16 01:00")
    story.use(3, "2026-10-15T18:29:59.999Z")
    story.use(4, "2026-10-15T18:30:00Z")
    assert story.bill("2026-10", "2026-11-01")[2:] == [
        ("OTPs, 1 Oct 2026 to 31 Oct 2026", "6.00"),
        ("OTPs, 1 Oct 2026 to 31 Oct 2026", "4.00"),
    ]


def test_a_pause_and_the_way_back(story: Story) -> None:
    """10 days until the 10th are 1,000, 11 from the 21st on 1,100; an OTP in the pause is not charged."""
    story.open_account()
    subscription = story.subscribe("basic", "2026-10-01")
    story.at = ist("2026-10-11 08:00")
    paused = story.act(subscription, "pause", when="2026-10-11", reason="Diwali")
    assert (paused["status"], paused["ended_by"], paused["end_reason"]) == ("paused", "pause", "Diwali")
    assert story.entitled() == ("deny", "paused")
    story.use(1, ist("2026-10-11 07:00"))
    assert story.act(subscription, "change", status=409, plan_code="pro")["message"] == (
        "The subscription is paused: resume it first."
    )
    early = story.act(subscription, "resume", status=400, when="2026-10-10")
    assert [(field["pointer"], field["code"]) for field in early["fields"]] == [("/when", "too_early")]
    story.at = ist("2026-10-21 08:00")
    assert story.act(subscription, "resume", when="2026-10-21")["status"] == "active"
    assert [row[1] for row in story.segments(subscription)] == ["ended", "active"]
    assert story.entitled() == ("allow", "ok")
    assert story.bill("2026-10", "2026-11-01") == [
        ("Fee, 1 Oct 2026 to 10 Oct 2026", "1000.00"),
        ("Fee, 21 Oct 2026 to 31 Oct 2026", "1100.00"),
    ]


def test_a_prepaid_upgrade_moves_the_wallet_at_once(story: Story) -> None:
    """100 − 10 × 2 = 80, − 5 × 2 = 70; the 5 of the day of the change cost 1 each then: 75; − 3 × 1 = 72."""
    story.sell("cheap", otp("1"))
    story.sell("dear", otp("2"))
    story.open_account(billing_mode="prepaid")
    (wallet,) = story.call("GET", "/wallets", account_id="acme")
    story.call("POST", f"/wallets/{wallet['id']}/credits", {"amount": "100", "reason": "Opening"}, 201)
    subscription = story.subscribe("dear", "2026-10-01")

    def balance() -> str:
        return str(story.call("GET", f"/wallets/{wallet['id']}")["attributes"]["balance"])

    story.at = ist("2026-10-16 10:00")
    story.use(10, ist("2026-10-10 12:00"))
    story.use(5, ist("2026-10-16 08:00"))
    assert balance() == "70.00"
    shown = story.act(subscription, "change", plan_code="cheap", preview=True)
    assert (shown["fees"], shown["difference"], balance()) == ([], "-5.00", "70.00")
    story.act(subscription, "change", plan_code="cheap")
    assert balance() == "75.00"
    story.use(3, ist("2026-10-16 10:00"))
    assert balance() == "72.00"


def test_a_prepaid_trial_leaves_the_wallet_alone(story: Story) -> None:
    """Of 100, 7 OTPs in the trial take nothing, and an empty wallet did not deny them; 4 after it take 8:
    92. The invoice shows both, paid from the wallet.
    """
    story.sell("otps", otp("2"), suspend_when_empty=True)
    story.open_account(billing_mode="prepaid")
    subscription = story.subscribe("otps", "2026-10-01", trial_days=10)
    assert story.entitled() == ("allow", "trialing")
    (wallet,) = story.call("GET", "/wallets", account_id="acme")
    story.call("POST", f"/wallets/{wallet['id']}/credits", {"amount": "100", "reason": "Opening"}, 201)
    story.at = ist("2026-10-11 12:00")
    story.use(7, ist("2026-10-10 23:00"))
    story.use(4, ist("2026-10-11 00:00"))
    assert story.call("GET", f"/wallets/{wallet['id']}")["attributes"]["balance"] == "92.00"
    assert story.bill("2026-10", "2026-11-01") == [
        ("OTPs, 1 Oct 2026 to 10 Oct 2026", "0.00"),
        ("OTPs, 11 Oct 2026 to 31 Oct 2026", "8.00"),
    ]
    assert story.segments(subscription)[0][1] == "active"


def test_a_trial_goes_on_through_a_change_of_plan(story: Story) -> None:
    """The trial until the 10th is carried to pro: 21 of 31 days of 6,200 are 4,200, and 3 OTPs on the 8th are
    free.
    """
    story.open_account()
    subscription = story.subscribe("basic", "2026-10-01", trial_days=10)
    story.at = ist("2026-10-06 10:00")
    changed = story.act(subscription, "change", plan_code="pro")
    assert (changed["status"], changed["trial_end_at"]) == ("trialing", "2026-10-10T18:30:00Z")
    story.at = ist("2026-10-12 10:00")
    story.use(3, ist("2026-10-08 10:00"))
    assert story.bill("2026-10", "2026-11-01") == [
        ("Fee, 11 Oct 2026 to 31 Oct 2026", "4200.00"),
        ("OTPs, 1 Oct 2026 to 10 Oct 2026", "0.00"),
    ]


def test_a_quarter_paid_in_advance_and_left_in_the_middle(story: Story) -> None:
    """The quarter from October has 92 days, at 100 each; 46 are used when it ends before 16 November, so
    4,600 of 9,200 come back, out of the 5,000 of the other plan.
    """
    story.sell("quarterly", fee("9200", timing="advance"), interval="quarter")
    story.sell("support", {**fee("5000"), "name": "Support"})
    story.open_account()
    subscription = story.subscribe("quarterly", "2026-10-01")
    story.subscribe("support", "2026-10-01")
    assert story.bill("2026-10", "2026-11-01") == [
        ("Fee, 1 Oct 2026 to 31 Dec 2026", "9200.00"),
        ("Support, 1 Oct 2026 to 31 Oct 2026", "5000.00"),
    ]
    story.at = ist("2026-11-10 12:00")
    shown = story.act(subscription, "cancel", when="2026-11-16", preview=True)
    (row,) = shown["fees"]
    assert (row["before"], row["after"], row["billed"], row["due"]) == (
        "9200.00",
        "4600.00",
        "9200.00",
        "-4600.00",
    )
    story.act(subscription, "cancel", when="2026-11-16")
    assert story.bill("2026-11", "2026-12-01") == [
        ("Fee, 1 Oct 2026 to 31 Dec 2026", "-4600.00"),
        ("Support, 1 Nov 2026 to 30 Nov 2026", "5000.00"),
    ]
    assert story.invoice()["subtotal"] == "400.00"
