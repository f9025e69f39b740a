"""Finding events: by id, by metric, by property, by status, and page by page."""

import json
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import insert, text
from sqlalchemy.orm import Session

from app.db import db
from app.domain.periods import bucket_start
from app.errors import FieldError, Invalid
from app.models import Account, EventCorrection, Metric
from app.models.corrections import CorrectionKind
from app.models.usage import EventStatus
from app.services import event_stories, explorer
from app.services.event_store import Row, store
from app.services.explorer import Search, read_property
from tests.factories import make_account, make_metric, make_plan, make_subscription, per_unit
from tests.services.metered import NOON, meter
from tests.support.application import QueryCounter


def add(account: Account, metric: Metric, *ids: str, at: datetime = NOON, **properties: object) -> None:
    """Store events as ingest does."""
    db.session.flush()
    text = json.dumps(properties)
    dimensions = json.dumps({name: properties[name] for name in metric.dimensions if name in properties})
    rows = [
        Row(account.id, each, b"x" * 32, at, metric.id, Decimal(1), text, bucket_start(at), dimensions)
        for each in ids
    ]
    store(db.session.connection().connection.driver_connection, rows)


def found(**asked: object) -> list[str]:
    """Return the ids of the events that fit, in the order of the list."""
    search = Search(**asked)  # type: ignore[arg-type]
    order = [column.desc() for column in explorer.order_of(search.account_id)]
    return [each.event_id for each in db.session.scalars(explorer.list_query(search).order_by(*order))]


@pytest.fixture
def shop(session: Session) -> Account:
    """An account."""
    return make_account()


@pytest.fixture
def metric(session: Session) -> Metric:
    """A metric."""
    return make_metric()


