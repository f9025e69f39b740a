"""A customer is told once for each level that a wallet falls through, whatever takes the money."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email import message_from_bytes, policy
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.config import current_settings
from app.models import AuditRecord, Customer, Notification, User, Wallet
from app.permissions import Role
from app.services import attention, entitlements, notifications, outbox, users, verify, wallet_limits, wallets
from tests.factories import ACTOR, make_customer, make_wallet
from tests.services.metered import NOON, a_rupee_each, add_usage, meter
from tests.services.tampering import power, red


def levels_told(session: Session) -> list[str]:
    query = select(AuditRecord.summary).where(AuditRecord.action == "wallet.low_balance")
    told = session.scalars(query.order_by(AuditRecord.id))
    return [each.removeprefix("The balance fell below ").removesuffix(" INR") for each in told]


def debit(wallet: Wallet, amount: str) -> None:
    wallets.debit(wallet, amount, at=NOON, actor=ACTOR, reason="Spent")


def top_up(wallet: Wallet, amount: str) -> None:
    wallets.top_up(wallet, amount, at=NOON, actor=ACTOR, reason="Bank transfer")


@pytest.fixture
def wallet(session: Session) -> Wallet:
    """A wallet of 300 that is low below 100."""
    return make_wallet("300", low_balance_threshold="100")


def test_each_level_is_told_once_until_the_balance_has_risen_above_it(
    session: Session, wallet: Wallet
) -> None:
    for amount in ("200", "1", "9", "41", "9"):
        debit(wallet, amount)
    assert levels_told(session) == ["100", "50"]
    top_up(wallet, "20")
    debit(wallet, "20")
    assert levels_told(session) == ["100", "50", "50"]
    debit(wallet, "40")
    assert levels_told(session)[3:] == ["0"]


def test_a_fall_through_several_levels_tells_of_the_lowest(session: Session, wallet: Wallet) -> None:
    debit(wallet, "300")
    assert levels_told(session) == ["0"]


def test_a_wallets_own_levels_take_the_place_of_the_usual_ones(session: Session, wallet: Wallet) -> None:
    wallet_limits.set_limits(wallet, {"alert_levels": ["250", "10"]}, actor=ACTOR)
    debit(wallet, "100")
    debit(wallet, "100")
    debit(wallet, "95")
    assert levels_told(session) == ["250", "10"]
    wallet_limits.set_limits(wallet, {"alert_levels": []}, actor=ACTOR)
    top_up(wallet, "300")
    debit(wallet, "300")
    assert levels_told(session) == ["250", "10"]


def test_usage_tells_and_money_that_only_pays_a_debt_does_not_tell_again(session: Session) -> None:
    subscription, wallet, metric = a_rupee_each(balance="60")
    wallet_limits.set_limits(wallet, {"low_balance_threshold": "50"}, actor=ACTOR)
    add_usage(subscription.account, metric, 20)
    meter()
    add_usage(subscription.account, metric, 100)
    meter()
    assert levels_told(session) == ["50", "0"]
    top_up(wallet, "60")
    assert (wallet.balance, wallet.receivable) == (0, 0)
    assert levels_told(session) == ["50", "0"]
    top_up(wallet, "100")
    add_usage(subscription.account, metric, 60)
    meter()
    assert levels_told(session) == ["50", "0", "50"]


def test_an_overdraft_is_no_money_of_the_customers(session: Session) -> None:
    wallet = make_wallet("100", low_balance_threshold="20", overdraft_limit="50")
    debit(wallet, "130")
    assert (wallet.balance, levels_told(session)) == (Decimal(-30), ["0"])
    with pytest.raises(Exception, match=r"20\.00 INR available"):
        debit(wallet, "20.01")
    debit(wallet, "20")
    assert wallet.balance == Decimal(-50)


def test_a_movement_that_is_undone_takes_its_alert_along(session: Session, wallet: Wallet) -> None:
    attempt = session.begin_nested()
    debit(wallet, "250")
    attempt.rollback()
    assert (levels_told(session), wallet.alerted_level) == ([], None)
    debit(wallet, "250")
    assert levels_told(session) == ["100"]


# --- Mails ------------------------------------------------------------------------------------------------


@pytest.fixture
def mails(app: Flask) -> Path:
    folder = current_settings().mail_dir
    for path in folder.glob("*.eml"):
        path.unlink()
    return folder


def sent(mails: Path) -> list[tuple[str, str]]:
    while outbox.deliver(50)["kept"]:
        pass
    found = [message_from_bytes(path.read_bytes(), policy=policy.default) for path in mails.glob("*.eml")]
    return sorted((str(each["To"]), str(each["Subject"])) for each in found)


def test_the_customer_is_mailed_once_and_staff_who_asked_for_it(
    session: Session, mails: Path, wallet: Wallet
) -> None:
    asked = users.create("meera@example.com", name="Meera", role=Role.finance_admin, actor=ACTOR)
    users.create("rohit@example.com", name="Rohit", role=Role.support, actor=ACTOR)
    notifications.prefer(asked, "low_balance", mail=True)
    debit(wallet, "260")
    subject = f"{wallet.account.name}: the balance is below ₹50.00"
    expected = sorted([(wallet.account.customer.email, subject), ("meera@example.com", subject)])
    assert sent(mails) == expected
    assert sent(mails) == expected


def test_a_mail_says_what_is_left_and_leads_to_the_portal(
    session: Session, mails: Path, wallet: Wallet
) -> None:
    debit(wallet, "260")
    sent(mails)
    (path,) = mails.glob("*.eml")
    mail = message_from_bytes(path.read_bytes(), policy=policy.default)
    plain, html = (mail.get_body((kind,)) for kind in ("plain", "html"))
    assert plain is not None
    assert html is not None
    lines = plain.get_content().splitlines()
    assert lines[4:6] == ["Left: ₹40.00", "Balance: ₹40.00"]
    assert "Show it in the portal: http://localhost/portal/notifications" in lines
    assert "₹40.00" in html.get_content()


def test_the_mail_to_staff_leads_to_the_back_office(session: Session, mails: Path, wallet: Wallet) -> None:
    customer = wallet.account.customer
    notifications.prefer(customer, "low_balance", mail=False)
    staff = users.create("rohit@example.com", name="Rohit", role=Role.support, actor=ACTOR)
    notifications.prefer(staff, "low_balance", mail=True)
    debit(wallet, "260")
    assert [to for to, _ in sent(mails)] == ["rohit@example.com"]
    (path,) = mails.glob("*.eml")
    plain = message_from_bytes(path.read_bytes(), policy=policy.default).get_body(("plain",))
    assert plain is not None
    lines = plain.get_content().splitlines()
    assert lines[0] == "The prepaid balance is running low. Top up before it is used up."
    assert "Show it in the back office: http://localhost/admin/inbox/" in lines
    assert lines[-1] == "Which mails you get: http://localhost/admin/inbox/"


def test_a_customers_name_cannot_write_into_the_mail(session: Session, mails: Path) -> None:
    customer = make_customer("<b>Asha</b> & Sons")
    notifications.notify(customer, "low_balance", title="Low", text="It is low.", about=customer, at=NOON)
    sent(mails)
    (path,) = mails.glob("*.eml")
    html = message_from_bytes(path.read_bytes(), policy=policy.default).get_body(("html",))
    assert html is not None
    assert "Hello &lt;b&gt;Asha&lt;/b&gt; &amp; Sons," in html.get_content()


def test_who_wants_no_mail_gets_none(session: Session, mails: Path, wallet: Wallet) -> None:
    notifications.prefer(wallet.account.customer, "low_balance", mail=False)
    debit(wallet, "260")
    assert sent(mails) == []
    assert [each.title for each in session.scalars(select(Notification))] == [
        f"{wallet.account.name}: the balance is below ₹50.00"
    ]


def test_a_kind_that_there_is_not_cannot_be_chosen(session: Session) -> None:
    with pytest.raises(Exception, match="Choose one of"):
        notifications.prefer(make_customer(), "weather", mail=True)


# --- In the product ---------------------------------------------------------------------------------------


def person(customer: Customer | None = None, email: str = "asha@example.com") -> User:
    role = Role.customer if customer else Role.support
    return users.create(email, name="Somebody", role=role, customer=customer, actor=ACTOR)


def new(user: User) -> int:
    """Return what the bell shows a person."""
    return attention.waiting_for(user).notifications


def test_each_person_reads_for_themselves_and_customers_only_their_own(
    session: Session, wallet: Wallet
) -> None:
    own, staff = person(wallet.account.customer), person(email="rohit@example.com")
    other = person(make_customer(), "other@example.com")
    debit(wallet, "210")
    debit(wallet, "50")
    assert [new(each) for each in (own, staff, other)] == [2, 2, 0]
    newest = notifications.listed(own)[0]
    assert (newest.notification.title, newest.read) == (
        f"{wallet.account.name}: the balance is below ₹50.00",
        False,
    )
    assert notifications.mark_read(own, [newest.notification.id], at=NOON) == 1
    assert notifications.mark_read(own, [newest.notification.id], at=NOON) == 0
    assert notifications.mark_read(other, None, at=NOON) == 0
    assert [new(each) for each in (own, staff, other)] == [1, 2, 0]
    assert notifications.mark_read(staff, None, at=NOON) == 2


# --- Caps -------------------------------------------------------------------------------------------------


def test_a_cap_denies_once_it_is_used_up_and_usage_is_counted_all_the_same(session: Session) -> None:
    subscription, wallet, metric = a_rupee_each(balance="1000")
    account = subscription.account
    wallet_limits.set_limits(wallet, {"daily_cap": "100"}, actor=ACTOR)
    add_usage(account, metric, 99)
    meter()
    assert entitlements.check(account, metric, at=NOON).reason == "ok"
    add_usage(account, metric, 1)
    meter()
    found = entitlements.check(account, metric, at=NOON)
    assert (found.allowed, found.reason, found.remaining) == (False, "spending_cap", Decimal(900))
    add_usage(account, metric, 50)
    meter()
    session.refresh(wallet)
    assert (wallet.balance, wallet.receivable) == (Decimal(850), 0)
    # 11 October begins at 18:30 UTC in India.
    tomorrow = datetime(2026, 10, 10, 18, 30, tzinfo=UTC)
    assert entitlements.check(account, metric, at=tomorrow - timedelta(seconds=1)).allowed is False
    assert entitlements.check(account, metric, at=tomorrow).allowed is True


def test_a_cap_of_the_month_lasts_until_its_last_local_day(session: Session) -> None:
    subscription, wallet, metric = a_rupee_each(balance="1000")
    add_usage(subscription.account, metric, 100)
    meter()
    wallet_limits.set_limits(wallet, {"monthly_cap": "100", "daily_cap": None}, actor=ACTOR)
    november = datetime(2026, 10, 31, 18, 30, tzinfo=UTC)
    before = entitlements.check(subscription.account, metric, at=november - timedelta(seconds=1))
    assert (before.allowed, before.reason) == (False, "spending_cap")
    assert entitlements.check(subscription.account, metric, at=november).allowed is True


def test_the_customer_is_told_once_at_80_and_once_at_100_percent(session: Session) -> None:
    subscription, wallet, metric = a_rupee_each(balance="1000")
    wallet_limits.set_limits(wallet, {"daily_cap": "100"}, actor=ACTOR)
    for quantity in (79, 1, 10, 10, 100):
        add_usage(subscription.account, metric, quantity)
        meter()
    query = select(Notification).where(Notification.kind == "spending_cap").order_by(Notification.id)
    name = subscription.account.name
    assert [(told.title, told.facts) for told in session.scalars(query)] == [
        (f"{name}: the cap of the day is nearly reached", [["Spent", "₹80.00"], ["Cap", "₹100.00"]]),
        (f"{name}: the cap of the day is reached", [["Spent", "₹100.00"], ["Cap", "₹100.00"]]),
    ]


@pytest.mark.parametrize("cap", ["0", "-1", "1.001", "nothing", "92233720368547758080000"])
def test_a_cap_is_an_amount_above_zero(session: Session, wallet: Wallet, cap: str) -> None:
    with pytest.raises(Exception) as refused:  # noqa: PT011
        wallet_limits.set_limits(wallet, {"daily_cap": cap}, actor=ACTOR)
    assert refused.value.fields[0].pointer == "/daily_cap"
    session.refresh(wallet)
    assert wallet.daily_cap is None


def test_the_check_of_the_counters_finds_one_that_was_changed(session: Session) -> None:
    subscription, wallet, metric = a_rupee_each(balance="1000")
    add_usage(subscription.account, metric, 100)
    meter()
    assert red(verify.run(["spending"], at=NOON)) == {}
    power(session, "UPDATE wallet_spending SET amount = amount - 1 WHERE span = 'day'")
    assert red(verify.run(["spending"], at=NOON)) == {"spending": [f"wallet {wallet.id}"]}
