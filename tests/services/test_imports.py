"""Usage from files: what is read, what is refused before anything is stored, and what becomes of each row."""

import gzip
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.db import db
from app.errors import DomainError, Invalid, NotFound
from app.models import Account, Customer, DeadLetter, Subscription, UsageDelta, UsageEvent
from app.services import imports
from app.services.imports import Import, Report, TooOld, accounts
from app.services.imports.files import UnreadableFile, rows, survey
from app.services.imports.mapping import BadMapping, make_mapping
from tests.factories import ACTOR, make_account, make_metric, make_plan, per_unit

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
HEADER = "request_id,client,requested_at,section,bytes\n"
ROW = "r-1,acme,2026-11-20T10:00:00Z,blog,512\n"
MAPS = ("event_id=request_id", "account_id=client", "timestamp=requested_at")


def write(path: Path, text: str | bytes, name: str = "usage.csv") -> Path:
    file = path / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def store(job: Import) -> Report:
    report = Report()
    for batch in job.batches():
        imports.store(batch, report, actor=ACTOR, at=NOW)
    return report


def stored() -> int:
    return db.session.scalar(select(func.count()).select_from(UsageEvent)) or 0


def letters() -> list[DeadLetter]:
    return list(db.session.scalars(select(DeadLetter).order_by(DeadLetter.event_id)))


def prepare(file: Path, *maps: str, **options: Any) -> Import:
    return imports.prepare(file, maps or MAPS, at=NOW, **options)


@pytest.fixture
def requests(session: Session) -> None:
    make_metric("requests", dimensions=["section"])
    make_account(external_id="acme")


@pytest.mark.parametrize("name", ["usage.csv", "usage.tsv", "usage.txt"])
def test_delimited_text_is_read_by_its_header(tmp_path: Path, name: str) -> None:
    text = (HEADER + ROW).replace(",", "\t") if name.endswith("tsv") else HEADER + ROW
    found = survey(write(tmp_path, text, name))
    assert (found.kind, found.columns, found.rows) == ("csv", tuple(HEADER.strip().split(",")), 1)


def test_a_byte_order_mark_blank_lines_and_quotes_are_understood(tmp_path: Path, requests: None) -> None:
    text = "\ufeff" + HEADER + '\n"r-1","acme","2026-11-20T10:00:00Z","a ""b"", c",512\n\n'
    report = store(prepare(write(tmp_path, text), metric="requests"))
    assert report.accepted == 1
    assert db.session.scalars(select(UsageDelta.dimensions)).one() == {"section": 'a "b", c'}


@pytest.mark.parametrize(
    "text",
    [
        "a;b\r\n1;2\r\n",
        "sep=;\r\na;b\r\n1;2\r\n",
        "\r\n\r\na;b\r\n1;2\r\n;\r\n",
        "\ufeffa;b;;\r\n1;2;;\r\n;;;\r\n",
        '"a";"b"\r\n"1";"2"\r\n',
        "a\tb\r1\t2\r",
    ],
    ids=["semicolons", "separator-line", "blank-lines", "empty-columns", "quoted", "old-mac"],
)
def test_a_spreadsheets_own_ways_of_writing_csv_are_understood(tmp_path: Path, text: str) -> None:
    found = survey(write(tmp_path, text))
    assert found.columns == ("a", "b")
    assert [row for _line, row in rows(found.path, found.kind)] == [{"a": "1", "b": "2"}]


