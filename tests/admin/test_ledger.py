"""The ledger at the desk: journals found by what they touched, and the trial balance as of a day."""

import re
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from app import clock
from app.models import Wallet
from app.models.wallets import Book
from app.services import trial_balances, wallets
from tests.admin.conftest import Person
from tests.factories import ACTOR, make_account, make_wallet
from tests.services.metered import a_rupee_each, add_usage, meter

FIFTH = datetime(2026, 10, 5, 6, tzinfo=UTC)


@pytest.fixture
def wallet(app: object) -> Wallet:
    """₹250 topped up on 5 October, ₹10 credited today."""
    made = make_wallet("250", at=FIFTH)
    wallets.credit(made, "10", at=clock.now(), actor=ACTOR, reason="Goodwill")
    return made


def listed(desk: Person, **asked: object) -> int:
    """Return how many journals a list shows."""
    query = "&".join(f"{name}={value}" for name, value in asked.items())
    return desk.text(f"/admin/journals/?{query}").count("<tr>") - 1


def test_journals_are_found_by_what_they_touched(desk: Person, wallet: Wallet) -> None:
    other = make_wallet("99")
    assert listed(desk, book="cash") == 2
    assert listed(desk, book="adjustment") == 1
    assert listed(desk, wallet=wallet.id) == 2
    assert listed(desk, account=other.account_id) == 1
    assert listed(desk, amount="250") == listed(desk, amount="-250.00") == 1
    assert listed(desk, created_at_from="2026-10-05", created_at_until="2026-10-05") == 1
    assert listed(desk, wallet=wallet.id, kind="credit") == 1


@pytest.mark.parametrize("amount", ["x", "NaN", "1e999999999"])
def test_an_amount_that_is_none_finds_nothing(desk: Person, wallet: Wallet, amount: str) -> None:
    assert "₹" not in desk.text(f"/admin/journals/?amount={amount}")


def test_a_journal_shows_its_postings_and_what_it_belongs_to(desk: Person, wallet: Wallet) -> None:
    page = desk.text(f"/admin/journals/?wallet={wallet.id}")
    journal = re.search(r"/admin/journals/details/\?id=[0-9a-f-]{36}", page)
    assert journal
    text = desk.text(journal[0])
    assert "What it belongs to" in text
    assert "/admin/wallet-transactions/details/" in text
    assert "Adjustment" in text


def test_every_currency_balances_by_book(app: object, wallet: Wallet) -> None:
    make_wallet("7", account=make_account(prepaid=True, currency="USD"), at=clock.now())
    _, used, metric = a_rupee_each("5")
    add_usage(used.account, metric, 8)
    meter()
    rupees, dollars = trial_balances.as_of()
    told = {line.book: (line.debit, line.credit) for line in rupees.lines}
    assert told == {
        Book.wallet: (0, 260),
        Book.receivable: (3, 0),
        Book.cash: (255, 0),
        Book.revenue: (0, 8),
        Book.adjustment: (10, 0),
    }
    assert (rupees.debit, rupees.credit) == (Decimal(268), Decimal(268))
    assert (dollars.currency, dollars.debit, dollars.credit) == ("USD", 7, 7)
    assert trial_balances.as_of(FIFTH) == []


def test_the_page_goes_back_to_a_day(desk: Person, wallet: Wallet) -> None:
    now = desk.text("/admin/trial-balance/")
    assert "₹260.00" in now
    assert "Balanced" in now
    then = desk.text("/admin/trial-balance/?on=2026-10-05")
    assert "₹250.00" in then
    assert "₹260.00" not in then
    assert "Adjustment" not in then
    assert "Nothing had been posted by then" in desk.text("/admin/trial-balance/?on=2026-10-04")
    for nonsense in ("x", "9999-12-31", "2026-13-01", "%00"):
        assert "₹260.00" in desk.text(f"/admin/trial-balance/?on={nonsense}")
