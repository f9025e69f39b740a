"""Keys: made, rotated, revoked, and what each refuses."""

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app import clock
from app.errors import Conflict, Invalid, NotFound
from app.ids import new_id
from app.models import ApiKey, ApiKeySecret, AuditRecord
from app.permissions import Actor
from app.services import keys
from app.services.callers import bearers

TEST = Actor.system("tests")


def make(**values: Any) -> tuple[ApiKey, str]:
    return keys.create("sender", **{"scopes": ["all"], "actor": TEST, "at": clock.now(), **values})


def works(secret: str) -> bool:
    return bearers.recognise(secret, at=clock.now(), ip="127.0.0.1") is not None


def test_a_rotation_gives_a_second_secret_and_ends_the_first_after_the_overlap(session: Session) -> None:
    now = clock.now()
    key, first = make()
    same, second = keys.rotate(key, overlap=timedelta(hours=3), actor=TEST, at=now)

    assert same is key
    assert [one.expires_at for one in key.secrets] == [now + timedelta(hours=3), None]
    assert [works(first), works(second)] == [True, True]
    record = session.scalars(select(AuditRecord).where(AuditRecord.action == "api_key.rotated")).one()
    assert record.after == {"previous_secret_expires_at": str(now + timedelta(hours=3))}
    assert second not in str(record.summary)


def test_a_third_secret_is_refused_until_the_first_has_ended_and_then_takes_its_place(
    session: Session,
) -> None:
    now = clock.now()
    key, first = make()
    _, second = keys.rotate(key, overlap=timedelta(hours=3), actor=TEST, at=now)
    with pytest.raises(Conflict, match="Two secrets of this key are active until"):
        keys.rotate(key, actor=TEST, at=now + timedelta(hours=2))
    assert len(key.secrets) == 2

    later = now + timedelta(hours=3)
    _, third = keys.rotate(key, overlap=timedelta(0), actor=TEST, at=later)
    session.flush()
    session.expire_all()
    assert session.scalar(select(func.count()).select_from(ApiKeySecret)) == 2
    assert [bearers.recognise(one, at=later, ip=None) is None for one in (first, second, third)] == [
        True,
        True,
        False,
    ]


@pytest.mark.parametrize("ended", ["revoked_at", "expires_at"])
def test_a_key_that_has_ended_is_not_rotated(session: Session, ended: str) -> None:
    key, _ = make()
    setattr(key, ended, clock.now() - timedelta(seconds=1))
    session.flush()
    with pytest.raises(Conflict, match="This key has ended"):
        keys.rotate(key, actor=TEST, at=clock.now())
    assert len(key.secrets) == 1


@pytest.mark.parametrize("overlap", [timedelta(seconds=-1), timedelta(days=30, seconds=1)])
def test_an_overlap_is_between_nothing_and_thirty_days(session: Session, overlap: timedelta) -> None:
    key, _ = make()
    with pytest.raises(Invalid, match="0 to 30 days"):
        keys.rotate(key, overlap=overlap, actor=TEST, at=clock.now())
    assert key.secrets[0].expires_at is None


def test_revoking_twice_changes_nothing(session: Session) -> None:
    key, secret = make()
    first = clock.now()
    keys.revoke(key, actor=TEST, at=first)
    keys.revoke(key, actor=TEST, at=first + timedelta(hours=1))
    assert key.revoked_at == first
    assert not works(secret)
    revoked = select(func.count()).select_from(AuditRecord).where(AuditRecord.action == "api_key.revoked")
    assert session.scalar(revoked) == 1


@pytest.mark.parametrize(
    ("values", "pointer"),
    [
        ({"kind": "basic"}, "/kind"),
        ({"scopes": []}, "/scopes"),
        ({"scopes": ["everything"]}, "/scopes"),
        ({"expires_at": clock.now() - timedelta(days=1)}, "/expires_at"),
        ({"allowed_ips": ["203.0.113.7", "10.0.0.1/8"]}, "/allowed_ips/1"),
        ({"allowed_ips": ["example.com"]}, "/allowed_ips/0"),
        ({"allowed_ips": ["10.0.0.0/33"]}, "/allowed_ips/0"),
        ({"allowed_ips": ["10.0.0.1"] * 51}, "/allowed_ips"),
    ],
)
def test_a_key_that_cannot_be_is_refused_at_its_field(
    session: Session, values: dict[str, Any], pointer: str
) -> None:
    with pytest.raises(Invalid) as refused:
        make(**values)
    assert [one.pointer for one in refused.value.fields] == [pointer]
    assert session.scalar(select(func.count()).select_from(ApiKey)) == 0


def test_networks_are_kept_in_one_writing(session: Session) -> None:
    key, _ = make(allowed_ips=[" 203.0.113.7 ", "203.0.113.7/32", "2001:DB8:0::/32"])
    assert key.allowed_ips == ["203.0.113.7/32", "2001:db8::/32"]


def test_the_state_of_a_key(session: Session) -> None:
    now = clock.now()
    key, _ = make(expires_at=now + timedelta(hours=1))
    assert keys.state_of(key, now) == "active"
    assert keys.state_of(key, now + timedelta(hours=1)) == "expired"
    keys.revoke(key, actor=TEST, at=now)
    assert keys.state_of(key, now + timedelta(hours=2)) == "revoked"


def test_there_is_no_key_of_another_id(app: Flask) -> None:
    with pytest.raises(NotFound):
        keys.get(new_id())
