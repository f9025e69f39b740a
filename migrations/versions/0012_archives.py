"""Months of events that were moved into files."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

STATUSES = ("pending", "written", "archived", "restoring", "restored")


def upgrade() -> None:
    instant = sa.DateTime(timezone=True)
    op.create_table(
        "event_archives",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("month", sa.Text(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column(
            "status",
            sa.Enum(*STATUSES, name="archivestatus", native_enum=False, length=32, create_constraint=True),
            server_default=sa.text("'pending'"),
            nullable=False,
        ),
        sa.Column("file_key", sa.Text(), nullable=False),
        sa.Column("rows", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("size", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=True),
        sa.Column("first_at", instant, nullable=True),
        sa.Column("last_at", instant, nullable=True),
        sa.Column("done", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("requested_by", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("keep_until", instant, nullable=True),
        sa.Column("written_at", instant, nullable=True),
        sa.Column("archived_at", instant, nullable=True),
        sa.Column("dropped_at", instant, nullable=True),
        sa.Column("restored_at", instant, nullable=True),
        sa.Column("created_at", instant, server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", instant, server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("month ~ '^[0-9]{4}-[0-9]{2}$'", name=op.f("ck_event_archives_month_of_a_year")),
        sa.CheckConstraint(
            "status IN ('pending', 'restored') OR (sha256 IS NOT NULL AND rows > 0)",
            name=op.f("ck_event_archives_file_is_known"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_event_archives")),
        sa.UniqueConstraint("month", "sequence", name=op.f("uq_event_archives_month_sequence")),
        sa.UniqueConstraint("file_key", name=op.f("uq_event_archives_file_key")),
    )


def downgrade() -> None:
    op.drop_table("event_archives")
