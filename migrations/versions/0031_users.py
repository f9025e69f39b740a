"""Sign-in by a provider: who somebody is there, the end of all their sessions, and of a single one."""

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Nothing has ever written it, and without an issuer it would name nobody.
    op.execute("UPDATE users SET subject = NULL")
    op.add_column("users", sa.Column("issuer", sa.Text(), nullable=True))
    op.add_column("users", sa.Column("session_epoch", sa.Integer(), server_default="0", nullable=False))
    op.drop_constraint("uq_users_subject", "users", type_="unique")
    op.create_unique_constraint("uq_users_issuer_subject", "users", ["issuer", "subject"])
    op.create_check_constraint(
        op.f("ck_users_subject_of_issuer"), "users", "(issuer IS NULL) = (subject IS NULL)"
    )
    op.create_table(
        "ended_sessions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ended_sessions")),
    )
    op.create_index("ix_ended_sessions_ended_at", "ended_sessions", ["ended_at"], unique=False)


def downgrade() -> None:
    op.drop_table("ended_sessions")
    op.drop_constraint(op.f("ck_users_subject_of_issuer"), "users", type_="check")
    op.drop_constraint("uq_users_issuer_subject", "users", type_="unique")
    op.execute("UPDATE users SET subject = NULL")
    op.create_unique_constraint("uq_users_subject", "users", ["subject"])
    op.drop_column("users", "session_epoch")
    op.drop_column("users", "issuer")
