"""Double entry, the hash chain over a wallet's postings, and what a wallet can spend (docs/ops/ledger.md)."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from hashlib import sha256
from uuid import UUID

from app.domain.errors import Unbalanced
from app.domain.money import EXACT, plain

GENESIS = b""
"""What the first link of a chain follows: nothing."""

LINK_BYTES = 32

Chainable = str | int | bool | bytes | Decimal | datetime | date | UUID | None


@dataclass(frozen=True, slots=True)
class PostingLine:
    """One side of a journal: an amount (credit above zero, debit below) on a book of the ledger."""

    book: str
    amount: Decimal
    currency: str


def check_balanced(lines: Iterable[PostingLine]) -> None:
    """Return if the lines of a journal sum to zero in every currency and none of them is zero.

    Raises:
        Unbalanced: there is no line, a line of zero, or a currency with a rest.
    """
    sums: defaultdict[str, Decimal] = defaultdict(Decimal)
    for line in lines:
        if not line.amount:
            raise Unbalanced(f"The posting on {line.book} is zero.")
        sums[line.currency] = EXACT.add(sums[line.currency], line.amount)
    rests = [f"{plain(rest)} {currency}" for currency, rest in sorted(sums.items()) if rest]
    if not sums:
        raise Unbalanced("A journal needs postings.")
    if rests:
        raise Unbalanced(f"The postings leave a rest of {', '.join(rests)}.")


def available(balance: Decimal, held: Decimal, overdraft_limit: Decimal) -> Decimal:
    """Return what can be spent now: balance − held + overdraft limit."""
    return EXACT.add(EXACT.subtract(balance, held), overdraft_limit)


def chain_hash(previous: bytes, fields: Mapping[str, Chainable]) -> bytes:
    """Return the next link of a hash chain: SHA-256 over the previous link and the named fields.

    A link has 32 bytes; before the first comes `GENESIS`. The encoding is canonical and unambiguous: fields
    in name order, every name and value preceded by its length, every value by a letter for its type. Decimals
    are spelled without trailing zeros and instants in UTC, so what the database gives back hashes the same.

    Raises:
        TypeError: a value of another type.
        ValueError: `previous` has another length, or an instant is naive.
    """
    if len(previous) not in (len(GENESIS), LINK_BYTES):
        raise ValueError(f"A link of the chain has {LINK_BYTES} bytes, and none before the first.")
    digest = sha256(len(previous).to_bytes(8, "big") + previous)
    for name in sorted(fields):
        for part in (name.encode(), _encoded(fields[name])):
            digest.update(len(part).to_bytes(8, "big"))
            digest.update(part)
    return digest.digest()


def _encoded(value: Chainable) -> bytes:
    if value is None:
        return b"n"
    if isinstance(value, bool):
        return b"b1" if value else b"b0"
    if isinstance(value, bytes):
        return b"x" + value
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError("An instant needs a time zone.")
        return b"t" + value.astimezone(UTC).isoformat(timespec="microseconds").encode()
    for letter, kind in ((b"s", str), (b"u", UUID), (b"d", date)):
        if isinstance(value, kind):
            return letter + str(value).encode()
    if isinstance(value, int):
        return b"i" + str(value).encode()
    if isinstance(value, Decimal):
        return b"m" + plain(value).encode()
    raise TypeError(f"A hash chain cannot hold a {type(value).__name__}.")
