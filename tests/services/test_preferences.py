"""What people choose for themselves: stored, audited, honoured, and what must reach them stays on."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.errors import Invalid
from app.models import AuditRecord, Customer, User
from app.permissions import Role
from app.services import notifications, preferences
from tests.auth.people import make_user
from tests.factories import ACTOR, make_customer

AT = datetime(2026, 7, 1, 12, tzinfo=UTC)


@pytest.fixture
def customer(session: Session) -> Customer:
    return make_customer("Lotus Retail")


@pytest.fixture
def asha(customer: Customer) -> User:
    return make_user(Role.customer, email="asha@lotus.example", customer=customer, name="Asha Rao")


@pytest.fixture
def rohit(session: Session) -> User:
    return make_user(Role.support, email="rohit@example.com", name="Rohit")


def trail(session: Session, action: str) -> list[AuditRecord]:
    return list(session.scalars(select(AuditRecord).where(AuditRecord.action == action)))


def test_a_change_is_stored_and_leaves_one_record(session: Session, asha: User) -> None:
    values = {"name": " Asha R ", "language": "hi", "timezone": "Asia/Jakarta", "theme": "dark"}
    preferences.change(asha, values, actor=ACTOR)
    assert (asha.name, asha.locale, asha.timezone, asha.theme) == ("Asha R", "hi", "Asia/Jakarta", "dark")
    (record,) = trail(session, "user.preferences_changed")
    assert record.before == {"name": "Asha Rao", "locale": None, "timezone": "Asia/Kolkata", "theme": None}
    assert record.after == {"name": "Asha R", "locale": "hi", "timezone": "Asia/Jakarta", "theme": "dark"}
    preferences.change(asha, values, actor=ACTOR)
    assert len(trail(session, "user.preferences_changed")) == 1


def test_values_and_notifications_changed_together_leave_one_record(session: Session, asha: User) -> None:
    preferences.change(asha, {"theme": "dark"}, {"spending_cap": {"in_product": False}}, actor=ACTOR)
    (record,) = trail(session, "user.preferences_changed")
    assert (record.summary, record.before, record.after) == (
        "Asha Rao changed the own preferences",
        {"theme": None, "spending_cap in_product": True},
        {"theme": "dark", "spending_cap in_product": False},
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("name", ""),
        ("name", "x" * 201),
        ("language", "fr"),
        ("timezone", "Mars/Olympus"),
        ("theme", "pink"),
        ("role", "super_admin"),
        ("email", "root@lotus.example"),
    ],
)
def test_what_cannot_be_is_refused_with_its_field_and_nothing_changes(
    session: Session, asha: User, name: str, value: str
) -> None:
    with pytest.raises(Invalid) as refused:
        preferences.change(asha, {"timezone": "UTC", name: value}, actor=ACTOR)
    assert [field.pointer for field in refused.value.fields] == [f"/{name}"]
    session.expire(asha)
    assert (asha.name, asha.locale, asha.timezone, asha.theme) == ("Asha Rao", None, "Asia/Kolkata", None)
    assert (asha.role, asha.email) == (Role.customer, "asha@lotus.example")
    assert trail(session, "user.preferences_changed") == []


def test_a_person_turns_off_a_kind_and_a_colleague_still_sees_it(
    session: Session, customer: Customer, asha: User
) -> None:
    ravi = make_user(Role.customer, email="ravi@lotus.example", customer=customer, name="Ravi")
    preferences.change(asha, {}, {"low_balance": {"in_product": False}}, actor=ACTOR)
    for kind in ("low_balance", "spending_cap"):
        notifications.notify(customer, kind, title=kind, text="Text", about=customer, at=AT)
    assert [one.notification.kind for one in notifications.listed(asha)] == ["spending_cap"]
    assert [one.notification.kind for one in notifications.listed(ravi)] == ["spending_cap", "low_balance"]
    assert session.scalar(notifications.unread(asha)) == 1
    assert session.scalar(notifications.unread(ravi)) == 2
    (record,) = trail(session, "user.preferences_changed")
    assert (record.before, record.after) == (
        {"low_balance in_product": True},
        {"low_balance in_product": False},
    )


def test_the_mails_of_a_customer_are_one_choice_of_all_its_people(customer: Customer, asha: User) -> None:
    ravi = make_user(Role.customer, email="ravi@lotus.example", customer=customer, name="Ravi")
    preferences.change(asha, {}, {"low_balance": {"mail": False}}, actor=ACTOR)
    assert notifications.preferences(customer)["low_balance"] is False
    held = {one.kind: one for one in preferences.choices(ravi)}
    assert (held["low_balance"].mail, held["low_balance"].in_product) == (False, True)


@pytest.mark.parametrize("kind", ["auto_top_up", "security"])
@pytest.mark.parametrize("channel", ["in_product", "mail"])
def test_failed_payments_and_security_reach_every_customer(
    session: Session, asha: User, kind: str, channel: str
) -> None:
    with pytest.raises(Invalid) as refused:
        preferences.change(asha, {}, {kind: {channel: False}}, actor=ACTOR)
    assert [(field.pointer, field.code) for field in refused.value.fields] == [
        (f"/notifications/{kind}/{channel}", "always_on")
    ]
    held = {one.kind: one for one in preferences.choices(asha)}
    assert (held[kind].in_product, held[kind].mail) == (True, True)
    with pytest.raises(Invalid):
        notifications.prefer(asha.customer if channel == "mail" else asha, kind, **{channel: False})
    assert trail(session, "user.preferences_changed") == []


def test_staff_choose_their_mails_and_cannot_hide_what_is_always_told(rohit: User) -> None:
    wanted = {"security": {"mail": True}, "low_balance": {"mail": True}}
    preferences.change(rohit, {}, wanted, actor=ACTOR)
    assert {one.kind: (one.in_product, one.mail) for one in preferences.choices(rohit)} == {
        "low_balance": (True, True),
        "spending_cap": (True, False),
        "payment_reminder": (True, False),
        "auto_top_up": (True, False),
        "security": (True, True),
    }
    with pytest.raises(Invalid):
        preferences.change(rohit, {}, {"security": {"in_product": False}}, actor=ACTOR)


def test_an_unknown_kind_is_refused(asha: User) -> None:
    for kind in ("weather", "approval"):
        with pytest.raises(Invalid) as refused:
            preferences.change(asha, {}, {kind: {"mail": True}}, actor=ACTOR)
        assert refused.value.fields[0].pointer == f"/notifications/{kind}"
