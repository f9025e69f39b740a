"""Holds on wallets, and transfers between them."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

MONEY = sa.Numeric(precision=20, scale=4)
INSTANT = sa.DateTime(timezone=True)
STATES = ("open", "captured", "released", "expired")

# A hold resolves once, and a transfer is what happened.
PROTECTION = """
CREATE TRIGGER keep_resolved BEFORE UPDATE ON wallet_holds FOR EACH ROW
    WHEN (OLD.state <> 'open') EXECUTE FUNCTION refuse_change();
CREATE TRIGGER refuse_delete BEFORE DELETE ON wallet_holds FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON wallet_holds
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON wallet_transfers
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON wallet_transfers
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
"""


def upgrade() -> None:
    _make_holds()
    _make_transfers()
    op.execute(PROTECTION)


def downgrade() -> None:
    op.drop_table("wallet_transfers")
    op.drop_table("wallet_holds")


def _make_holds() -> None:
    state = sa.Enum(*STATES, name="holdstate", native_enum=False, create_constraint=True, length=32)
    op.create_table(
        "wallet_holds",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("wallet_id", sa.Uuid(), nullable=False),
        sa.Column("amount", MONEY, nullable=False),
        sa.Column("captured", MONEY, server_default=sa.text("0"), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("state", state, server_default="open", nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("expires_at", INSTANT, nullable=True),
        sa.Column("transaction_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", INSTANT, server_default=sa.text("now()"), nullable=False),
        sa.Column("resolved_at", INSTANT, nullable=True),
        sa.CheckConstraint("amount > 0", name=op.f("ck_wallet_holds_amount")),
        sa.CheckConstraint("captured >= 0 AND captured <= amount", name=op.f("ck_wallet_holds_captured")),
        sa.CheckConstraint("(state = 'open') = (resolved_at IS NULL)", name=op.f("ck_wallet_holds_resolved")),
        sa.CheckConstraint(
            "(state = 'captured') = (transaction_id IS NOT NULL) AND (state = 'captured') = (captured > 0)",
            name=op.f("ck_wallet_holds_captured_by_transaction"),
        ),
        _key("wallet_holds", "wallet_id", "wallets"),
        _key("wallet_holds", "transaction_id", "wallet_transactions"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_wallet_holds")),
        sa.UniqueConstraint("transaction_id", name=op.f("uq_wallet_holds_transaction_id")),
    )
    op.create_index("ix_wallet_holds_wallet_id_created_at", "wallet_holds", ["wallet_id", "created_at"])
    open_ones = sa.text("state = 'open'")
    op.create_index("ix_wallet_holds_due", "wallet_holds", ["expires_at"], postgresql_where=open_ones)


def _make_transfers() -> None:
    op.create_table(
        "wallet_transfers",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("from_wallet_id", sa.Uuid(), nullable=False),
        sa.Column("to_wallet_id", sa.Uuid(), nullable=False),
        sa.Column("amount", MONEY, nullable=False),
        sa.Column("unpaid", MONEY, nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("from_transaction_id", sa.Uuid(), nullable=False),
        sa.Column("to_transaction_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", INSTANT, server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("amount > 0", name=op.f("ck_wallet_transfers_amount")),
        sa.CheckConstraint("unpaid >= 0 AND unpaid <= amount", name=op.f("ck_wallet_transfers_unpaid")),
        sa.CheckConstraint("from_wallet_id <> to_wallet_id", name=op.f("ck_wallet_transfers_two_wallets")),
        _key("wallet_transfers", "from_wallet_id", "wallets"),
        _key("wallet_transfers", "to_wallet_id", "wallets"),
        _key("wallet_transfers", "from_transaction_id", "wallet_transactions"),
        _key("wallet_transfers", "to_transaction_id", "wallet_transactions"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_wallet_transfers")),
        sa.UniqueConstraint("from_transaction_id", name=op.f("uq_wallet_transfers_from_transaction_id")),
        sa.UniqueConstraint("to_transaction_id", name=op.f("uq_wallet_transfers_to_transaction_id")),
    )
    for column in ("from_wallet_id", "to_wallet_id"):
        op.create_index(f"ix_wallet_transfers_{column}", "wallet_transfers", [column])


def _key(table: str, column: str, target: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_{column}_{target}")
    return sa.ForeignKeyConstraint([column], [f"{target}.id"], name=name, ondelete="RESTRICT")
