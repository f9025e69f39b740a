"""Credit notes, refunds and dunning."""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

MONEY = sa.Numeric(precision=20, scale=4)
INSTANT = sa.DateTime(timezone=True)
TARGETS = ("gateway", "bank", "wallet")
STATES = ("created", "pending", "unknown", "succeeded", "failed")
OPEN = sa.text("status IN ('created', 'pending', 'unknown')")

# An issued invoice is paid, credited or cancelled; its content never changes.
KEEP_ISSUED = """
CREATE OR REPLACE FUNCTION keep_issued_invoices() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    movable text[] := ARRAY[{columns}];
BEGIN
    IF OLD.number IS NULL THEN
        RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
    END IF;
    IF TG_OP = 'UPDATE' AND (to_jsonb(NEW) - movable) = (to_jsonb(OLD) - movable) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'invoice % is issued and cannot change', OLD.number USING ERRCODE = 'restrict_violation';
END $$;
"""
BEFORE = "'status', 'amount_paid', 'updated_at'"
SINCE = "'status', 'amount_paid', 'amount_credited', 'rebilled', 'updated_at'"


def upgrade() -> None:
    credited = sa.Column("amount_credited", MONEY, server_default=sa.text("0"), nullable=False)
    op.add_column("invoices", credited)
    rebilled = sa.Column("rebilled", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    op.add_column("invoices", rebilled)
    op.create_check_constraint(
        op.f("ck_invoices_credited_within"),
        "invoices",
        "amount_credited = 0 OR amount_credited BETWEEN 0 AND total",
    )
    op.execute(KEEP_ISSUED.format(columns=SINCE))
    op.add_column("payments", sa.Column("taken", MONEY, nullable=True))
    _limit_refunded("coalesce(taken, amount)")
    _make_refunds()
    _make_dunning()


def downgrade() -> None:
    op.drop_table("dunning_pauses")
    op.drop_table("dunning_notices")
    op.drop_table("refunds")
    _limit_refunded("amount")
    op.drop_column("payments", "taken")
    op.execute(KEEP_ISSUED.format(columns=BEFORE))
    op.drop_column("invoices", "rebilled")
    op.drop_column("invoices", "amount_credited")


def _make_refunds() -> None:
    op.create_table(
        "refunds",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("payment_id", sa.Uuid(), nullable=False),
        sa.Column("target", _enum("refundtarget", TARGETS), nullable=False),
        sa.Column("gateway", sa.Text(), nullable=False),
        sa.Column("status", _enum("refundstatus", STATES), nullable=False),
        sa.Column("amount", MONEY, nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column("gateway_ref", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("credit_note_id", sa.Uuid(), nullable=True),
        sa.Column("transaction_id", sa.Uuid(), nullable=True),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("settled_at", INSTANT, nullable=True),
        sa.Column("created_at", INSTANT, server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", INSTANT, server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("amount > 0", name=op.f("ck_refunds_amount_positive")),
        _key("refunds", "payment_id", "payments"),
        _key("refunds", "credit_note_id", "invoices"),
        _key("refunds", "transaction_id", "wallet_transactions"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refunds")),
        sa.UniqueConstraint("gateway", "gateway_ref", name=op.f("uq_refunds_gateway_gateway_ref")),
    )
    for column in ("payment_id", "credit_note_id", "transaction_id"):
        op.create_index(f"ix_refunds_{column}", "refunds", [column])
    op.create_index("ix_refunds_open", "refunds", ["updated_at"], postgresql_where=OPEN)


def _make_dunning() -> None:
    op.create_table(
        "dunning_notices",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("invoice_id", sa.Uuid(), nullable=False),
        sa.Column("step", sa.Integer(), nullable=True),
        sa.Column("last", sa.Boolean(), nullable=False),
        sa.Column("notification_id", sa.Uuid(), nullable=False),
        sa.Column("payment_id", sa.Uuid(), nullable=True),
        sa.Column("sent_by", sa.Text(), nullable=False),
        sa.Column("created_at", INSTANT, server_default=sa.text("now()"), nullable=False),
        _key("dunning_notices", "invoice_id", "invoices"),
        _key("dunning_notices", "notification_id", "notifications"),
        _key("dunning_notices", "payment_id", "payments"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dunning_notices")),
    )
    for column in ("invoice_id", "notification_id", "payment_id"):
        op.create_index(f"ix_dunning_notices_{column}", "dunning_notices", [column])
    op.create_index(
        "uq_dunning_notices_once_per_step",
        "dunning_notices",
        ["invoice_id", "step"],
        unique=True,
        postgresql_where=sa.text("step IS NOT NULL"),
    )
    op.create_table(
        "dunning_pauses",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("until", sa.Date(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("paused_by", sa.Text(), nullable=False),
        sa.Column("created_at", INSTANT, server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", INSTANT, server_default=sa.text("now()"), nullable=False),
        _key("dunning_pauses", "customer_id", "customers"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dunning_pauses")),
        sa.UniqueConstraint("customer_id", name=op.f("uq_dunning_pauses_customer_id")),
    )


def _limit_refunded(most: str) -> None:
    op.drop_constraint(op.f("ck_payments_refunded_within"), "payments", type_="check")
    condition = f"refunded BETWEEN 0 AND {most}"
    op.create_check_constraint(op.f("ck_payments_refunded_within"), "payments", condition)


def _enum(name: str, values: tuple[str, ...]) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=32)


def _key(table: str, column: str, target: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_{column}_{target}")
    return sa.ForeignKeyConstraint([column], [f"{target}.id"], name=name, ondelete="RESTRICT")
