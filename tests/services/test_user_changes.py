"""What super admins do to people: never to themselves, and one super admin stays."""

from collections.abc import Callable
from datetime import UTC, datetime
from threading import Barrier, Thread
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.db import in_transaction
from app.errors import Conflict, DomainError, Forbidden, Invalid
from app.models import AuditRecord, User
from app.permissions import Actor, Role
from app.services import user_changes, users
from tests import factories
from tests.auth.people import SYSTEM, make_user
from tests.support.own import OwnDatabase

AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
KEY = Actor(kind="api_key", id="1", label="key", role=Role.service, scopes=frozenset({"users:write"}))


def actor_of(user: User) -> Actor:
    return Actor(kind="user", id=str(user.id), label=user.name, role=user.role)


def records(session: Session) -> int:
    return session.scalar(select(func.count()).select_from(AuditRecord)) or 0


CHANGES: dict[str, Callable[[User, Actor], object]] = {
    "role": lambda user, actor: user_changes.change_role(user, Role.support, actor=actor),
    "block": lambda user, actor: user_changes.block(user, at=AT, actor=actor),
    "identity": lambda user, actor: user_changes.forget_identity(user, at=AT, actor=actor),
}


@pytest.mark.parametrize("change", CHANGES)
def test_nobody_does_it_to_themselves(session: Session, change: str) -> None:
    user = make_user(Role.super_admin)
    make_user(Role.super_admin, email="second@otpless.example")
    session.flush()
    before = records(session)
    with pytest.raises(Forbidden):
        CHANGES[change](user, actor_of(user))
    assert (user.role, user.active, user.session_epoch) == (Role.super_admin, True, 0)
    assert records(session) == before


@pytest.mark.parametrize("change", ["role", "block"])
def test_the_last_super_admin_stays(session: Session, change: str) -> None:
    user, gone = make_user(Role.super_admin), make_user(Role.super_admin, email="gone@otpless.example")
    user_changes.block(gone, at=AT, actor=SYSTEM)
    with pytest.raises(Conflict, match="is the last super admin: make another one first"):
        CHANGES[change](user, SYSTEM)
    assert (user.role, user.active, user.session_epoch) == (Role.super_admin, True, 0)


@pytest.mark.parametrize("change", [*CHANGES, "let_in", "end_sessions"])
def test_a_key_changes_no_super_admin(session: Session, change: str) -> None:
    user = make_user(Role.super_admin)
    make_user(Role.super_admin, email="second@otpless.example")
    more: dict[str, Callable[[User, Actor], object]] = {
        "let_in": lambda user, actor: user_changes.let_in(user, at=AT, actor=actor),
        "end_sessions": lambda user, actor: user_changes.end_sessions(user, at=AT, actor=actor),
    }
    with pytest.raises(Forbidden, match="not by a key"):
        (CHANGES | more)[change](user, KEY)
    assert (user.role, user.active, user.session_epoch) == (Role.super_admin, True, 0)


def test_a_key_makes_no_super_admin(session: Session) -> None:
    user = make_user(Role.support)
    with pytest.raises(Forbidden):
        users.create("new@otpless.example", role=Role.super_admin, actor=KEY)
    with pytest.raises(Forbidden):
        user_changes.change_role(user, Role.super_admin, actor=KEY)
    assert (user.role, users.find_by_email("new@otpless.example")) == (Role.support, None)


def test_a_role_goes_with_its_customer(session: Session) -> None:
    user, customer = make_user(Role.support), factories.make_customer()
    with pytest.raises(Invalid):
        user_changes.change_role(user, Role.customer, actor=SYSTEM)
    with pytest.raises(Invalid):
        user_changes.change_role(user, Role.finance_admin, customer=customer, actor=SYSTEM)
    with pytest.raises(Invalid):
        user_changes.change_role(user, Role.service, actor=SYSTEM)
    user_changes.change_role(user, Role.customer, customer=customer, actor=SYSTEM)
    assert (user.role, user.customer, user.session_epoch) == (Role.customer, customer, 1)


def test_each_change_leaves_one_record_and_a_repeat_none(session: Session) -> None:
    user = make_user(Role.support, name="Rohit")
    make_user(Role.super_admin)
    user_changes.update(user, {"name": "Rohit Verma", "timezone": "UTC"}, actor=SYSTEM)
    for _ in range(2):
        user_changes.change_role(user, Role.finance_admin, actor=SYSTEM)
        user_changes.block(user, at=AT, actor=SYSTEM)
    for _ in range(2):
        user_changes.let_in(user, at=AT, actor=SYSTEM)
    session.flush()
    found = session.scalars(
        select(AuditRecord.action)
        .where(AuditRecord.resource_id == str(user.id))
        .order_by(AuditRecord.at, AuditRecord.id)
    )
    assert sorted(found) == [
        "user.blocked",
        "user.created",
        "user.let_in",
        "user.role_changed",
        "user.updated",
    ]


@pytest.mark.parametrize(
    ("values", "pointer"),
    [
        ({"name": " "}, "/name"),
        ({"name": "x" * 201}, "/name"),
        ({"timezone": "Mars/Base"}, "/timezone"),
        ({"locale": "tlh"}, "/locale"),
    ],
)
def test_a_change_that_cannot_be_is_refused(session: Session, values: dict[str, Any], pointer: str) -> None:
    user = make_user(Role.support, name="Rohit")
    with pytest.raises(Invalid) as refused:
        user_changes.update(user, values, actor=SYSTEM)
    assert [field.pointer for field in refused.value.fields] == [pointer]
    assert (user.name, user.timezone, user.locale) == ("Rohit", "Asia/Kolkata", None)


def test_two_super_admins_cannot_end_each_other_at_once(own_database: OwnDatabase) -> None:
    with own_database.app() as app:
        ids = in_transaction(
            lambda: [make_user(Role.super_admin, email=f"{n}@otpless.example").id for n in range(2)]
        )
        barrier, outcomes = Barrier(2), []

        def end(me: int) -> None:
            def work() -> None:
                actor, user = actor_of(users.get(ids[me])), users.get(ids[1 - me])
                barrier.wait(30)
                user_changes.block(user, at=AT, actor=actor)

            with app.app_context():
                try:
                    in_transaction(work)
                    outcomes.append("done")
                except DomainError as error:
                    outcomes.append(error.code)

        threads = [Thread(target=end, args=(n,)) for n in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        left = in_transaction(lambda: [users.get(each).active for each in ids])
    assert sorted(outcomes) == ["conflict", "done"]
    assert sorted(left) == [False, True]
