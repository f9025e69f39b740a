"""What somebody with all power over the database might do to the books, each as one function.

A forgery gets the books as they were, the connection and a source of chance, changes something, and returns
the places of which one at least has to be named by the checks.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, text

from app.ids import new_id
from app.models.wallets import Book, TransactionKind
from app.services.ledger import JOURNAL_COLUMNS, link, spell

Rows = list[Row[Any]]
POSTINGS = text("""
    SELECT p.*, c.seq AS place, c.wallet_id AS chain FROM postings p
    JOIN postings c ON c.journal_id = p.journal_id AND c.seq IS NOT NULL ORDER BY c.wallet_id, c.seq, p.id
""")
JOURNALS = text("""
    SELECT j.*, c.seq AS place, c.wallet_id AS chain FROM journals j
    JOIN postings c ON c.journal_id = j.id AND c.seq IS NOT NULL ORDER BY c.wallet_id, c.seq
""")
POSTING_COLUMNS = (
    *("id", "journal_id", "book", "account_id", "wallet_id", "currency", "amount", "seq"),
    *("balance_after", "prev_hash", "hash"),
)
FIGURES = ("balance", "receivable", "seq", "chain_head")
ADD_POSTING = text("""
    INSERT INTO postings (journal_id, book, account_id, wallet_id, currency, amount, seq, balance_after,
                          prev_hash, hash)
    VALUES (:journal_id, :book, :account_id, :wallet_id, :currency, :amount, :seq, :balance_after,
            :prev_hash, :hash)
""")
ADD_JOURNAL = text(f"""
    INSERT INTO journals ({", ".join(JOURNAL_COLUMNS)})
    VALUES ({", ".join(f":{name}" for name in JOURNAL_COLUMNS)})
""")


@dataclass(frozen=True, slots=True)
class Books:
    """The books before anybody touched them."""

    postings: Rows
    journals: Rows
    wallets: Rows

    @classmethod
    def read(cls, connection: Connection) -> "Books":
        """Read all of them, the wallets that have moved only."""
        wallets = connection.execute(text("SELECT * FROM wallets WHERE seq > 1 ORDER BY id"))
        return cls(list(connection.execute(POSTINGS)), list(connection.execute(JOURNALS)), list(wallets))

    def of(self, wallet_id: UUID) -> Rows:
        """Return the journals of a wallet in their order."""
        return [row for row in self.journals if row.chain == wallet_id]

    def sides(self, journal_id: UUID) -> Rows:
        """Return the postings of a journal."""
        return [row for row in self.postings if row.journal_id == journal_id]


Forgery = Callable[[Books, Connection, random.Random], set[str]]


def place(wallet_id: UUID, *numbers: int) -> set[str]:
    """Return the names of places in a wallet's chain, as the checks write them."""
    return {f"posting {number} of wallet {wallet_id}" for number in numbers}


def edit_posting(books: Books, connection: Connection, chance: random.Random) -> set[str]:
    """Change one column of one posting."""
    row, column = chance.choice(books.postings), chance.choice(POSTING_COLUMNS)
    value = _another(books, row, column, chance)
    _set(connection, "postings", row.id, column, value)
    if column == "id":
        return {f"posting id {value}"}
    return place(row.chain, row.place) | (place(value, row.place) if column == "wallet_id" else set())


def edit_journal(books: Books, connection: Connection, chance: random.Random) -> set[str]:
    """Change one column of one journal."""
    row, column = chance.choice(books.journals), chance.choice(JOURNAL_COLUMNS)
    _set(connection, "journals", row.id, column, _another(books, row, column, chance))
    return place(row.chain, row.place)


def edit_wallet(books: Books, connection: Connection, chance: random.Random) -> set[str]:
    """Change one figure of a wallet."""
    row, column = chance.choice(books.wallets), chance.choice(FIGURES)
    _set(connection, "wallets", row.id, column, _another(books, row, column, chance))
    return place(row.id, row.seq) if column == "chain_head" else {f"wallet {row.id}"}


def delete(books: Books, connection: Connection, chance: random.Random) -> set[str]:
    """Delete a posting, the row of a journal, or both with all its sides."""
    row = chance.choice(books.postings)
    which = chance.choice(["posting", "journal", "sides", "all"])
    if which == "posting":
        connection.execute(text("DELETE FROM postings WHERE id = :id"), {"id": row.id})
    if which in {"sides", "all"}:
        connection.execute(text("DELETE FROM postings WHERE journal_id = :id"), {"id": row.journal_id})
    if which in {"journal", "all"}:
        connection.execute(text("DELETE FROM journals WHERE id = :id"), {"id": row.journal_id})
    return place(row.chain, row.place)


