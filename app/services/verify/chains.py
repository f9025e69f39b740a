"""The check of the hash chains: PostgreSQL recomputes every link, and the suspects are looked at one by one.

The bytes that `app.domain.ledger.chain_hash` hashes are put together in SQL, which is ten times as fast as
fetching the rows. The two spellings keep each other right: where SQL finds a link wrong, Python decides, and
a link that SQL finds right has the hash of exactly the bytes that were hashed when it was written.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import select, text

from app.db import db
from app.domain.ledger import GENESIS, LINK_BYTES
from app.domain.money import plain
from app.models import LedgerAnchor
from app.services import anchors
from app.services.ledger import JOURNAL_COLUMNS, link
from app.services.verify.checks import Findings, check, stream
from app.services.verify.spelling import ascii_, fixed, instant, words

# As `chain_hash` writes them: in the order of their names.
HASHED = " || ".join(
    (
        "int8send(length(l.prev_hash)) || l.prev_hash",
        ascii_("balance_after", "m", "trim_scale(l.balance_after)::text"),
        words("journal.actor", "s", "l.actor"),
        fixed("journal.created_at", "t", instant("l.created_at"), 32),
        words("journal.currency", "s", "l.currency"),
        fixed("journal.id", "u", "l.id::text", 36),
        ascii_("journal.kind", "s", "l.kind::text"),
        words("journal.reason", "s", "l.reason"),
        words("journal.reference_id", "s", "l.reference_id"),
        words("journal.reference_type", "s", "l.reference_type"),
        words("journal.reverses_id", "u", "l.reverses_id::text"),
        ascii_("seq", "i", "l.seq::text"),
        ascii_("sides", "s", "l.sides"),
        fixed("wallet_id", "u", "l.wallet_id::text", 36),
    )
)

SUSPECTS = f"""
    SELECT l.* FROM (
        SELECT p.id AS posting_id, p.wallet_id, p.book, p.seq, p.balance_after, p.prev_hash, p.hash, s.sides,
               j.id, j.kind, j.currency, j.reason, j.actor, j.reference_type, j.reference_id, j.reverses_id,
               j.created_at
        FROM postings p
        JOIN (
            SELECT journal_id,
                   string_agg(book || '=' || trim_scale(amount)::text, ';'
                              ORDER BY book COLLATE "C", amount) AS sides
            FROM postings GROUP BY journal_id
        ) s ON s.journal_id = p.journal_id
        LEFT JOIN journals j ON j.id = p.journal_id
        WHERE p.seq IS NOT NULL
    ) l
    WHERE l.id IS NULL OR l.hash IS DISTINCT FROM sha256({HASHED})
       OR (l.book <> 'wallet' AND NOT starts_with(l.sides, l.book || '='))
    ORDER BY l.wallet_id, l.seq
"""  # noqa: S608
OUT_OF_ORDER = """
    SELECT l.*, w.seq AS wallet_seq, w.account_id AS owner_id, w.currency AS kept_in, w.chain_head
    FROM (
        SELECT p.id AS posting_id, p.wallet_id, p.account_id, p.currency, p.seq, p.balance_after,
               CASE WHEN p.book = 'wallet' THEN p.amount ELSE 0 END AS moved, p.prev_hash, p.hash,
               lag(p.id, 1, 0::bigint) OVER chain AS before_id,
               lag(p.seq, 1, 0::bigint) OVER chain AS before_seq,
               lag(p.hash, 1, ''::bytea) OVER chain AS before_hash,
               lag(p.balance_after, 1, 0::numeric) OVER chain AS before_balance,
               lead(p.id) OVER chain IS NULL AS is_last
        FROM postings p WHERE p.seq IS NOT NULL
        WINDOW chain AS (PARTITION BY p.wallet_id ORDER BY p.seq)
    ) l
    LEFT JOIN wallets w ON w.id = l.wallet_id
    WHERE w.id IS NULL OR l.seq <> l.before_seq + 1 OR l.prev_hash IS DISTINCT FROM l.before_hash
       OR l.balance_after IS DISTINCT FROM l.before_balance + l.moved OR l.posting_id <= l.before_id
       OR l.account_id <> w.account_id OR l.currency <> w.currency
       OR (l.is_last AND l.hash <> w.chain_head)
    ORDER BY l.wallet_id, l.seq
"""
COUNTED = "SELECT count(*) AS links, count(DISTINCT wallet_id) AS wallets FROM postings WHERE seq IS NOT NULL"

# Sides that are not of the wallet in whose chain their journal has its place; wallets that are said to have
# moved and have no posting.
STRAY = """
    SELECT s.id, s.wallet_id AS stray_in, p.wallet_id, p.seq
    FROM postings p JOIN postings s ON s.journal_id = p.journal_id AND s.seq IS NULL
    WHERE p.seq IS NOT NULL
      AND (s.wallet_id <> p.wallet_id OR s.account_id <> p.account_id OR s.currency <> p.currency
           OR s.balance_after IS NOT NULL OR s.prev_hash IS NOT NULL)
