"""Dead letters: kept as they were sent, mended with a trace, and counted once however they are replayed."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Text, cast, func, select
from sqlalchemy.orm import Session

from app.db import db
from app.errors import Conflict, Invalid
from app.models import Account, AuditRecord, DeadLetter, JobRun, UsageDelta, UsageEvent
from app.permissions import Actor
from app.services import dead_letters, events, letter_choices, replays
from app.services.dead_letters import Fate
from app.services.letter_choices import Choice, Waiting
from tests.factories import ACTOR, make_account, make_metric
from tests.services.metered import NOON

BY: dict[str, Any] = {"actor": ACTOR, "at": NOON}
SYSTEM = Actor.system("tests")


def refuse(event_id: str = "e", **more: Any) -> DeadLetter:
    """Send an event that is refused, by default of an unknown account; return its letter."""
    event = {"event_id": event_id, "account_id": "acme", "metric": "auth.otp", **more}
    (result,) = events.ingest([event], source="api", actor=SYSTEM, at=NOON, max_age=timedelta(days=35))
    assert result.status == "rejected"
    return letters()[-1]


def letters() -> list[DeadLetter]:
    """Return all letters in the order in which they came."""
    query = select(DeadLetter).order_by(DeadLetter.id).execution_options(populate_existing=True)
    return list(db.session.scalars(query))


def mend() -> Account:
    """Make the account and the metric that the events name."""
    make_metric("auth.otp", aggregation="sum", dimensions=[])
    return make_account(external_id="acme")


def counted(session: Session) -> int | None:
    return session.scalar(select(func.count()).select_from(UsageEvent))


def test_a_payload_is_kept_to_the_last_digit_and_replayed_so(session: Session) -> None:
    properties = {"share": Decimal("0.12345678901234567890"), "far": Decimal("1E-7"), "many": 10**30}
    letter = refuse(quantity=Decimal("1.10"), properties=properties)
    account = mend()

    dead_letters.replay(letter, **BY)

    event = {"event_id": "e", "account_id": "acme", "metric": "auth.otp", "properties": properties}
    (again,) = events.ingest([{**event, "quantity": Decimal("1.1")}], source="api", actor=SYSTEM, at=NOON)
    stored = session.scalars(select(UsageEvent)).one()
    assert (stored.account_id, stored.quantity, stored.occurred_at) == (account.id, Decimal("1.1"), NOON)
    assert "0.1234567890123456789" in session.scalars(select(cast(UsageEvent.properties, Text))).one()
    assert (again.status, again.conflict) == ("duplicate", False)


@pytest.mark.parametrize("number", [Decimal("1E+999999"), Decimal("1E-999999"), Decimal("9" * 60)])
def test_a_number_that_no_column_holds_is_kept_as_text(session: Session, number: Decimal) -> None:
    letter = refuse(quantity=number)
    assert letter.payload["quantity"] == str(number)


def test_an_edit_keeps_how_the_event_came(session: Session) -> None:
    letter = refuse(quantity=Decimal("1.50"), metric="auth.opt")
    mended = {**letter.payload, "metric": "auth.otp", "quantity": Decimal("2.5")}

    dead_letters.edit(letter, mended, **BY)
    dead_letters.edit(letter, {**mended, "account_id": "globex"}, **BY)

    assert (letter.account_ref, letter.metric_code, letter.event_id) == ("globex", "auth.otp", "e")
    assert letter.original_payload == {
        "event_id": "e", "account_id": "acme", "metric": "auth.opt", "quantity": 1.5,
    }  # fmt: skip
    query = select(AuditRecord).where(AuditRecord.action == "dead_letter.edited").order_by(AuditRecord.id)
    first, second = session.scalars(query)
    # The audit trail keeps numbers with a point as text, so that its hash does not depend on their writing.
    came = {**letter.original_payload, "quantity": "1.5"}
    between = {"payload": {**came, "metric": "auth.otp", "quantity": "2.5"}}
    assert first.before == {"payload": came}
    assert first.after == second.before == between
    assert second.after == {"payload": {**letter.payload, "quantity": "2.5"}}
    mend()
    make_account(external_id="globex")
    assert dead_letters.replay(letter, **BY).status == "replayed"
    assert session.scalars(select(UsageEvent)).one().quantity == Decimal("2.5")


def test_an_event_sent_again_as_it_came_finds_the_letter_that_was_edited(session: Session) -> None:
    letter = refuse(metric="auth.opt")
    dead_letters.edit(letter, {**letter.payload, "metric": "auth.otp"}, **BY)
    refuse(metric="auth.opt")
    (only,) = letters()
    assert (only.seen, only.payload["metric"]) == (2, "auth.otp")


NO_EVENTS: list[tuple[dict[str, Any], str]] = [
    ({"account_id": "acme", "metric": "m"}, "/event_id"),
    ({"event_id": "e", "account_id": "acme", "metric": 5}, "/metric"),
    ({"event_id": "e", "account_id": "acme", "metric": "m", "quantity": "many"}, "/quantity"),
    ({"event_id": "e", "account_id": "acme", "metric": "m", "colour": "red"}, "/colour"),
    ({"event_id": "e", "account_id": "acme", "metric": "m", "timestamp": "2031-01-01T00:00Z"}, "/timestamp"),
    ({"event_id": "e", "account_id": "acme", "metric": "m", "timestamp": 1_900_000_000}, "/timestamp"),
]


@pytest.mark.parametrize(("payload", "pointer"), NO_EVENTS)
def test_an_edit_needs_the_shape_of_an_event(session: Session, payload: dict[str, Any], pointer: str) -> None:
    letter = refuse()
    before = dict(letter.payload)
    with pytest.raises(Invalid) as refusal:
        dead_letters.edit(letter, payload, **BY)
    assert [field.pointer for field in refusal.value.fields] == [pointer]
    assert (letter.payload, letter.original_payload) == (before, None)


def test_only_an_open_letter_is_edited(session: Session) -> None:
    letter = refuse()
    dead_letters.discard(letter, **BY)
    with pytest.raises(Conflict, match="discarded"):
        dead_letters.edit(letter, letter.payload, **BY)
    assert letter.original_payload is None


def test_many_are_replayed_together_and_each_tells_what_became_of_it(session: Session) -> None:
    refuse("counts")
    refuse("conflicts")
    refuse("discarded")
    refuse("still-unknown", account_id="globex")
    mend()
    events.ingest(
        [{"event_id": "conflicts", "account_id": "acme", "metric": "auth.otp", "quantity": 9}],
        source="api", actor=SYSTEM, at=NOON,
    )  # fmt: skip
    by_id = {letter.event_id: letter for letter in letters()}
    dead_letters.discard(by_id["discarded"], **BY)
    ids = [letter.id for letter in by_id.values()]

    first = {one.letter.event_id: one.fate for one in dead_letters.replay_many(ids, **BY)}
    again = {one.letter.event_id: one.fate for one in dead_letters.replay_many(ids, **BY)}

    assert (
        first
        == again
        == {
            "counts": Fate.replayed,
            "conflicts": Fate.conflict,
            "discarded": Fate.discarded,
            "still-unknown": Fate.refused,
        }
    )
    assert counted(session) == 2
    assert [letter.status for letter in letters()] == ["replayed", "open", "discarded", "open"]
    assert session.scalar(select(func.count()).where(AuditRecord.action == "dead_letter.replayed")) == 1


def test_a_letter_that_is_refused_for_another_reason_is_filed_under_that(session: Session) -> None:
    letter = refuse()
    make_account(external_id="acme")

    dead_letters.replay(letter, **BY)

    assert (letter.code, letter.pointer, letter.status) == ("unknown_metric", "/metric", "open")


def test_two_letters_of_one_event_keep_their_reasons_apart(session: Session) -> None:
    first = refuse()
    make_account(external_id="acme")
    refuse()
    dead_letters.replay(first, **BY)
    assert [letter.code for letter in letters()] == ["unknown_account", "unknown_metric"]
    make_metric("auth.otp")
    fates = {one.fate for one in dead_letters.replay_many([letter.id for letter in letters()], **BY)}
    assert (fates, counted(session)) == ({Fate.replayed}, 1)


def test_what_waits_is_counted_by_reason_with_what_would_count_now(session: Session) -> None:
    account = mend()
    for n in range(3):
        refuse(f"bad{n}", quantity="-1")
    refuse("unknown", account_id="globex")
    refuse("known", account_id=str(account.id), metric="auth.opt")
    make_metric("auth.opt")

    assert letter_choices.waiting() == [
        Waiting("negative", 3, 0), Waiting("unknown_account", 1, 0), Waiting("unknown_metric", 1, 1),
    ]  # fmt: skip
    replayable = dead_letters.find_replayable(letters(), **BY)
    assert [letter.event_id for letter in letters() if letter.id in replayable] == ["known"]


def test_an_event_for_somebody_elses_account_is_chosen_by_its_reason_only(session: Session) -> None:
    account = mend()
    bound = Actor("api_key", "k", "key", ACTOR.role, account_id=str(make_account().id))
    event = {"event_id": "e", "account_id": "acme", "metric": "auth.otp"}
    events.ingest([event], source="api", actor=bound, at=NOON)

    assert Choice(account="acme").ids(9) == []
    assert len(Choice(code="foreign_account").ids(9)) == 1
    assert account.external_id == "acme"


@pytest.fixture
def seven(session: Session, monkeypatch: pytest.MonkeyPatch) -> list[DeadLetter]:
    """Seven letters, replayed three in a batch."""
    monkeypatch.setattr(replays, "MOST_AT_ONCE", 3)
    for n in range(7):
        refuse(f"e{n}")
    return letters()


def test_a_replay_in_the_background_resumes_where_it_stopped(
    session: Session, seven: list[DeadLetter]
) -> None:
    mend()
    run = replays.start(Choice(code="unknown_account"), at=NOON + timedelta(seconds=1), actor=ACTOR)
    assert replays.unfinished() == [run.id]
    assert replays._do_batch(run.id) == 3
    assert counted(session) == 3

    assert replays.work(run.id) == {"letters": 4}

    assert replays.work(run.id) == {"letters": 0}
    assert (replays.has_unfinished(), run.succeeded) == (False, True)
    shown = {name: (run.detail or {})[name] for name in ("phase", "total", "done", "replayed", "refused")}
    assert shown == {"phase": "done", "total": 7, "done": 7, "replayed": 7, "refused": 0}
    assert counted(session) == session.scalar(select(func.sum(UsageDelta.events))) == 7
    finished = session.scalars(
        select(AuditRecord).where(AuditRecord.action == "dead_letters.replay_finished")
    )
    assert [(one.summary, one.actor) for one in finished] == [
        ("Replay of dead letters finished: 7 count, 0 were refused again, 0 were in conflict", "Test Person")
    ]


def test_a_replay_of_nothing_is_not_begun(session: Session, seven: list[DeadLetter]) -> None:
    with pytest.raises(Invalid, match="No open letter fits"):
        replays.start(Choice(code="too_old"), at=NOON, actor=ACTOR)
    assert session.scalar(select(func.count()).select_from(JobRun)) == 0


def test_letters_that_come_in_meanwhile_wait_for_another_replay(
    session: Session, seven: list[DeadLetter]
) -> None:
    run = replays.start(Choice(code="unknown_account"), at=NOON, actor=ACTOR)
    events.ingest(
        [{"event_id": "late", "account_id": "acme", "metric": "auth.otp"}],
        source="api", actor=SYSTEM, at=NOON + timedelta(seconds=5),
    )  # fmt: skip
    mend()
    assert replays.work(run.id) == {"letters": 7}
    assert [letter.status for letter in letters()] == ["replayed"] * 7 + ["open"]