def add_sides(books: Books, connection: Connection, chance: random.Random) -> set[str]:
    """Add a side to a journal, or two that balance."""
    row, amount = chance.choice(books.postings), _amount(chance)
    for book, signed in ((Book.cash, amount), (Book.revenue, -amount))[: chance.choice([1, 2])]:
        connection.execute(ADD_POSTING, _side(row, row.journal_id, book, signed))
    return place(row.chain, row.place)


def add_journal(books: Books, connection: Connection, chance: random.Random) -> set[str]:
    """Add a journal that balances and stands in no chain."""
    row, amount = chance.choice(books.postings), _amount(chance)
    journal = _journal(books, chance)
    connection.execute(ADD_JOURNAL, journal)
    for book, signed in ((Book.cash, amount), (Book.revenue, -amount)):
        connection.execute(ADD_POSTING, _side(row, journal["id"], book, signed))
    return {f"journal {journal['id']}"}


def append(books: Books, connection: Connection, chance: random.Random) -> set[str]:
    """Add a journal to the end of a chain, with the right hash; half the time the wallet's figures follow."""
    wallet, amount, journal = chance.choice(books.wallets), _amount(chance), _journal(books, chance)
    last = books.of(wallet.id)[-1]
    sides = {Book.wallet: amount, Book.cash: -amount}
    seq, balance = wallet.seq + 1, wallet.balance + amount
    head = link(
        wallet.chain_head,
        wallet_id=wallet.id,
        seq=seq,
        balance_after=balance,
        sides=spell(sides.items()),
        journal=journal,
    )
    chained = {"seq": seq, "balance_after": balance, "prev_hash": wallet.chain_head, "hash": head}
    connection.execute(ADD_JOURNAL, journal)
    bearer = books.sides(last.id)[0]
    connection.execute(ADD_POSTING, _side(bearer, journal["id"], Book.wallet, amount) | chained)
    connection.execute(ADD_POSTING, _side(bearer, journal["id"], Book.cash, -amount))
    if chance.random() < 0.5:
        _keep(connection, wallet.id, balance=balance, seq=seq, chain_head=head)
    return {f"wallet {wallet.id}"}


def swap(books: Books, connection: Connection, chance: random.Random) -> set[str]:
    """Let two journals of a wallet change their places, their sides, or their instants."""
    wallet = chance.choice(books.wallets)
    one, two = chance.sample(books.of(wallet.id), 2)
    which = chance.choice(["seq", "journal_id", "created_at"])
    if which == "created_at":
        assert one.created_at != two.created_at
        _set(connection, "journals", one.id, which, two.created_at)
        _set(connection, "journals", two.id, which, one.created_at)
    else:
        first, second = (
            next(row for row in books.sides(each.id) if row.seq is not None) for each in (one, two)
        )
        if which == "seq":
            _set(connection, "postings", first.id, which, -1)
        _set(connection, "postings", second.id, which, getattr(first, which))
        _set(connection, "postings", first.id, which, getattr(second, which))
    return place(wallet.id, one.place, two.place)


def cut_off(books: Books, connection: Connection, chance: random.Random) -> set[str]:
    """Delete the end of a wallet's history, its transactions mostly too, and set its figures to match."""
    wallet = chance.choice(books.wallets)
    last = chance.randrange(0, wallet.seq)
    gone = [row.id for row in books.of(wallet.id) if row.place > last]
    if chance.random() < 0.7:
        connection.execute(
            text("DELETE FROM wallet_transactions WHERE journal_id = ANY(:ids)"), {"ids": gone}
        )
    connection.execute(text("DELETE FROM postings WHERE journal_id = ANY(:ids)"), {"ids": gone})
    connection.execute(text("DELETE FROM journals WHERE id = ANY(:ids)"), {"ids": gone})
    kept = [row for row in books.postings if row.chain == wallet.id and row.place <= last]
    end = next((row for row in kept if row.seq == last), None)
    _keep(
        connection,
        wallet.id,
        balance=end.balance_after if end else 0,
        receivable=-sum(row.amount for row in kept if row.book == Book.receivable),
        seq=last,
        chain_head=end.hash if end else b"",
    )
    return place(wallet.id, *range(last + 1, wallet.seq + 1))


