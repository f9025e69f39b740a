"""e-invoices: IRN, signed QR and cancellation."""

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)
STATES = ("awaiting_irn", "registered", "failed", "cancelling", "cancelled")
DUE = sa.text("status IN ('awaiting_irn', 'cancelling')")

# What was worked out and what the portal has signed stays; an e-invoice is never deleted.
KEEP = """
CREATE FUNCTION keep_einvoices() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'e-invoice % is kept', OLD.irn USING ERRCODE = 'restrict_violation';
    END IF;
    IF (NEW.invoice_id, NEW.irn) IS DISTINCT FROM (OLD.invoice_id, OLD.irn)
        OR OLD.ack_no IS NOT NULL
        AND (NEW.ack_no, NEW.ack_at, NEW.signed_invoice, NEW.signed_qr)
            IS DISTINCT FROM (OLD.ack_no, OLD.ack_at, OLD.signed_invoice, OLD.signed_qr)
        OR OLD.cancelled_at IS NOT NULL AND NEW.cancelled_at IS DISTINCT FROM OLD.cancelled_at
    THEN
        RAISE EXCEPTION 'e-invoice % is registered and cannot change', OLD.irn
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER keep_einvoices BEFORE UPDATE OR DELETE ON einvoices
    FOR EACH ROW EXECUTE FUNCTION keep_einvoices();
"""


def upgrade() -> None:
    now = sa.text("now()")
    op.create_table(
        "einvoices",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("invoice_id", sa.Uuid(), nullable=False),
        sa.Column(
            "status",
            sa.Enum(*STATES, name="einvoicestatus", native_enum=False, create_constraint=True, length=32),
            server_default="awaiting_irn",
            nullable=False,
        ),
        sa.Column("irn", sa.String(length=64), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("ack_no", sa.Text(), nullable=True),
        sa.Column("ack_at", INSTANT, nullable=True),
        sa.Column("signed_invoice", sa.Text(), nullable=True),
        sa.Column("signed_qr", sa.Text(), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("next_try_at", INSTANT, nullable=False),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("cancel_reason", sa.Integer(), nullable=True),
        sa.Column("cancel_remark", sa.Text(), nullable=True),
        sa.Column("cancel_asked_by", sa.Text(), nullable=True),
        sa.Column("cancelled_at", INSTANT, nullable=True),
        sa.Column("created_at", INSTANT, server_default=now, nullable=False),
        sa.Column("updated_at", INSTANT, server_default=now, nullable=False),
        sa.CheckConstraint("length(irn) = 64", name=op.f("ck_einvoices_irn_length")),
        sa.CheckConstraint(
            "(status IN ('awaiting_irn', 'failed')) = (ack_no IS NULL)",
            name=op.f("ck_einvoices_acknowledged_when_registered"),
        ),
        sa.CheckConstraint(
            "(ack_no IS NULL) = (signed_qr IS NULL) AND (ack_no IS NULL) = (signed_invoice IS NULL)"
            " AND (ack_no IS NULL) = (ack_at IS NULL)",
            name=op.f("ck_einvoices_acknowledged_whole"),
        ),
        sa.CheckConstraint(
            "(status = 'cancelled') = (cancelled_at IS NOT NULL)", name=op.f("ck_einvoices_cancelled")
        ),
        sa.CheckConstraint("cancel_reason BETWEEN 1 AND 4", name=op.f("ck_einvoices_cancel_reason")),
        sa.CheckConstraint("status = 'failed' OR failure IS NULL", name=op.f("ck_einvoices_failure")),
        sa.ForeignKeyConstraint(
            ["invoice_id"],
            ["invoices.id"],
            name=op.f("fk_einvoices_invoice_id_invoices"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_einvoices")),
        sa.UniqueConstraint("invoice_id", name=op.f("uq_einvoices_invoice_id")),
        sa.UniqueConstraint("irn", name=op.f("uq_einvoices_irn")),
    )
    op.create_index("ix_einvoices_due", "einvoices", ["next_try_at"], postgresql_where=DUE)
    op.execute(KEEP)


def downgrade() -> None:
    op.drop_table("einvoices")
    op.execute("DROP FUNCTION keep_einvoices")
