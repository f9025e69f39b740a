"""What the runtime role of the database may do with each table: the one place that says so.

The owner's role makes the tables, by migrations, and does nothing else. The web servers and workers sign in
as another role, which owns nothing: it cannot switch a trigger off, change a table or drop one. `flask db
upgrade` gives it its rights anew each time (`docs/adr/0012-who-owns-the-tables.md`).
"""

from collections import defaultdict

from sqlalchemy import Connection, text
from sqlalchemy.dialects import postgresql

READ = "SELECT"
ADD = "SELECT, INSERT"
# Never deleted. Of `event_keys` a trigger refuses the UPDATE too, but a row lock asks for the right to it.
KEEP = "SELECT, INSERT, UPDATE"
CHANGE = "SELECT, INSERT, UPDATE, DELETE"

# A partition has the rights of its table. A table that is not named may be changed; a test finds it.
TABLES = {
    "account_credits": CHANGE,
    "accounts": CHANGE,
    "alembic_version": READ,
    "api_key_secrets": CHANGE,
    "api_keys": CHANGE,
    "approval_limits": CHANGE,
    "approvals": CHANGE,
    "audit_anchors": ADD,
    "audit_records": ADD,
    "audit_seals": ADD,
    "audit_unsealed": CHANGE,
    "auto_top_ups": CHANGE,
    "billing_run_items": CHANGE,
    "billing_runs": CHANGE,
    "brand_logos": KEEP,
    "branding": KEEP,
    "charge_positions": CHANGE,
    "commitments": CHANGE,
    "coupon_redemptions": CHANGE,
    "coupons": CHANGE,
    "customer_notes": KEEP,
    "customers": CHANGE,
    "dead_letters": CHANGE,
    "discounts": CHANGE,
    "dunning_notices": KEEP,
    "dunning_pauses": CHANGE,
    "document_mails": CHANGE,
    "einvoices": KEEP,
    "ended_sessions": CHANGE,
    "event_archives": CHANGE,
    "event_corrections": ADD,
    "event_keys": KEEP,
    "exchange_rates": CHANGE,
    "exports": CHANGE,
    "grant_uses": ADD,
    "grants": KEEP,
    "idempotency_records": CHANGE,
    "invoice_lines": CHANGE,
    "invoice_series": CHANGE,
    "invoices": CHANGE,
    "job_runs": CHANGE,
    "journals": ADD,
    "ledger_anchors": ADD,
    "letters_of_undertaking": CHANGE,
    "metrics": CHANGE,
    "notification_preferences": CHANGE,
    "notification_reads": CHANGE,
    "notifications": CHANGE,
    "outbox_messages": CHANGE,
    "payment_methods": CHANGE,
    "payments": CHANGE,
    "plan_move_items": CHANGE,
    "plan_moves": CHANGE,
    "plan_versions": CHANGE,
    "postings": ADD,
    "price_components": CHANGE,
    "price_plans": CHANGE,
    "refunds": KEEP,
    "saved_filters": CHANGE,
    "seller_registrations": CHANGE,
    "simulated_accounts": CHANGE,
    "simulations": CHANGE,
    "stored_files": CHANGE,
    "subscriptions": CHANGE,
    "tax_collectors": CHANGE,
    "tax_rates": CHANGE,
    "tds_receivables": KEEP,
    "terms_overrides": CHANGE,
    "usage_deltas": CHANGE,
    "usage_events": ADD,
    "usage_rollups": CHANGE,
    "used_nonces": CHANGE,
    "users": CHANGE,
    "verifications": CHANGE,
    "voucher_adjustments": ADD,
    "vouchers": KEEP,
    "wallet_holds": KEEP,
    "wallet_spending": CHANGE,
    "wallet_transactions": KEEP,
    "wallet_transfers": ADD,
    "wallets": KEEP,
    "webhook_messages": CHANGE,
}
# What the owner does for the runtime role: the tables of the months, by functions that check their arguments.
FUNCTIONS = (
    "ensure_usage_partition(timestamptz)",
    "freeze_usage_partition(text)",
    "detach_usage_partition(text, integer)",
    "drop_usage_partition(text, integer)",
)

OWN_TABLES = text("""
    SELECT c.relname AS name, coalesce(parent.relname, c.relname) AS decides
    FROM pg_class c
    LEFT JOIN pg_inherits i ON i.inhrelid = c.oid LEFT JOIN pg_class parent ON parent.oid = i.inhparent
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
      AND pg_get_userbyid(c.relowner) = current_user
    ORDER BY 1
""")
# Where the role could do more to a table that loses nothing than look, add and change, or even owns it.
TOO_MUCH = text("""
    SELECT c.relname AS name, pg_has_role(c.relowner, 'USAGE') AS owned
    FROM pg_class c
    WHERE c.relnamespace = 'public'::regnamespace AND c.relname = ANY(:tables)
      AND (has_table_privilege(c.oid, 'DELETE, TRUNCATE, TRIGGER') OR pg_has_role(c.relowner, 'USAGE'))
    ORDER BY 1
""")
_quote = postgresql.dialect().identifier_preparer.quote  # type: ignore[no-untyped-call]


def rights_of(table: str) -> str:
    """Return what the runtime role may do with a table."""
    return ADD if table.startswith("archived_usage_events_") else TABLES.get(table, CHANGE)


def give(connection: Connection, runtime: str) -> None:
    """Give the role `runtime` its rights, and only those, on all tables of the role that is signed in.

    Where both are one role, which then owns all, nothing is done.
    """
    if runtime == connection.scalar(text("SELECT current_user")):
        return
    role = _quote(runtime)
    by_rights: defaultdict[str, list[str]] = defaultdict(list)
    for row in connection.execute(OWN_TABLES):
        by_rights[rights_of(row.decides)].append(_quote(row.name))
    statements = [
        "REVOKE CREATE ON SCHEMA public FROM PUBLIC",
        f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {role}",
        *(f"GRANT {rights} ON {', '.join(names)} TO {role}" for rights, names in by_rights.items()),
        f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {role}",
        # A month that is made later has what its table has, and a new table the least until it is named.
        f"ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT {ADD} ON TABLES TO {role}",
        f"ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE ON SEQUENCES TO {role}",
    ]
    for function in FUNCTIONS:
        if connection.scalar(text("SELECT to_regprocedure(:name)"), {"name": function}):
            statements.append(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")
            statements.append(f"GRANT EXECUTE ON FUNCTION {function} TO {role}")
    for statement in statements:
        connection.exec_driver_sql(statement)


def kept() -> list[str]:
    """Return the tables of which nothing is ever deleted."""
    return sorted(name for name, rights in TABLES.items() if rights in (ADD, KEEP))


def could_rewrite(connection: Connection) -> dict[str, bool]:
    """Return those of the tables `kept` of which the role signed in could delete, and of each whether it owns
    it."""
    return {row.name: row.owned for row in connection.execute(TOO_MUCH, {"tables": kept()})}
