"""Indexes for reading usage."""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_usage_rollups_metric_id_bucket_at", "usage_rollups", ["metric_id", "bucket_at"], unique=False
    )


def downgrade() -> None:
    op.drop_index("ix_usage_rollups_metric_id_bucket_at", table_name="usage_rollups")