def test_a_header_may_have_line_breaks_within_quotes(tmp_path: Path) -> None:
    found = survey(write(tmp_path, '"a\nof it",b\n1,"2\n3"\n4,5\n'))
    assert list(rows(found.path, found.kind)) == [
        (4, {"a\nof it": "1", "b": "2\n3"}),
        (5, {"a\nof it": "4", "b": "5"}),
    ]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("usage.csv.gz", b"not gzip at all", "is not a whole gzip file"),
        ("usage.csv.gz", gzip.compress((HEADER + ROW * 50).encode())[:-20], "is not a whole gzip file"),
        ("usage.csv", HEADER.encode(), "usage.csv has no rows."),
        ("usage.csv", b"", "usage.csv has no rows."),
        ("usage.csv", b"a,b\n1,\xff\n", "is not UTF-8: byte 0xff"),
        ("usage.csv", b"a,b\n1,2,3\n", "Line 2 of usage.csv has 3 cells; the header names 2."),
        ("usage.csv", b"a,a\n1,2\n", "needs a name of its own for each column"),
        ("usage.csv", b"sep=,\na,b\n1,2,3\n", "Line 3 of usage.csv has 3 cells; the header names 2."),
        ("usage.csv", b"a,b,\n1,2,3\n", "Line 2 of usage.csv has a value in a column without a name."),
        ("usage.csv", b"a,,b\n1,2,3\n", "needs a name of its own for each column"),
        ("usage.csv", b'a,b\n1,"2\n', "is not CSV"),
        ("usage.jsonl", b'{"a": 1}\n{"a": \n', "Line 2 of usage.jsonl is not JSON"),
        ("usage.jsonl", b'{"a": NaN}\n', "NaN is not a number"),
        ("usage.jsonl", b'{"\\ud800": 1}\n', "a column whose name cannot be kept: '\\ud800'."),
        ("usage.jsonl", b'{"a": 1.5e99999999999999999999}\n', "a number or a nesting without end"),
        ("usage.jsonl", b'{"a": ' + b"[" * 100_000 + b"\n", "a number or a nesting without end"),
        ("usage.jsonl", b"[1]\n", "Line 1 of usage.jsonl is not a JSON object."),
    ],
    ids=range(17),
)
def test_a_file_that_cannot_be_read_to_its_end_says_where(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    with pytest.raises(UnreadableFile) as refused:
        survey(write(tmp_path, content, name))
    assert message in refused.value.message


@pytest.mark.parametrize(
    ("maps", "message"),
    [
        (
            ("event_id=request_id", "account_id=user"),
            "the file has no column 'user'. Its columns are: request_id, client",
        ),
        (("event_id=x-{nope}",), "the file has no column 'nope'. Its columns are: request_id, client"),
        (("event_id=request_id",), "The file has no column account_id: add --map account_id=COLUMN."),
        (
            ("id=request_id",),
            "An event has no field 'id'. Fields: event_id, account_id, metric, timestamp, quantity",
        ),
        (("event_id",), "--map 'event_id' is not FIELD=COLUMN"),
        (("event_id={request_id",), "Write columns in braces"),
    ],
)
def test_a_mapping_that_does_not_fit_names_the_columns(
    tmp_path: Path, requests: None, maps: tuple[str, ...], message: str
) -> None:
    file = write(tmp_path, HEADER + ROW)
    with pytest.raises(BadMapping) as refused:
        prepare(file, *maps, metric="requests")
    assert message in refused.value.message
    assert stored() == 0
    assert letters() == []


def test_a_missing_metric_is_refused_before_anything_is_stored(tmp_path: Path, requests: None) -> None:
    with pytest.raises(NotFound, match="no metric 'clicks'"):
        prepare(write(tmp_path, HEADER + ROW), metric="clicks")
    assert stored() == 0


def test_without_a_metric_the_file_must_name_it(tmp_path: Path, requests: None) -> None:
    with pytest.raises(BadMapping, match="add --metric CODE or --map metric=COLUMN"):
        prepare(write(tmp_path, HEADER + ROW))


def test_columns_of_the_metrics_dimensions_are_taken_along(tmp_path: Path, requests: None) -> None:
    assert store(prepare(write(tmp_path, HEADER + ROW), metric="requests")).accepted == 1
    event = db.session.scalars(select(UsageEvent)).one()
    assert (event.event_id, event.quantity, event.properties) == ("r-1", Decimal(1), {"section": "blog"})
    assert event.occurred_at == datetime(2026, 11, 20, 10, tzinfo=UTC)


def test_a_dimension_that_is_asked_for_must_exist(tmp_path: Path, requests: None) -> None:
    file = write(tmp_path, HEADER + ROW)
    with pytest.raises(BadMapping, match="no column 'channel'"):
        prepare(file, *MAPS, metric="requests", dimensions=["channel"])
    job = prepare(file, *MAPS, metric="requests", dimensions=["bytes"])
    assert next(job.batches())[0]["properties"] == {"section": "blog", "bytes": "512"}


def test_one_row_can_be_imported_again_as_another_metric(tmp_path: Path, requests: None) -> None:
    make_metric("bytes", aggregation="sum", value_property="bytes", dimensions=[])
    file = write(tmp_path, HEADER + ROW)
    assert store(prepare(file, metric="requests")).accepted == 1
    again = prepare(file, "event_id=bytes-{request_id}", *MAPS[1:], metric="bytes")
    assert store(again).accepted == 1
    counted = {event.event_id: event.quantity for event in db.session.scalars(select(UsageEvent))}
    assert counted == {"r-1": Decimal(1), "bytes-r-1": Decimal(512)}


def test_importing_again_adds_nothing(tmp_path: Path, requests: None) -> None:
    file = write(tmp_path, HEADER + ROW + ROW.replace("r-1", "r-2"))
    assert store(prepare(file, metric="requests")).accepted == 2
    report = store(prepare(file, metric="requests"))
    assert (report.accepted, report.duplicates, report.conflicts, report.rejected) == (0, 2, 0, 0)
    assert stored() == 2


def test_each_refused_row_becomes_a_dead_letter_with_its_reason(tmp_path: Path, requests: None) -> None:
    make_metric("bytes", aggregation="sum", value_property="bytes", dimensions=[])
    rows = [
        "r-1,acme,2026-11-20T10:00:00Z,blog,512\n",
        "r-2,acme,2026-11-20T10:00:00Z,blog,\n",
        "r-3,acme,yesterday,blog,512\n",
        "r-4,nobody,2026-11-20T10:00:00Z,blog,512\n",
        ",acme,2026-11-20T10:00:00Z,blog,512\n",
        "r-6,acme,2026-11-20T10:00:00Z,blog,many\n",
    ]
    report = store(prepare(write(tmp_path, HEADER + "".join(rows)), metric="bytes"))
    assert (report.accepted, report.duplicates, report.rejected) == (1, 0, 5)
    assert report.total == 6
    reasons = {"missing_value": 1, "bad_timestamp": 1, "unknown_account": 1, "required": 1, "not_a_number": 1}
    assert report.reasons == reasons
    assert sorted(letter.code for letter in letters()) == sorted(reasons)
    assert {letter.source for letter in letters()} == {"import"}


def test_old_usage_needs_the_word_backfill(tmp_path: Path, requests: None) -> None:
    file = write(tmp_path, HEADER + ROW + ROW.replace("r-1", "r-2").replace("2026-11-20", "2015-05-17"))
    with pytest.raises(TooOld, match="1 of 2 rows are more than 35 days old: add --backfill"):
        prepare(file, metric="requests", max_age=timedelta(days=35))
    assert stored() == 0
    job = prepare(file, metric="requests")
    assert job.earliest_at == datetime(2015, 5, 17, 10, tzinfo=UTC)
    assert job.latest_at == datetime(2026, 11, 20, 10, tzinfo=UTC)
    assert store(job).accepted == 2


def test_json_lines_are_events_as_the_api_takes_them(tmp_path: Path, requests: None) -> None:
    lines = (
        '{"event_id": "j-1", "account_id": "acme", "metric": "requests", "timestamp": 1795082400, '
        '"quantity": "2.5", "properties": {"section": "docs", "depth": 1.10}}\n'
    )
    file = write(tmp_path, gzip.compress(lines.encode()), "usage.jsonl.gz")
    assert store(imports.prepare(file, at=NOW)).accepted == 1
    event = db.session.scalars(select(UsageEvent)).one()
    assert event.properties == {"section": "docs", "depth": 1.10}


def test_a_mapped_property_wins_over_one_of_the_row() -> None:
    mapping = make_mapping(
        ("id", "who", "properties", "kind"),
        ("event_id=id", "account_id=who", "properties.channel=kind"),
        metric="m",
    )
    row = {"id": "1", "who": "a", "kind": "sms", "properties": {"channel": "email", "country": "IN"}}
    assert mapping.event(row)["properties"] == {"channel": "sms", "country": "IN"}


def test_a_text_with_an_empty_column_leaves_the_field_out() -> None:
    mapping = make_mapping(("id", "who"), ("event_id=x-{id}", "account_id=who"), metric="m")
    assert mapping.event({"id": None, "who": "a"}) == {"account_id": "a", "metric": "m", "properties": {}}


def test_unknown_senders_get_a_customer_an_account_and_the_plan(tmp_path: Path, requests: None) -> None:
    metric = make_metric("clicks", dimensions=[])
    make_plan("traffic", components=[per_unit(metric)])
    job = prepare(write(tmp_path, HEADER + ROW + ROW.replace("acme", "newcomer 7")), metric="clicks")
    assert job.unknown() == ["newcomer 7"]
    assert job.earliest_at is not None
    version = accounts.choose_version("traffic", job.earliest_at)
    (account,) = accounts.make(job.unknown(), version, since=job.earliest_at, actor=ACTOR)
    assert (account.external_id, account.currency, account.timezone) == ("newcomer 7", "INR", "Asia/Kolkata")
    assert account.customer.email == "newcomer-7@imported.example"
    subscription = db.session.scalars(select(Subscription).where(Subscription.account_id == account.id)).one()
    assert subscription.start_at == datetime(2026, 10, 31, 18, 30, tzinfo=UTC)
    assert subscription.version.label == "traffic v1"
    assert job.unknown() == []


@pytest.mark.parametrize("published", [True, False])
def test_no_account_is_made_for_a_plan_that_cannot_be_subscribed_to(
    session: Session, published: bool
) -> None:
    metric = make_metric("clicks", dimensions=[])
    make_plan(
        "traffic", components=[per_unit(metric, currency="USD" if published else "INR")], publish=published
    )
    before = session.scalar(select(func.count()).select_from(Customer))
    with pytest.raises(Invalid):
        accounts.choose_version("traffic", NOW)
    with pytest.raises(DomainError, match="no plan 'nope'"):
        accounts.choose_version("nope", NOW)
    assert session.scalar(select(func.count()).select_from(Customer)) == before
    assert session.scalar(select(func.count()).select_from(Account)) == 0
