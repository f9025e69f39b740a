"""What people chose: a language of their own or that of their browser, a theme, and what they want to see."""

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.alter_column("users", "locale", nullable=True)
    op.add_column("users", sa.Column("theme", sa.Text()))
    op.create_check_constraint("theme", "users", "theme IN ('light', 'dark', 'system')")
    op.add_column(
        "notification_preferences",
        sa.Column("in_product", sa.Boolean(), nullable=False, server_default=sa.true()),
    )


def downgrade() -> None:
    op.drop_column("notification_preferences", "in_product")
    op.drop_constraint("theme", "users", type_="check")
    op.drop_column("users", "theme")
    op.execute("UPDATE users SET locale = 'en' WHERE locale IS NULL")
    op.alter_column("users", "locale", nullable=False)
