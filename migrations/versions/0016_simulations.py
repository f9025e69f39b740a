"""Simulations of a plan version over past usage."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)
AMOUNT = sa.Numeric(20, 4)
STATUSES = ("running", "done", "cancelled", "failed")
SCOPES = ("plan", "all", "customer", "accounts")
ITEM_STATUSES = ("pending", "compared", "skipped", "failed")


def upgrade() -> None:
    _simulations()
    _accounts()


def downgrade() -> None:
    op.drop_table("simulated_accounts")
    op.drop_table("simulations")


def _simulations() -> None:
    op.create_table(
        "simulations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("plan_version_id", sa.Uuid(), nullable=False),
        sa.Column("first_month", sa.Text(), nullable=False),
        sa.Column("last_month", sa.Text(), nullable=False),
        sa.Column("scope", _choice("simulationscope", SCOPES), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=True),
        sa.Column("prices_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("status", _choice("simulationstatus", STATUSES), nullable=False),
        sa.Column("accounts", sa.Integer(), nullable=False),
        sa.Column("started_by", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("finished_at", INSTANT, nullable=True),
        sa.Column("created_at", INSTANT, server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", INSTANT, server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("first_month ~ '^[0-9]{4}-[0-9]{2}$'", name=op.f("ck_simulations_first_month")),
        sa.CheckConstraint("last_month ~ '^[0-9]{4}-[0-9]{2}$'", name=op.f("ck_simulations_last_month")),
        sa.CheckConstraint("last_month >= first_month", name=op.f("ck_simulations_in_order")),
        sa.CheckConstraint(
            "(scope = 'customer') = (customer_id IS NOT NULL)", name=op.f("ck_simulations_customer_of_scope")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_simulations")),
        _references("simulations", "plan_version_id", "plan_versions"),
        _references("simulations", "customer_id", "customers"),
    )
    op.create_index("ix_simulations_plan_version_id", "simulations", ["plan_version_id"])
    op.create_index("ix_simulations_customer_id", "simulations", ["customer_id"])


def _accounts() -> None:
    op.create_table(
        "simulated_accounts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("simulation_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column(
            "status",
            _choice("simulationitemstatus", ITEM_STATUSES),
            server_default="pending",
            nullable=False,
        ),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("old_amount", AMOUNT, nullable=True),
        sa.Column("new_amount", AMOUNT, nullable=True),
        sa.Column("difference", AMOUNT, nullable=True),
        sa.Column("months", postgresql.JSONB(), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("created_at", INSTANT, server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", INSTANT, server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "(status = 'compared') = (difference IS NOT NULL) AND difference = new_amount - old_amount",
            name=op.f("ck_simulated_accounts_difference"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_simulated_accounts")),
        _references("simulated_accounts", "simulation_id", "simulations", "CASCADE"),
        _references("simulated_accounts", "account_id", "accounts"),
        sa.UniqueConstraint(
            "simulation_id", "account_id", name=op.f("uq_simulated_accounts_simulation_id_account_id")
        ),
    )
    op.create_index(
        "ix_simulated_accounts_difference",
        "simulated_accounts",
        ["simulation_id", "currency", "difference", "id"],
    )
    op.create_index("ix_simulated_accounts_account_id", "simulated_accounts", ["account_id"])


def _choice(name: str, values: tuple[str, ...]) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, length=32, create_constraint=True)


def _references(table: str, column: str, other: str, ondelete: str = "RESTRICT") -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_{column}_{other}")
    return sa.ForeignKeyConstraint([column], [f"{other}.id"], name=name, ondelete=ondelete)
