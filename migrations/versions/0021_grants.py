"""Granted money with an expiry."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

AMOUNT = sa.Numeric(20, 4)
INSTANT = sa.DateTime(timezone=True)

APPEND_ONLY = (
    "CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON grant_uses "
    "FOR EACH ROW EXECUTE FUNCTION refuse_change(); "
    "CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON grant_uses "
    "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
)


def upgrade() -> None:
    op.add_column("wallets", sa.Column("granted", AMOUNT, server_default=sa.text("0"), nullable=False))
    op.add_column("wallets", sa.Column("metered", AMOUNT, nullable=True))
    op.create_check_constraint(op.f("ck_wallets_granted_not_negative"), "wallets", "granted >= 0")
    _grants()
    _uses()


def downgrade() -> None:
    op.drop_table("grant_uses")
    op.drop_table("grants")
    op.drop_constraint(op.f("ck_wallets_granted_not_negative"), "wallets", type_="check")
    op.drop_column("wallets", "metered")
    op.drop_column("wallets", "granted")


def _refers(table: str, column: str, to: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_{column}_{to}")
    return sa.ForeignKeyConstraint([column], [f"{to}.id"], name=name, ondelete="RESTRICT")


def _created_at() -> sa.Column[sa.DateTime]:
    return sa.Column("created_at", INSTANT, server_default=sa.text("now()"), nullable=False)


def _grants() -> None:
    kinds = ("promotional", "purchased")
    kind = sa.Enum(*kinds, name="grantkind", native_enum=False, create_constraint=True, length=32)
    op.create_table(
        "grants",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("wallet_id", sa.Uuid(), nullable=False),
        sa.Column("kind", kind, nullable=False),
        sa.Column("amount", AMOUNT, nullable=False),
        sa.Column("remaining", AMOUNT, nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("expires_at", INSTANT, nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("voided_at", INSTANT, nullable=True),
        sa.Column("drawn", postgresql.JSONB(), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("transaction_id", sa.Uuid(), nullable=False),
        _created_at(),
        sa.CheckConstraint("amount > 0", name=op.f("ck_grants_amount")),
        sa.CheckConstraint("remaining >= 0 AND remaining <= amount", name=op.f("ck_grants_remaining")),
        sa.CheckConstraint("expires_at > created_at", name=op.f("ck_grants_expires_later")),
        _refers("grants", "wallet_id", "wallets"),
        _refers("grants", "transaction_id", "wallet_transactions"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_grants")),
    )
    op.create_index("ix_grants_wallet_id", "grants", ["wallet_id"])
    op.create_index("ix_grants_transaction_id", "grants", ["transaction_id"])
    op.create_index("ix_grants_live", "grants", ["expires_at"], postgresql_where=sa.text("remaining > 0"))


def _uses() -> None:
    op.create_table(
        "grant_uses",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("grant_id", sa.Uuid(), nullable=False),
        sa.Column("transaction_id", sa.Uuid(), nullable=True),
        sa.Column("hold_id", sa.Uuid(), nullable=True),
        sa.Column("amount", AMOUNT, nullable=False),
        _created_at(),
        sa.CheckConstraint("amount <> 0", name=op.f("ck_grant_uses_amount")),
        sa.CheckConstraint(
            "(transaction_id IS NULL) <> (hold_id IS NULL)", name=op.f("ck_grant_uses_one_cause")
        ),
        _refers("grant_uses", "grant_id", "grants"),
        _refers("grant_uses", "transaction_id", "wallet_transactions"),
        _refers("grant_uses", "hold_id", "wallet_holds"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_grant_uses")),
    )
    op.create_index("ix_grant_uses_grant_id", "grant_uses", ["grant_id"])
    op.create_index("ix_grant_uses_transaction_id", "grant_uses", ["transaction_id"])
    op.create_index("ix_grant_uses_hold_id", "grant_uses", ["hold_id"])
    op.execute(APPEND_ONLY)