def rewrite(books: Books, connection: Connection, chance: random.Random) -> set[str]:
    """Raise a movement and write the chain anew from there, figures and transaction with it."""
    wallet = chance.choice(books.wallets)
    journals = books.of(wallet.id)
    begin = chance.choice([row for row in journals if _bearer(books, row).book == Book.wallet])
    more, previous, balance = _amount(chance), _bearer(books, begin).prev_hash, Decimal(0)
    for journal in journals[begin.place - 1 :]:
        sides = {row.book: row.amount for row in books.sides(journal.id)}
        bearer = _bearer(books, journal)
        if journal is begin:
            other = next(book for book in sides if book != Book.wallet)
            sides |= {Book.wallet: sides[Book.wallet] + more, other: sides[other] - more}
            for row in books.sides(journal.id):
                _set(connection, "postings", row.id, "amount", sides[row.book])
        balance = bearer.balance_after + more
        head = link(
            previous,
            wallet_id=wallet.id,
            seq=bearer.seq,
            balance_after=balance,
            sides=spell(sides.items()),
            journal=journal._asdict(),
        )
        for column, value in (("balance_after", balance), ("prev_hash", previous), ("hash", head)):
            _set(connection, "postings", bearer.id, column, value)
        previous = head
    _keep(connection, wallet.id, balance=balance, chain_head=previous)
    told = text("UPDATE wallet_transactions SET amount = amount + :more WHERE journal_id = :id")
    connection.execute(told, {"more": more, "id": begin.id})
    return place(wallet.id, *range(begin.place, wallet.seq + 1))


# Each with its weight among all.
FORGERIES: dict[str, tuple[Forgery, int]] = {
    "edit a posting": (edit_posting, 6),
    "edit a journal": (edit_journal, 5),
    "edit a wallet's figures": (edit_wallet, 2),
    "delete": (delete, 4),
    "add sides": (add_sides, 2),
    "add a journal": (add_journal, 2),
    "append to a chain": (append, 2),
    "swap": (swap, 3),
    "cut off the end": (cut_off, 3),
    "write a history anew": (rewrite, 2),
}


def _bearer(books: Books, journal: Row[Any]) -> Row[Any]:
    return next(row for row in books.sides(journal.id) if row.seq is not None)


def _amount(chance: random.Random) -> Decimal:
    return Decimal(chance.randrange(1, 10_000)) / 100


def _another(books: Books, row: Row[Any], column: str, chance: random.Random) -> Any:
    """Return a value of a column that is another one than the row has."""
    now = getattr(row, column)
    postings, journals = books.postings, books.journals
    choices: dict[str, Callable[[], Any]] = {
        "id": lambda: chance.randrange(10**9, 10**12) if isinstance(now, int) else new_id(),
        "journal_id": lambda: chance.choice(journals).id,
        "reverses_id": lambda: chance.choice([None, chance.choice(journals).id]),
        "account_id": lambda: chance.choice(postings).account_id,
        "wallet_id": lambda: chance.choice(postings).wallet_id,
        "book": lambda: chance.choice([str(book) for book in Book]),
        "kind": lambda: chance.choice([str(kind) for kind in TransactionKind]),
        "currency": lambda: chance.choice(["USD", "IDR", "EUR"]),
        "created_at": lambda: now + timedelta(microseconds=chance.choice([1, -1, 10**6, 10**12])),
        "seq": lambda: chance.choice([0, -1, now and now + 1, chance.randrange(1, 60)]),
    }
    if column in {"amount", "balance", "receivable", "balance_after"}:
        return (now or 0) + chance.choice([1, -1]) * _amount(chance)
    if column in {"prev_hash", "hash", "chain_head"}:
        return chance.choice([chance.randbytes(32), b"\0" * 32, b""])
    while (value := choices.get(column, lambda: f"{now or ''}{chance.choice('aZ0 é')}")()) == now:
        continue
    return value


def _set(connection: Connection, table: str, row_id: object, column: str, value: object) -> None:
    changed = text(f"UPDATE {table} SET {column} = :value WHERE id = :id")
    connection.execute(changed, {"value": value, "id": row_id})


def _keep(connection: Connection, wallet_id: UUID, **figures: object) -> None:
    for column, value in figures.items():
        _set(connection, "wallets", wallet_id, column, value)


def _journal(books: Books, chance: random.Random) -> dict[str, Any]:
    """Return the columns of a journal that looks like another one of the books."""
    like = chance.choice(books.journals)._asdict()
    return {name: like[name] for name in JOURNAL_COLUMNS} | {"id": new_id(), "reverses_id": None}


def _side(like: Row[Any], journal_id: UUID, book: str, amount: Decimal) -> dict[str, Any]:
    unchained = dict.fromkeys(("seq", "balance_after", "prev_hash", "hash"))
    owner = {"account_id": like.account_id, "wallet_id": like.wallet_id, "currency": like.currency}
    return {"journal_id": journal_id, "book": str(book), "amount": amount, **owner, **unchained}
