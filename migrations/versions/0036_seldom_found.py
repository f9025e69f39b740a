"""Indexes for what the largest tables have seldom: who of the people acted, which wallets are low.

Machines write nearly the whole audit trail, as super admins; without them the two indexes stay small. That of
the low wallets is in the order in which the dashboard shows them: a change of the balance writes a new entry
whichever column it is of.
"""

import sqlalchemy as sa
from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None

PEOPLE = (
    ("ix_audit_records_role_at", ["role", "at"], "role <> 'super_admin'"),
    ("ix_audit_records_actor_kind_at", ["actor_kind", "at"], "actor_kind <> 'system'"),
)
LOW = sa.text("balance - held < low_balance_threshold")


def upgrade() -> None:
    for name, columns, where in PEOPLE:
        op.create_index(name, "audit_records", columns, postgresql_where=sa.text(where))
    _index_low_by("updated_at", "id")


def downgrade() -> None:
    _index_low_by("account_id")
    for name, _, _ in reversed(PEOPLE):
        op.drop_index(name, table_name="audit_records")


def _index_low_by(*columns: str) -> None:
    op.drop_index("ix_wallets_low", table_name="wallets")
    op.create_index("ix_wallets_low", "wallets", list(columns), postgresql_where=LOW)
