"""Cancelled and amended events; dead letters that can be edited and counted by their reason."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

# A correction is evidence as the event is.
APPEND_ONLY = (
    "CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON event_corrections "
    "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
)


def upgrade() -> None:
    op.create_table(
        "event_corrections",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "cancel",
                "amend",
                name="correctionkind",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("metric_id", sa.Uuid(), nullable=False),
        sa.Column("bucket_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("dimensions", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
        sa.Column("quantity", sa.Numeric(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("replacement_event_id", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("account_id", "event_id", name=op.f("pk_event_corrections")),
    )
    op.create_index("ix_event_corrections_at", "event_corrections", ["at"], unique=False)
    op.create_index(
        "uq_event_corrections_account_id_replacement_event_id",
        "event_corrections",
        ["account_id", "replacement_event_id"],
        unique=True,
        postgresql_where=sa.text("replacement_event_id IS NOT NULL"),
    )
    op.execute(APPEND_ONLY)
    op.add_column(
        "dead_letters",
        sa.Column(
            "original_payload", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True
        ),
    )
    op.create_index("ix_dead_letters_status_code_id", "dead_letters", ["status", "code", "id"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_dead_letters_status_code_id", table_name="dead_letters")
    op.drop_column("dead_letters", "original_payload")
    op.drop_table("event_corrections")
