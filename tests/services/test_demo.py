"""The demonstration: believable, the same every time, loaded once, and its books balance."""

from collections import Counter
from datetime import UTC, date, datetime

import pytest
from sqlalchemy import func, select

from app import clock
from app.db import db, in_transaction
from app.domain import gstin
from app.models import Account, BillingRunItem, Invoice, UsageEvent, User, Wallet
from app.models.billing_runs import ItemStatus
from app.models.invoices import InvoiceKind
from app.services import demo, own, reference, verify
from app.services.demo.customers import buyers
from app.services.demo.timeline import Timeline
from app.services.demo.usage import of_day
from tests.factories import ACTOR
from tests.support.own import OwnDatabase

NOON = datetime(2026, 11, 22, 6, 30, tzinfo=UTC)


def test_forty_companies_buy_in_three_countries() -> None:
    everybody = buyers()
    assert Counter(buyer.country for buyer in everybody) == {"IN": 28, "US": 7, "ID": 5}
    assert Counter(buyer.prepaid for buyer in everybody) == {True: 19, False: 21}
    assert len({buyer.external_id for buyer in everybody}) == 40
    assert len({buyer.place for buyer in everybody if buyer.country == "IN"}) == 17


def test_every_gst_number_is_valid_and_its_own() -> None:
    numbers = [number for buyer in buyers() if (number := buyer.customer()["gstin"])]
    assert [gstin.validate(number) for number in numbers] == numbers
    assert len(numbers) == len(set(numbers)) == 23


def test_a_day_is_the_same_whenever_it_is_asked_for() -> None:
    buyer, on = buyers()[0], date(2026, 10, 14)
    first = of_day(buyer, on, Timeline.ending(NOON))
    assert first == of_day(buyer, on, Timeline.ending(datetime(2026, 11, 30, tzinfo=UTC)))
    assert [event["event_id"] for event in first[:3]] == [
        "demo-261014-10-sms",
        "demo-261014-10-whatsapp",
        "demo-261014-10-email",
    ]
    assert len(first) == 9


def test_nothing_is_sent_in_the_future() -> None:
    timeline = Timeline.ending(NOON)
    sent = [event["timestamp"] for buyer in buyers() for event in of_day(buyer, date(2026, 11, 22), timeline)]
    assert max(map(datetime.fromisoformat, sent)) < NOON


@pytest.mark.parametrize(
    ("at", "first_on", "length"),
    [
        (NOON, date(2026, 9, 1), 83),
        (datetime(2026, 12, 31, 18, 30, tzinfo=UTC), date(2026, 11, 1), 62),
        (datetime(2026, 12, 31, 18, 29, tzinfo=UTC), date(2026, 10, 1), 92),
    ],
)
def test_the_timeline_is_two_whole_months_and_the_present_one(
    at: datetime, first_on: date, length: int
) -> None:
    timeline = Timeline.ending(at)
    assert (timeline.first_on, timeline.length) == (first_on, length)
    days = [on for step in timeline.steps() for on in step]
    assert (days[0], len(days), len(set(days))) == (first_on, length, length)


@pytest.mark.processes
def test_it_is_loaded_once_and_its_books_balance(own_database: OwnDatabase) -> None:
    with own_database.app():
        at = clock.now()
        load(at)
        assert in_transaction(demo.is_loaded)
        before = counts()
        assert before[:3] == (40, 19, 5)
        report = in_transaction(verify.run)
        assert [result.name for result in report.results if not result.ok] == []
        items = set(db.session.scalars(select(BillingRunItem.status)))
        assert items == {ItemStatus.issued}
        kinds = Counter(
            db.session.scalars(select(Invoice.kind).join(Account).where(Account.currency != "INR"))
        )
        assert set(kinds) == {InvoiceKind.export_invoice}
        wallets = list(db.session.scalars(select(Wallet)))
        assert sum(own.is_low(wallet) for wallet in wallets) == 7
        assert {wallet.account.name for wallet in wallets if not wallet.balance} == {
            "Brahmaputra Tea Exchange Private Limited"
        }
        load(at)
        assert counts() == before


def load(at: datetime) -> None:
    in_transaction(lambda: reference.load(at=at, actor=ACTOR))
    for step in demo.steps(at=at, actor=ACTOR):
        step.run(lambda _pieces: None)


def counts() -> tuple[int, ...]:
    return tuple(
        db.session.scalar(select(func.count()).select_from(model)) or 0
        for model in (Account, Wallet, User, Invoice, UsageEvent)
    )