"""
EMPTIED = """
    SELECT w.id, w.seq FROM wallets w
    WHERE (w.seq <> 0 OR w.chain_head <> '') AND NOT EXISTS (
        SELECT FROM postings p WHERE p.wallet_id = w.id AND p.seq IS NOT NULL
    )
"""
NEVER_GIVEN = """
    SELECT p.id, p.wallet_id, p.journal_id FROM postings p
    WHERE p.id < 1 OR p.id > (
        SELECT coalesce(pg_sequence_last_value(pg_get_serial_sequence('postings', 'id')::regclass), 0)
    )
"""
CUT_OFF = """
    SELECT a.number, a.at, a.wallet_id, a.seq, p.id AS posting_id
    FROM ledger_anchors a LEFT JOIN postings p ON p.wallet_id = a.wallet_id AND p.seq = a.seq
    WHERE p.hash IS DISTINCT FROM a.head ORDER BY a.number
"""


@check("chains", "The hash chain of every wallet recomputes")
def chains(findings: Findings, at: datetime) -> None:
    """Recompute every link from the journal and its sides, and follow it to the head that the wallet
    keeps."""
    counted = db.session.execute(text(COUNTED)).one()
    findings.count("wallets", counted.wallets)
    findings.count("links", counted.links)
    db.session.execute(text("SET LOCAL work_mem = '128MB'"))
    for row in stream(SUSPECTS):
        for message in _changed(row):
            _add(findings, row, row.seq, message)
    for row in stream(OUT_OF_ORDER):
        for seq, message in _out_of_order(row):
            _add(findings, row, seq, message)
    for row in stream(STRAY):
        findings.add(
            f"posting {row.seq} of wallet {row.wallet_id}",
            f"Its side with posting id {row.id} is of another wallet, account or currency, or bears a place.",
        )
    for row in stream(EMPTIED):
        findings.add(f"posting 1 of wallet {row.id}", f"Postings 1 to {row.seq} are missing.")
    for row in stream(NEVER_GIVEN):
        findings.add(
            f"posting id {row.id}", f"No posting had this id. It is in journal {row.journal_id} now."
        )


def _add(findings: Findings, row: Any, seq: int, message: str) -> None:
    findings.add(f"posting {seq} of wallet {row.wallet_id}", f"{message} (posting id {row.posting_id})")


def _changed(row: Any) -> Iterator[str]:
    """Yield what was changed of a journal; nothing where SQL alone finds the hash wrong."""
    if row.id is None:
        yield "Its journal is missing."
    elif row.hash != _link(row):
        yield "Its journal or one of its sides was changed."
    elif row.book != "wallet" and not row.sides.startswith(f"{row.book}="):
        yield "Another side of its journal should bear its number."


def _out_of_order(row: Any) -> Iterator[tuple[int, str]]:
    """Yield what is wrong between a posting, the one before it and its wallet, with its number."""
    if row.seq != row.before_seq + 1:
        yield row.before_seq + 1, f"Postings {row.before_seq + 1} to {row.seq - 1} are missing."
    adds_up = (row.before_balance or 0) + row.moved
    if row.balance_after != adds_up:
        told = "missing" if row.balance_after is None else plain(row.balance_after)
        yield row.seq, f"The balance after it is {told}, it adds up to {plain(adds_up)}."
    if row.prev_hash != row.before_hash:
        yield row.seq, "It does not follow the posting before it."
    if row.posting_id <= row.before_id:
        yield row.seq, "Its id was given before that of the posting before it."
    if row.chain_head is None:
        yield row.seq, "Its wallet is missing."
    elif row.account_id != row.owner_id or row.currency != row.kept_in:
        yield row.seq, "It is of another account or currency than its wallet."
    elif row.is_last and row.hash != row.chain_head:
        yield row.seq, "It is not the one that the wallet names as its last."
        if row.seq < row.wallet_seq:
            yield row.seq + 1, f"Postings {row.seq + 1} to {row.wallet_seq} are missing."


def _link(row: Any) -> bytes:
    if row.prev_hash is None or len(row.prev_hash) not in (len(GENESIS), LINK_BYTES):
        return GENESIS
    return link(
        row.prev_hash,
        wallet_id=row.wallet_id,
        seq=row.seq,
        balance_after=row.balance_after,
        sides=row.sides,
        journal={name: getattr(row, name) for name in JOURNAL_COLUMNS},
    )


@check("anchors", "Every wallet's chain goes through the places that were noted of it")
def anchored(findings: Findings, at: datetime) -> None:
    """Compare the chains with what the anchors saw, and the anchors with each other."""
    for row in stream(CUT_OFF):
        what = "is missing" if row.posting_id is None else "is another one"
        findings.add(
            f"posting {row.seq} of wallet {row.wallet_id}",
            f"What anchor {row.number} saw at {row.at} {what}.",
        )
    query = select(LedgerAnchor.__table__).order_by(LedgerAnchor.number)
    rows = db.session.execute(query.execution_options(yield_per=5_000)).mappings()

    def counted() -> Iterator[dict[str, Any]]:
        for row in rows:
            findings.count("anchors")
            yield dict(row)

    for bad in anchors.broken(counted()):
        findings.add(f"anchor {bad['number']}", "It does not follow the anchor before it, or was changed.")
