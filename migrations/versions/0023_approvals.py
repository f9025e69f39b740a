"""A second person for money that staff move, and the history of the proofs of the books."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)
AMOUNT = sa.Numeric(20, 4)
STATUSES = ("requested", "approved", "refused", "withdrawn", "expired")
RUN_STATUSES = ("queued", "running", "done", "failed")
# What one person alone may move until somebody decides otherwise.
LIMITS = (("INR", "50000"), ("USD", "500"), ("IDR", "10000000"))


def upgrade() -> None:
    _limits()
    _approvals()
    _verifications()


def downgrade() -> None:
    op.drop_table("verifications")
    op.drop_table("approvals")
    op.drop_table("approval_limits")


def _limits() -> None:
    table = op.create_table(
        "approval_limits",
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("amount", AMOUNT, nullable=False),
        *_timestamps(),
        sa.CheckConstraint("amount >= 0", name=op.f("ck_approval_limits_amount_not_negative")),
        sa.PrimaryKeyConstraint("currency", name=op.f("pk_approval_limits")),
    )
    op.bulk_insert(table, [{"currency": currency, "amount": amount} for currency, amount in LIMITS])


def _approvals() -> None:
    op.create_table(
        "approvals",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("operation", sa.Text(), nullable=False),
        sa.Column("wallet_id", sa.Uuid(), nullable=False),
        sa.Column("amount", AMOUNT, nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column("details", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("status", _choice("approvalstatus", STATUSES), nullable=False),
        sa.Column("requested_by_id", sa.Uuid(), nullable=False),
        sa.Column("requested_by", sa.Text(), nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.Column("decided_by_id", sa.Uuid(), nullable=True),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("decided_at", INSTANT, nullable=True),
        sa.Column("decision_reason", sa.Text(), nullable=True),
        sa.Column("transaction_id", sa.Uuid(), nullable=True),
        *_timestamps(),
        sa.CheckConstraint("amount > 0", name=op.f("ck_approvals_amount_positive")),
        sa.CheckConstraint(
            "decided_by_id <> requested_by_id OR status = 'withdrawn'",
            name=op.f("ck_approvals_second_person"),
        ),
        sa.CheckConstraint(
            "(status = 'requested') = (decided_at IS NULL)", name=op.f("ck_approvals_decided")
        ),
        sa.CheckConstraint(
            "(status = 'approved') = (transaction_id IS NOT NULL)", name=op.f("ck_approvals_executed")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approvals")),
        _references("wallet_id", "wallets"),
        _references("requested_by_id", "users"),
        _references("decided_by_id", "users"),
        _references("transaction_id", "wallet_transactions"),
    )
    waiting = sa.text("status = 'requested'")
    op.create_index("ix_approvals_waiting", "approvals", ["requested_by_id"], postgresql_where=waiting)
    op.create_index("ix_approvals_wallet_id", "approvals", ["wallet_id"])
    op.create_index("ix_approvals_transaction_id", "approvals", ["transaction_id"])
    op.create_index("ix_approvals_requested_by_user", "approvals", ["requested_by_id"])
    op.create_index("ix_approvals_decided_by_id", "approvals", ["decided_by_id"])


def _verifications() -> None:
    op.create_table(
        "verifications",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("status", _choice("verificationstatus", RUN_STATUSES), nullable=False),
        sa.Column("started_by", sa.Text(), nullable=False),
        sa.Column("created_at", INSTANT, server_default=sa.text("now()"), nullable=False),
        sa.Column("started_at", INSTANT, nullable=True),
        sa.Column("finished_at", INSTANT, nullable=True),
        sa.Column("checks", sa.Integer(), nullable=False),
        sa.Column("done", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("failures", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("report", postgresql.JSONB(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_verifications")),
    )
    op.create_index("ix_verifications_created_at", "verifications", ["created_at"])
    op.create_index(
        "uq_verifications_under_way",
        "verifications",
        [sa.text("(1)")],
        unique=True,
        postgresql_where=sa.text("status IN ('queued', 'running')"),
    )


def _timestamps() -> tuple[sa.Column[object], sa.Column[object]]:
    return (
        sa.Column("created_at", INSTANT, server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", INSTANT, server_default=sa.text("now()"), nullable=False),
    )


def _choice(name: str, values: tuple[str, ...]) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, length=32, create_constraint=True)


def _references(column: str, other: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_approvals_{column}_{other}")
    return sa.ForeignKeyConstraint([column], [f"{other}.id"], name=name, ondelete="RESTRICT")
