"""Subscriptions as segments: what a change, a pause and a trial need, and moves of many to a new version."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

STATUS = "ck_subscriptions_subscriptionstatus"
FORMER = "status IN ('trialing', 'active', 'ended')"
NOW = "status IN ('scheduled', 'trialing', 'active', 'paused', 'ended')"

# What was a subscription becomes the only segment of one; an anniversary gets the day that it had.
FILL = """
UPDATE subscriptions AS s SET
    origin_id = s.id,
    ended_by = CASE WHEN s.end_at IS NULL THEN NULL ELSE 'cancel' END,
    anchor_on = CASE WHEN s.anchor = 'anniversary'
        THEN (s.start_at AT TIME ZONE a.timezone)::date END
FROM accounts AS a WHERE a.id = s.account_id
"""

# What the narrower states cannot tell: the later segments stay as subscriptions of their own.
FOLD_BACK = """
UPDATE subscriptions SET status = CASE status WHEN 'scheduled' THEN 'active' ELSE 'ended' END
WHERE status IN ('scheduled', 'paused')
"""


def upgrade() -> None:
    op.drop_constraint(op.f(STATUS), "subscriptions", type_="check")
    op.create_check_constraint(op.f(STATUS), "subscriptions", NOW)
    op.add_column("subscriptions", sa.Column("anchor_on", sa.Date(), nullable=True))
    op.add_column(
        "subscriptions",
        sa.Column(
            "ended_by",
            sa.Enum(
                "change",
                "pause",
                "cancel",
                name="ending",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=True,
        ),
    )
    op.add_column("subscriptions", sa.Column("origin_id", sa.Uuid(), nullable=True))
    op.add_column("subscriptions", sa.Column("previous_id", sa.Uuid(), nullable=True))
    op.execute(FILL)
    op.alter_column("subscriptions", "origin_id", nullable=False)
    for column in ("origin_id", "previous_id"):
        op.create_foreign_key(
            op.f(f"fk_subscriptions_{column}_subscriptions"),
            "subscriptions",
            "subscriptions",
            [column],
            ["id"],
            ondelete="RESTRICT",
        )
        op.create_index(f"ix_subscriptions_{column}", "subscriptions", [column], unique=False)
    op.create_check_constraint(
        op.f("ck_subscriptions_anniversary_has_a_day"),
        "subscriptions",
        "(anchor = 'anniversary') = (anchor_on IS NOT NULL)",
    )
    op.create_check_constraint(
        op.f("ck_subscriptions_end_has_a_cause"), "subscriptions", "(end_at IS NULL) = (ended_by IS NULL)"
    )
    _create_moves()


def _create_moves() -> None:
    op.create_table(
        "plan_moves",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("plan_version_id", sa.Uuid(), nullable=False),
        sa.Column("on_day", sa.Date(), nullable=True),
        sa.Column(
            "status",
            sa.Enum(
                "running", "done", name="movestatus", native_enum=False, create_constraint=True, length=32
            ),
            nullable=False,
        ),
        sa.Column("started_by", sa.Text(), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["plan_version_id"],
            ["plan_versions.id"],
            name=op.f("fk_plan_moves_plan_version_id_plan_versions"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plan_moves")),
    )
    op.create_index("ix_plan_moves_plan_version_id", "plan_moves", ["plan_version_id"], unique=False)
    op.create_table(
        "plan_move_items",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("move_id", sa.Uuid(), nullable=False),
        sa.Column("subscription_id", sa.Uuid(), nullable=False),
        sa.Column("from_version_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "status",
            sa.Enum(
                "pending",
                "moved",
                "unchanged",
                "failed",
                name="moveitemstatus",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            server_default="pending",
            nullable=False,
        ),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["from_version_id"],
            ["plan_versions.id"],
            name=op.f("fk_plan_move_items_from_version_id_plan_versions"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["move_id"],
            ["plan_moves.id"],
            name=op.f("fk_plan_move_items_move_id_plan_moves"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["subscription_id"],
            ["subscriptions.id"],
            name=op.f("fk_plan_move_items_subscription_id_subscriptions"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plan_move_items")),
        sa.UniqueConstraint(
            "move_id", "subscription_id", name=op.f("uq_plan_move_items_move_id_subscription_id")
        ),
    )
    for column in ("subscription_id", "from_version_id"):
        op.create_index(f"ix_plan_move_items_{column}", "plan_move_items", [column], unique=False)


def downgrade() -> None:
    op.drop_table("plan_move_items")
    op.drop_table("plan_moves")
    op.drop_constraint(op.f("ck_subscriptions_end_has_a_cause"), "subscriptions", type_="check")
    op.drop_constraint(op.f("ck_subscriptions_anniversary_has_a_day"), "subscriptions", type_="check")
    for column in ("previous_id", "origin_id", "ended_by", "anchor_on"):
        op.drop_column("subscriptions", column)
    op.execute(FOLD_BACK)
    op.drop_constraint(op.f(STATUS), "subscriptions", type_="check")
    op.create_check_constraint(op.f(STATUS), "subscriptions", FORMER)