@pytest.fixture(params=["few", "many"])
def ways(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways to look for a metric or the beginning of an id: the answers are the same."""
    if request.param == "many":
        monkeypatch.setattr(explorer, "FEW", 0)
    return str(request.param)


def test_a_whole_id_finds_the_events_of_all_accounts_that_have_it(shop: Account, metric: Metric) -> None:
    other = make_account()
    add(shop, metric, "otp-1", "otp-10")
    add(other, metric, "otp-1", at=NOON + timedelta(days=40))
    assert found(event_id="otp-1") == ["otp-1", "otp-1"]
    assert found(event_id="otp-1", account_id=shop.id) == ["otp-1"]
    assert found(event_id="otp-2") == []


def test_a_star_finds_what_begins_so(shop: Account, metric: Metric, ways: str) -> None:
    add(shop, metric, "otp-1", "otp-10", "otp-2", "oTp-1", "otp_1", "otp%1")
    assert found(event_id="otp-1*") == ["otp-10", "otp-1"]
    assert found(event_id="otp-1*", account_id=make_account().id) == []
    assert found(event_id="otp_*") == ["otp_1"]
    assert found(event_id="otp%*") == ["otp%1"]


def test_a_metric_is_found_before_and_after_it_was_metered(shop: Account, metric: Metric, ways: str) -> None:
    rare = make_metric()
    add(shop, metric, "a", "b", channel="sms")
    add(shop, rare, "c", channel="sms")
    add(shop, rare, "d", channel="email")
    add(make_account(), rare, "e", at=NOON + timedelta(minutes=15))
    assert found(metric_id=rare.id) == ["e", "d", "c"]
    meter()
    assert found(metric_id=rare.id) == ["e", "d", "c"]
    assert found(metric_id=rare.id, account_id=shop.id) == ["d", "c"]
    assert found(metric_id=make_metric().id) == []


def test_a_metric_is_found_in_half_open_times_that_cut_its_buckets(
    shop: Account, metric: Metric, ways: str
) -> None:
    times = [NOON + timedelta(minutes=minutes) for minutes in (0, 1, 14, 15)]
    for name, at in zip("abcd", times, strict=True):
        add(shop, metric, name, at=at)
    meter()
    assert found(metric_id=metric.id, since=times[1], until=times[3]) == ["c", "b"]
    assert found(metric_id=metric.id, since=times[3]) == ["d"]


@pytest.mark.parametrize(
    ("having", "ids"),
    [
        (("channel", "sms"), ["a"]),
        (("retries", "2"), ["b"]),
        (("test", "true"), ["c"]),
        (("channel", "SMS"), []),
        (("nothing", "x"), []),
    ],
)
def test_a_property_is_compared_as_text(
    shop: Account, metric: Metric, having: tuple[str, str], ids: list[str]
) -> None:
    add(shop, metric, "a", channel="sms")
    add(shop, metric, "b", retries=2)
    add(shop, metric, "c", test=True)
    assert found(having=having) == ids


def test_a_property_is_written_with_its_value() -> None:
    assert read_property("channel=sms=1") == ("channel", "sms=1")
    assert read_property(" channel = sms ") == ("channel", "sms")
    assert read_property("channel") is None
    assert read_property("=sms") is None


TOO_BROAD = "Too many events would have to be looked through. Narrow the search by account or by time."


def test_a_search_that_takes_too_long_ends_and_leaves_the_session_as_it_was(
    shop: Account, metric: Metric, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(shop, metric, "a", channel="sms")
    patience = db.session.scalar(text("SHOW statement_timeout"))
    monkeypatch.setattr(explorer, "LONGEST_MS", 1)
    with pytest.raises(Invalid) as caught, explorer.bounded(Search(having=("channel", "sms"))):
        db.session.execute(text("SELECT pg_sleep(60)"))
    assert caught.value.fields == (FieldError("", "too_broad", TOO_BROAD),)
    assert found(having=("channel", "sms")) == ["a"]
    assert db.session.scalar(text("SHOW statement_timeout")) == patience


@pytest.mark.parametrize(
    ("asked", "patience"),
    [
        ({}, "30s"),
        ({"account_id": UUID(int=1), "since": NOON, "until": NOON}, "30s"),
        ({"metric_id": UUID(int=1)}, "2s"),
        ({"event_id": "a*"}, "2s"),
        ({"having": ("channel", "sms")}, "2s"),
        ({"status": EventStatus.counted}, "2s"),
    ],
)
def test_only_what_may_look_at_events_that_do_not_fit_is_bounded(
    session: Session, asked: dict[str, Any], patience: str
) -> None:
    session.execute(text("SET LOCAL statement_timeout = '30s'"))
    with explorer.bounded(Search(**asked)):
        assert session.scalar(text("SHOW statement_timeout")) == patience
    assert session.scalar(text("SHOW statement_timeout")) == "30s"


def correct(account: Account, metric: Metric, event_id: str, kind: CorrectionKind) -> None:
    """Note that an event no longer counts."""
    row = {
        "account_id": account.id,
        "event_id": event_id,
        "kind": kind,
        "occurred_at": NOON,
        "metric_id": metric.id,
        "bucket_at": bucket_start(NOON),
        "dimensions": {},
        "quantity": Decimal(1),
        "reason": "A test",
        "actor": "Test Person",
        "at": NOON,
        "replacement_event_id": "new" if kind is CorrectionKind.amend else None,
    }
    db.session.execute(insert(EventCorrection), [row])


def test_events_are_found_by_whether_they_still_count(
    shop: Account, metric: Metric, query_counter: QueryCounter
) -> None:
    add(shop, metric, "a", "b", "c")
    correct(shop, metric, "a", CorrectionKind.cancel)
    correct(shop, metric, "b", CorrectionKind.amend)
    assert found(status=EventStatus.cancelled) == ["a"]
    assert found(status=EventStatus.amended) == ["b"]
    assert found(status=EventStatus.counted) == ["c"]
    with query_counter() as queries:
        rows = db.session.scalars(explorer.list_query(Search(account_id=shop.id))).all()
        assert {each.event_id: each.status for each in rows} == {
            "a": "cancelled",
            "b": "amended",
            "c": "counted",
        }
    assert len(queries) == 1


def test_an_event_tells_its_bucket_and_who_charges_it(shop: Account, metric: Metric) -> None:
    subscription = make_subscription(shop, make_plan(components=[per_unit(metric, code="each")]))
    add(shop, metric, "a", "b", channel="sms")
    event = db.session.scalars(explorer.list_query(Search(event_id="a"))).one()
    told = event_stories.tell(event)
    assert (told.quantity, told.events, told.waiting, told.lines) == (None, None, True, [])
    meter()
    told = event_stories.tell(event)
    assert (told.start, told.end) == (NOON, NOON + timedelta(minutes=15))
    assert (told.quantity, told.events, told.waiting) == (2, 2, False)
    assert told.dimensions == {"channel": "sms"}
    assert told.place is not None
    assert (told.place.coverage.subscription_id, told.place.price.code) == (subscription.id, "each")


def test_an_event_without_a_price_says_so(shop: Account, metric: Metric) -> None:
    add(shop, metric, "a")
    event = db.session.scalars(explorer.list_query(Search(event_id="a"))).one()
    assert event_stories.tell(event).place is None
