"""Tables as large as those of a big installation, multiplied from a few rows that the product itself made.

Every copy of a row has an id of its own, and refers to the copy with its number of what the row refers to, so
what belongs together stays together: the copy of an invoice has the copies of its lines, of its account and
of its customer. Rules that the database keeps by triggers are kept by being copied.
"""

import time
from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy import (
    Column,
    Date,
    DateTime,
    Enum,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    String,
    Table,
    UniqueConstraint,
    Uuid,
)

from app.db import Base

# How many rows at full size; other tables have a tenth of what the customers are.
SIZES = {
    "customers": 200_000,
    "accounts": 200_000,
    "subscriptions": 200_000,
    "users": 100_000,
    "wallets": 100_000,
    "invoices": 200_000,
    "invoice_lines": 1_000_000,
    "payments": 200_000,
    "vouchers": 200_000,
    "stored_files": 400_000,
    "document_mails": 200_000,
    "einvoices": 200_000,
    "outbox_messages": 200_000,
    "webhook_messages": 200_000,
    "notifications": 200_000,
    "audit_records": 1_000_000,
    "audit_seals": 1_000_000,
    "wallet_transactions": 300_000,
    "journals": 300_000,
    "postings": 600_000,
    "wallet_spending": 300_000,
    "charge_positions": 400_000,
    "grants": 100_000,
    "grant_uses": 200_000,
    "wallet_holds": 100_000,
    "billing_run_items": 400_000,
    "dead_letters": 100_000,
}
# Transactions of one wallet, invoices of its account, lines of one of them.
ONE_WALLET, ONE_ACCOUNT, ONE_INVOICE = 1_000_000, 5_000, 400
# What a seller has few of, and what the events are filled in by `bench.many_events`.
FEW = {
    *("metrics", "price_plans", "plan_versions", "price_components", "approval_limits", "verifications"),
    *("seller_registrations", "tax_rates", "tax_collectors", "exchange_rates", "invoice_series"),
    *("letters_of_undertaking", "branding", "brand_logos", "event_archives", "event_corrections"),
    *("event_keys", "usage_events", "usage_rollups", "usage_deltas", "used_nonces"),
}
# What a copy adds to the number of a document, which ends in its place in the series.
PLACE = "lpad(copy.n::text, 7, '0')"
# Words to which a copy adds its number, and texts that hold the id of another row.
NAMED = {("customers", "name"), ("accounts", "name"), ("customers", "email"), ("invoices", "number")}
REFERRING = frozenset({"resource_id", "reference_id"})
SPREAD_DAYS, SPREAD = 30, 12
GO_ON = "SELECT setval(pg_get_serial_sequence('{table}', '{column}'), max({column})) FROM {table}"
LOOKS_LIKE_ID = "^[0-9a-f]{8}-[0-9a-f]{4}-7"


def fill(url: str, scale: float) -> dict[str, float]:
    """Multiply what there is; return how many rows each large table has, and the seconds that it took.

    `url` signs in a superuser: the copies of append-only rows are made with the triggers off.
    """
    begun = time.perf_counter()
    with psycopg.connect(url, autocommit=True) as connection:
        for setting in (
            "session_replication_role = replica",
            "synchronous_commit = off",
            "work_mem = '256MB'",
        ):
            connection.execute(f"SET {setting}")
        copies = _copies(connection, scale)
        for table in Base.metadata.sorted_tables:
            if copies.get(table.name, 0) > 0:
                connection.execute(_multiplied(table, copies))
                for column in table.columns:
                    if column.identity:
                        connection.execute(GO_ON.format(table=table.name, column=column.name))
        _make_big(connection, scale)
        connection.execute("VACUUM ANALYZE")
        rows = {name: _count(connection, name) for name in SIZES}
    return {**rows, "seconds": round(time.perf_counter() - begun)}


