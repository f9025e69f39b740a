"""Prices per group: the dimension that a component is priced by, and what each of its values came to."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("price_components", sa.Column("group_by", sa.Text(), nullable=True))
    op.create_check_constraint(
        op.f("ck_price_components_groups_of_usage"), "price_components", "group_by IS NULL OR kind = 'usage'"
    )
    op.add_column("charge_positions", sa.Column("groups", postgresql.JSONB(), nullable=True))


def downgrade() -> None:
    op.drop_column("charge_positions", "groups")
    op.drop_constraint(op.f("ck_price_components_groups_of_usage"), "price_components", type_="check")
    op.drop_column("price_components", "group_by")
