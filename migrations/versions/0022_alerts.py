"""Balance alerts, automatic top-ups, caps and notifications."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)
AMOUNT = sa.Numeric(20, 4)
TOP_UP_STATUSES = ("waiting", "gave_up", "done", "cancelled")
SPANS = ("day", "month")
WATCHED = ("alert_levels", "alerted_level", "topping_up", "daily_cap", "monthly_cap")

# What was used before the counters were there: by the local days of each account.
COUNT_SPENDING = """
    INSERT INTO wallet_spending (wallet_id, span, starts_on, amount)
    SELECT p.wallet_id, s.span, date_trunc(s.span, j.created_at AT TIME ZONE a.timezone)::date, sum(p.amount)
    FROM postings p
    JOIN journals j ON j.id = p.journal_id AND j.kind = 'usage'
    JOIN accounts a ON a.id = p.account_id
    CROSS JOIN (VALUES ('day'), ('month')) AS s (span)
    WHERE p.book = 'revenue'
    GROUP BY 1, 2, 3
"""


def upgrade() -> None:
    _wallets()
    _methods()
    _auto_top_ups()
    _spending()
    _notifications()
    op.execute(COUNT_SPENDING)


def downgrade() -> None:
    for table in (
        "notification_preferences",
        "notification_reads",
        "notifications",
        "wallet_spending",
        "auto_top_ups",
    ):
        op.drop_table(table)
    for column in ("method_id", "saves_method"):
        op.drop_column("payments", column)
    op.drop_table("payment_methods")
    for column in WATCHED:
        op.drop_column("wallets", column)


def _wallets() -> None:
    op.add_column("wallets", sa.Column("alert_levels", postgresql.JSONB(), nullable=True))
    op.add_column("wallets", sa.Column("alerted_level", AMOUNT, nullable=True))
    op.add_column(
        "wallets", sa.Column("topping_up", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    )
    op.add_column("wallets", sa.Column("daily_cap", AMOUNT, nullable=True))
    op.add_column("wallets", sa.Column("monthly_cap", AMOUNT, nullable=True))
    op.create_check_constraint(
        op.f("ck_wallets_caps_positive"), "wallets", "daily_cap > 0 AND monthly_cap > 0"
    )


def _methods() -> None:
    op.create_table(
        "payment_methods",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("gateway", sa.Text(), nullable=False),
        sa.Column("customer_ref", sa.Text(), nullable=False),
        sa.Column("method_ref", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("created_at", INSTANT, server_default=sa.text("now()"), nullable=False),
        sa.Column("removed_at", INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_methods")),
        _references("payment_methods", "account_id", "accounts"),
        sa.UniqueConstraint("gateway", "method_ref", name=op.f("uq_payment_methods_gateway_method_ref")),
    )
    op.create_index("ix_payment_methods_account_id", "payment_methods", ["account_id"])
    op.add_column(
        "payments", sa.Column("saves_method", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    )
    op.add_column("payments", sa.Column("method_id", sa.Uuid(), nullable=True))
    op.create_foreign_key(
        op.f("fk_payments_method_id_payment_methods"),
        "payments",
        "payment_methods",
        ["method_id"],
        ["id"],
        ondelete="RESTRICT",
    )
    op.create_index("ix_payments_method_id", "payments", ["method_id"])


def _auto_top_ups() -> None:
    op.create_table(
        "auto_top_ups",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("wallet_id", sa.Uuid(), nullable=False),
        sa.Column("status", _choice("autotopupstatus", TOP_UP_STATUSES), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("next_at", INSTANT, nullable=True),
        sa.Column("payment_id", sa.Uuid(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("closed_at", INSTANT, nullable=True),
        sa.Column("created_at", INSTANT, server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", INSTANT, server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "(status = 'waiting') = (next_at IS NOT NULL)", name=op.f("ck_auto_top_ups_next_while_waiting")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_auto_top_ups")),
        _references("auto_top_ups", "wallet_id", "wallets"),
        _references("auto_top_ups", "payment_id", "payments"),
    )
    op.create_index("ix_auto_top_ups_wallet_id", "auto_top_ups", ["wallet_id"])
    op.create_index("ix_auto_top_ups_payment_id", "auto_top_ups", ["payment_id"])
    op.create_index(
        "uq_auto_top_ups_one_open",
        "auto_top_ups",
        ["wallet_id"],
        unique=True,
        postgresql_where=sa.text("status IN ('waiting', 'gave_up')"),
    )
    op.create_index(
        "ix_auto_top_ups_due", "auto_top_ups", ["next_at"], postgresql_where=sa.text("status = 'waiting'")
    )


def _spending() -> None:
    op.create_table(
        "wallet_spending",
        sa.Column("wallet_id", sa.Uuid(), nullable=False),
        sa.Column("span", _choice("span", SPANS), nullable=False),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("amount", AMOUNT, nullable=False),
        sa.Column("told", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("wallet_id", "span", "starts_on", name=op.f("pk_wallet_spending")),
        _references("wallet_spending", "wallet_id", "wallets"),
    )


def _notifications() -> None:
    op.create_table(
        "notifications",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("tone", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("facts", postgresql.JSONB(), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("resource_type", sa.Text(), nullable=False),
        sa.Column("resource_id", sa.Text(), nullable=False),
        sa.Column("created_at", INSTANT, server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notifications")),
        _references("notifications", "customer_id", "customers"),
    )
    op.create_index("ix_notifications_customer_id_id", "notifications", ["customer_id", "id"])
    op.create_table(
        "notification_reads",
        sa.Column("notification_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("read_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("notification_id", "user_id", name=op.f("pk_notification_reads")),
        _references("notification_reads", "notification_id", "notifications", "CASCADE"),
        _references("notification_reads", "user_id", "users"),
    )
    op.create_index("ix_notification_reads_user_id", "notification_reads", ["user_id"])
    op.create_table(
        "notification_preferences",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=True),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("mail", sa.Boolean(), nullable=False),
        sa.CheckConstraint(
            "num_nonnulls(customer_id, user_id) = 1", name=op.f("ck_notification_preferences_of_one")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notification_preferences")),
        _references("notification_preferences", "customer_id", "customers"),
        _references("notification_preferences", "user_id", "users"),
        sa.UniqueConstraint("customer_id", "kind", name=op.f("uq_notification_preferences_customer_id_kind")),
        sa.UniqueConstraint("user_id", "kind", name=op.f("uq_notification_preferences_user_id_kind")),
    )


def _choice(name: str, values: tuple[str, ...]) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, length=32, create_constraint=True)


def _references(table: str, column: str, other: str, ondelete: str = "RESTRICT") -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_{column}_{other}")
    return sa.ForeignKeyConstraint([column], [f"{other}.id"], name=name, ondelete=ondelete)