def _copies(connection: psycopg.Connection[Any], scale: float) -> dict[str, int]:
    """Return how many copies each table gets of the rows that it has."""
    found = {}
    for table in Base.metadata.sorted_tables:
        there = 0 if table.name in FEW else _count(connection, table.name)
        wanted = SIZES.get(table.name, SIZES["customers"] // 10) * scale
        found[table.name] = max(0, round(wanted / there) - 1) if there else 0
    return found


def _count(connection: psycopg.Connection[Any], table: str) -> int:
    row = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table))).fetchone()
    return int(row[0]) if row else 0


def _multiplied(table: Table, copies: Mapping[str, int]) -> sql.Composed:
    """Return the statement that adds the copies of a table; what a unique rule refuses is left out."""
    columns = [column for column in table.columns if column.computed is None]
    values = [_value(table, column, copies) for column in columns]
    return sql.SQL(
        "INSERT INTO {table} ({columns}) OVERRIDING SYSTEM VALUE SELECT {values}"
        " FROM generate_series(1, {copies}) AS copy (n) CROSS JOIN {table} AS t ON CONFLICT DO NOTHING"
    ).format(
        table=sql.Identifier(table.name),
        columns=sql.SQL(", ").join(sql.Identifier(column.name) for column in columns),
        values=sql.SQL(", ").join(sql.SQL(value) for value in values),
        copies=sql.Literal(copies[table.name]),
    )


def _value(table: Table, column: Column[Any], copies: Mapping[str, int]) -> str:
    """Return the expression of a column in copy `n` of the row `t`."""
    own = f't."{column.name}"'
    parents = [key.column.table.name for key in column.foreign_keys]
    if isinstance(column.type, Uuid) and (parents or column.primary_key):
        limit = copies[parents[0]] if parents else copies[table.name]
        return _id(own, limit, copies[table.name]) if limit else own
    if column.name in REFERRING:
        return f"CASE WHEN {own} ~ '{LOOKS_LIKE_ID}' THEN ({_id_text(own, 'copy.n')}) ELSE {own} END"
    if isinstance(column.type, (DateTime, Date)):
        kind = "date" if isinstance(column.type, Date) else "timestamptz"
        return f"({own} - make_interval(days => {SPREAD_DAYS} * (copy.n % {SPREAD})))::{kind}"
    if isinstance(column.type, LargeBinary) and _tells_apart(table, column, copies):
        return f"int4send(copy.n) || {own}"
    if _is_text(column) and ((table.name, column.name) in NAMED or _tells_apart(table, column, copies)):
        if column.name == "number":
            return f"{own} || CASE WHEN {own} ~ '/[0-9]+$' THEN {PLACE} ELSE '-' || copy.n END"
        return f"{own} || CASE WHEN {own} ~ '@' THEN copy.n::text ELSE '-' || copy.n END"
    if isinstance(column.type, Integer) and (column.identity or column.unique or _is_key(table, column)):
        return f'{own} + copy.n::bigint * (SELECT max("{column.name}") FROM {table.name})'
    return own


def _id(own: str, parent_copies: int, own_copies: int) -> str:
    if parent_copies >= own_copies:
        return f"({_id_text(own + '::text', 'copy.n')})::uuid"
    turn = f"(copy.n % {parent_copies + 1})"
    return f"CASE WHEN {turn} = 0 THEN {own} ELSE ({_id_text(own + '::text', turn)})::uuid END"


def _id_text(own: str, number: str) -> str:
    return f"lpad(to_hex({number}), 8, '0') || substr({own}, 9)"


def _is_key(table: Table, column: Column[Any]) -> bool:
    return [each.name for each in table.primary_key] == [column.name]


