"""Exports and statements as files made by jobs, mails of documents, and how long a document is kept."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)
FORMATS = ("csv", "xlsx", "pdf")
STATUSES = ("pending", "running", "done", "failed", "cancelled", "expired")
MAIL_STATUSES = ("pending", "sent", "skipped")
TEXTS = postgresql.ARRAY(sa.Text())


def upgrade() -> None:
    _exports()
    _mails()
    op.add_column(
        "customers", sa.Column("billing_emails", TEXTS, server_default=sa.text("'{}'"), nullable=False)
    )
    op.add_column("stored_files", sa.Column("retain_until", INSTANT, nullable=True))


def downgrade() -> None:
    op.drop_column("stored_files", "retain_until")
    op.drop_column("customers", "billing_emails")
    op.drop_table("document_mails")
    op.drop_table("exports")


def _exports() -> None:
    op.create_table(
        "exports",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("format", _choice("exportformat", FORMATS), nullable=False),
        sa.Column(
            "status", _choice("exportstatus", STATUSES), server_default=sa.text("'pending'"), nullable=False
        ),
        sa.Column("parameters", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=True),
        sa.Column("requested_by", sa.Text(), nullable=False),
        sa.Column("rows", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("expected", sa.BigInteger(), nullable=True),
        sa.Column("size", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=True),
        sa.Column("file_key", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("started_at", INSTANT, nullable=True),
        sa.Column("finished_at", INSTANT, nullable=True),
        sa.Column("keep_until", INSTANT, nullable=True),
        *_timestamps(),
        sa.CheckConstraint(
            "status <> 'done' OR (sha256 IS NOT NULL AND file_key IS NOT NULL)",
            name=op.f("ck_exports_has_file"),
        ),
        sa.CheckConstraint("rows >= 0 AND size >= 0", name=op.f("ck_exports_not_negative")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_exports")),
        _references("exports", "customer_id", "customers"),
        sa.UniqueConstraint("file_key", name=op.f("uq_exports_file_key")),
    )
    open_ones = sa.text("status IN ('pending', 'running')")
    op.create_index("ix_exports_open", "exports", ["created_at"], postgresql_where=open_ones)
    op.create_index("ix_exports_customer_id", "exports", ["customer_id"])
    done = sa.text("status = 'done'")
    op.create_index("ix_exports_keep_until", "exports", ["keep_until"], postgresql_where=done)


def _mails() -> None:
    op.create_table(
        "document_mails",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("document_type", sa.Text(), nullable=False),
        sa.Column("document_id", sa.Uuid(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("recipient", sa.Text(), nullable=False),
        sa.Column("copies", TEXTS, server_default=sa.text("'{}'"), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column(
            "status",
            _choice("mailstatus", MAIL_STATUSES),
            server_default=sa.text("'pending'"),
            nullable=False,
        ),
        sa.Column("requested_by", sa.Text(), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=True),
        sa.Column("sent_at", INSTANT, nullable=True),
        *_timestamps(),
        sa.CheckConstraint("n >= 1", name=op.f("ck_document_mails_counted_from_one")),
        sa.CheckConstraint(
            "(status = 'sent') = (sent_at IS NOT NULL)", name=op.f("ck_document_mails_sent_when")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_document_mails")),
        _references("document_mails", "customer_id", "customers"),
        sa.UniqueConstraint(
            "document_type", "document_id", "n", name=op.f("uq_document_mails_document_type_document_id_n")
        ),
    )
    op.create_index("ix_document_mails_customer_id", "document_mails", ["customer_id"])


def _timestamps() -> list[sa.Column[object]]:
    return [
        sa.Column(name, INSTANT, server_default=sa.text("now()"), nullable=False)
        for name in ("created_at", "updated_at")
    ]


def _choice(name: str, values: tuple[str, ...]) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, length=32, create_constraint=True)


def _references(table: str, column: str, other: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_{column}_{other}")
    return sa.ForeignKeyConstraint([column], [f"{other}.id"], name=name, ondelete="RESTRICT")
