"""Dead letters at the desk: what waits, edited, and replayed by their reason."""

from decimal import Decimal

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from admin_views import dead_letters as screen
from app.models import DeadLetter, JobRun, UsageEvent
from app.permissions import Role
from app.services import events, replays
from tests import factories
from tests.admin.conftest import Desk, Person

LIST = "/admin/dead-letters/"
REPLAY = f"{LIST}operation/replay_reason/"


@pytest.fixture
def letters(session: Session) -> list[DeadLetter]:
    """Three events of an unknown account and one of a negative quantity."""
    fixed = {"account_id": "acme", "metric": "bytes"}
    batch = [{"event_id": f"e{n}", "quantity": Decimal("1.5"), **fixed} for n in range(3)]
    events.ingest([*batch, {"event_id": "bad", "quantity": -1, **fixed}], source="api", actor=factories.ACTOR)
    return list(session.scalars(select(DeadLetter).order_by(DeadLetter.event_id)))


def mend() -> None:
    factories.make_account(external_id="acme")
    factories.make_metric("bytes", aggregation="sum", dimensions=[])


def statuses(session: Session) -> list[str]:
    """Return the status of the letters in the order of their event ids."""
    return [
        str(status) for status in session.scalars(select(DeadLetter.status).order_by(DeadLetter.event_id))
    ]


def test_the_list_tells_what_waits_and_what_would_count_now(
    desk: Person, session: Session, letters: list[DeadLetter]
) -> None:
    assert "would count now" not in desk.text(LIST)
    mend()
    page = desk.text(LIST)
    assert "3</span> would count now" in page
    assert f'href="{REPLAY}?code=unknown_account"' in page
    assert f'href="{REPLAY}?code=negative"' in page


def test_all_of_a_reason_are_replayed_at_once(
    desk: Person, session: Session, letters: list[DeadLetter]
) -> None:
    mend()
    form = desk.text(f"{REPLAY}?code=unknown_account")
    assert '<option selected value="unknown_account">Unknown account: 3 waiting</option>' in form

    answer = desk.post(REPLAY, {"code": "unknown_account"})

    assert "Replayed 3: 3 counted, 0 refused again, 0 in conflict" in desk.text(answer.location)
    assert statuses(session) == ["open", "replayed", "replayed", "replayed"]
    assert session.scalar(select(func.sum(UsageEvent.quantity))) == Decimal("4.5")


def test_many_are_replayed_in_the_background_and_the_list_tells_how_far_it_is(
    desk: Person, session: Session, letters: list[DeadLetter], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(screen, "MOST_AT_ONCE", 2)
    mend()

    answer = desk.post(REPLAY, {"code": "unknown_account"})

    page = desk.text(answer.location)
    assert "3 dead letters are being replayed in the background" in page
    assert '0</span> of <span class="number">3</span> done' in page
    run = session.scalars(select(JobRun)).one()
    assert replays.work(run.id) == {"letters": 3}
    assert "done, " not in desk.text(LIST)
    assert statuses(session) == ["open", "replayed", "replayed", "replayed"]


def test_a_letter_is_edited_and_then_replayed(
    desk: Person, session: Session, letters: list[DeadLetter]
) -> None:
    mend()
    path = f"{LIST}operation/edit/?id={letters[0].id}"
    assert "&#34;quantity&#34;: -1" in desk.text(path)

    edited = desk.post(path, {"payload": '{"event_id": "bad", "account_id": "acme", "metric": "bytes"}'})
    desk.post(f"{LIST}operation/replay/?id={letters[0].id}", {})

    record = desk.text(edited.location)
    assert "The event was edited." in record
    assert "Original payload" in record
    assert statuses(session) == ["replayed", "open", "open", "open"]
    assert session.scalars(select(UsageEvent.quantity)).all() == [1]


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        ("not JSON", "Write an object in braces"),
        ('{"event_id": "bad", "account_id": "acme"}', "metric is needed"),
        ('{"event_id": "bad", "account_id": "acme", "metric": "m", "quantity": -2}', "may not be negative"),
    ],
)
def test_an_edit_that_is_no_event_is_refused(
    desk: Person, session: Session, letters: list[DeadLetter], payload: str, message: str
) -> None:
    answer = desk.post(f"{LIST}operation/edit/?id={letters[0].id}", {"payload": payload})
    assert answer.status_code == 422
    assert message in answer.get_data(as_text=True)
    session.refresh(letters[0])
    assert letters[0].original_payload is None


def test_support_looks_and_finance_replays(
    at_desk: Desk, session: Session, letters: list[DeadLetter]
) -> None:
    mend()
    support = at_desk(Role.support)
    assert "Replay all" not in support.text(LIST)
    assert support.post(REPLAY, {"code": "unknown_account"}).status_code == 403
    assert statuses(session) == ["open"] * 4
    finance = at_desk(Role.finance_admin)
    assert finance.post(REPLAY, {"code": "unknown_account"}).status_code == 302
    assert statuses(session) == ["open", "replayed", "replayed", "replayed"]