def _tells_apart(table: Table, column: Column[Any], copies: Mapping[str, int]) -> bool:
    """Tell whether this has to differ between copies: the bytes, else the last text, of a unique rule without
    an id.
    """
    rules = [
        list(one.columns)
        for one in table.constraints
        if isinstance(one, (UniqueConstraint, PrimaryKeyConstraint))
    ]
    rules += [list(index.columns) for index in table.indexes if index.unique]
    for rule in rules:
        parents = [key.column.table.name for each in rule for key in each.foreign_keys]
        texts = [each.name for each in rule if _is_text(each)]
        texts = [each.name for each in rule if isinstance(each.type, LargeBinary)] or texts
        if texts and texts[-1] == column.name and not any(copies[name] for name in parents):
            return True
    return False


def _is_text(column: Column[Any]) -> bool:
    return isinstance(column.type, String) and not isinstance(column.type, Enum) and not column.type.length


BIG = """
    SELECT a.id AS account_id, a.customer_id, w.id AS wallet_id, w.currency
    FROM accounts a JOIN wallets w ON w.account_id = a.id ORDER BY a.id LIMIT 1
"""
TRANSACTIONS = """
    INSERT INTO journals (id, kind, currency, reason, actor, reference_type, reference_id, created_at)
    SELECT md5('journal ' || n)::uuid, 'usage', %(currency)s, 'Usage', 'metering', NULL, NULL,
           now() - make_interval(secs => n * 7)
    FROM generate_series(1, %(rows)s) n;
    INSERT INTO wallet_transactions (id, wallet_id, kind, state, amount, currency, balance_after, reason,
        actor, explanation, journal_id, created_at, completed_at)
    SELECT md5('transaction ' || n)::uuid, %(wallet_id)s, 'usage', 'COMPLETED', -0.25, %(currency)s, 1000,
           'Usage', 'metering', '[]', md5('journal ' || n)::uuid, now() - make_interval(secs => n * 7), now()
    FROM generate_series(1, %(rows)s) n;
    INSERT INTO postings (journal_id, book, account_id, wallet_id, currency, amount, seq, balance_after,
        prev_hash, hash)
    SELECT md5('journal ' || n)::uuid, side.book, %(account_id)s, %(wallet_id)s, %(currency)s, side.amount,
           CASE WHEN side.amount < 0 THEN 1000000000 - n END, CASE WHEN side.amount < 0 THEN 1000 END,
           CASE WHEN side.amount < 0 THEN '\\x00'::bytea END,
           CASE WHEN side.amount < 0 THEN '\\x00'::bytea END
    FROM generate_series(1, %(rows)s) n, (VALUES ('wallet', -0.25), ('revenue', 0.25)) AS side (book, amount);
"""
INVOICES = """
    UPDATE invoices SET account_id = %(account_id)s, customer_id = %(customer_id)s, origin = 'manual'
    WHERE id IN (SELECT id FROM invoices WHERE status NOT IN ('draft', 'parked') ORDER BY id LIMIT %(rows)s)
"""
LINES = """
    INSERT INTO invoice_lines SELECT (jsonb_populate_record(l, jsonb_build_object('id', gen_random_uuid(),
        'n', 1000 + copy.n, 'invoice_id', (SELECT id FROM invoices WHERE account_id = %(account_id)s
                                      AND status <> 'draft' ORDER BY id LIMIT 1)))).*
    FROM generate_series(1, %(rows)s) AS copy (n), invoice_lines l
    WHERE l.id = (SELECT id FROM invoice_lines WHERE kind = 'usage' LIMIT 1)
"""


def _make_big(connection: psycopg.Connection[Any], scale: float) -> None:
    """Give one account, the first by id, many transactions, many invoices, and an invoice with many lines."""
    found = connection.execute(BIG).fetchone()
    assert found, "no account has a wallet"
    big = dict(zip(("account_id", "customer_id", "wallet_id", "currency"), found, strict=True))
    # Several statements in one, so their values are put in on this side.
    psycopg.ClientCursor(connection).execute(TRANSACTIONS, {**big, "rows": round(ONE_WALLET * scale)})
    connection.execute(INVOICES, {**big, "rows": max(1, round(ONE_ACCOUNT * scale))})
    connection.execute(LINES, {**big, "rows": ONE_INVOICE})
