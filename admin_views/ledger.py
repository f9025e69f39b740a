"""The ledger: journals found by what they touched, their postings, and the trial balance as of a day."""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from flask import request
from flask_admin import BaseView, expose
from sqlalchemy import ColumnElement, any_, exists, false, func, select

from admin_views import formatters
from admin_views.base import ModelScreen, StaffView
from admin_views.filters import Filter
from admin_views.records import Related
from admin_views.registry import screen
from app import clock
from app.models import Account, Journal, Posting, Wallet, WalletTransaction
from app.models.wallets import Book
from app.services import trial_balances
from app.templating import current_zone, words

LARGEST_EXPONENT = 20
BOOKS = tuple((book.value, words(book.value)) for book in Book)
OFTEN = (Book.wallet, Book.revenue)


def touching(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    """Return the condition that a journal has a posting like this."""
    return exists().where(Posting.journal_id == Journal.id, condition)


def on_book(book: str) -> ColumnElement[bool]:
    """Return the condition that a journal touches a book. Nearly all touch `wallet` and `revenue`, so they
    are found on the way; of the others the ids come first, from the index that leaves those two out.
    """
    if book in OFTEN:
        return touching(Posting.book == book)
    found = select(Posting.journal_id).where(
        Posting.book == book, *(Posting.book != often for often in OFTEN)
    )
    return Journal.id == any_(func.array(found.scalar_subquery()))


def of_amount(given: str) -> ColumnElement[bool]:
    """Return the condition that a journal moved this amount, in whichever direction."""
    try:
        amount = Decimal(given.replace(",", ""))
    except InvalidOperation:
        return false()
    # Nothing larger is ever posted, and the database could not read it.
    if not amount.is_finite() or abs(amount.adjusted()) > LARGEST_EXPONENT:
        return false()
    return touching(func.abs(Posting.amount) == abs(amount))


def on_wallet(wallet_id: UUID) -> ColumnElement[bool]:
    """Return the condition that a journal is of this wallet."""
    return touching(Posting.wallet_id == wallet_id)


def on_account(account_id: UUID) -> ColumnElement[bool]:
    """Return the condition that a journal is of this account."""
    return touching(Posting.account_id == account_id)


@screen(Journal, category="Wallets", title="Ledger journals", icon="book", place=3)
class JournalScreen(ModelScreen):
    """The journals of the ledger: never changed, only reversed by another."""

    column_list = ("created_at", "kind", "currency", "reason", "actor", "reference_type")
    formats = {"reference_type": lambda journal: formatters.kind_of_record(journal.reference_type)}
    labels = {"reference_type": "Belongs to"}
    search = ("=reference_id",)
    filters = (
        "kind",
        "currency",
        Filter("book", "Book", "choice", BOOKS, where=on_book),
        Filter("account", "Account", "lookup", target=Account, where=on_account),
        Filter("wallet", "Wallet", "lookup", target=Wallet, where=on_wallet),
        Filter("amount", "Amount", "text", where=of_amount),
        "created_at",
    )
    big = True
    intro = "Every movement of money, both sides of it. Journals are never changed, only reversed by another."
    empty = "The first movement of money writes the first journal."
    related = (
        Related(
            Posting, by="journal_id", columns=("book", "account", "amount", "seq", "balance_after"), limit=50
        ),
        Related(
            WalletTransaction,
            by="journal_id",
            columns=("created_at", "wallet", "kind", "state", "amount"),
            title="What it belongs to",
            empty="It belongs to no transaction of a wallet: see its reference.",
        ),
    )


@screen(Posting, category="Wallets", title="Ledger postings", icon="list-details", place=4, listed=False)
class PostingScreen(ModelScreen):
    """Both sides of every journal; those on a wallet are linked by a hash chain."""

    column_list = ("id", "book", "account", "amount", "seq", "balance_after", "journal")
    search = ("=account.external_id",)
    filters = ("book", "account", "wallet", "currency")
    empty = "Both sides of every journal show here."
    big = True


class TrialBalanceView(StaffView, BaseView):
    """The page at /admin/trial-balance/."""

    resource = "wallets"
    icon = "scale"
    behind = True

    def __init__(self) -> None:
        super().__init__(
            name="Trial balance", category="Wallets", endpoint="admin_trial_balance", url="trial-balance"
        )

    @expose("/")
    def index(self) -> str:
        """Show what stands on every book at the end of a day of the reader's."""
        zone = ZoneInfo(current_zone())
        today = clock.now().astimezone(zone).date()
        asked = read_day(request.args.get("on", ""))
        on = min(asked, today) if asked else today
        after = datetime.combine(on + timedelta(days=1), time(), zone).astimezone(UTC)
        values: dict[str, Any] = {
            "on": on,
            "today": today,
            "zone": zone.key,
            "balances": trial_balances.as_of(None if on == today else after),
        }
        return self.render("admin/trial_balance.html", **values)


def read_day(text: str) -> date | None:
    """Return the day of an address, None where it names none."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
