"""Usage events, their permanent keys, the metering queue, rollups and charge positions."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

KEY_PARTITIONS = 16

# A month of events is a partition. ATTACH takes a weaker lock than CREATE … PARTITION OF, so ingest goes on
# meanwhile.
MONTHLY_PARTITIONS = """
CREATE FUNCTION ensure_usage_partition(at timestamptz) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    first_day date := date_trunc('month', at AT TIME ZONE 'UTC')::date;
    next_day date := (first_day + interval '1 month')::date;
    partition text := 'usage_events_' || to_char(first_day, 'YYYY_MM');
BEGIN
    IF to_regclass(partition) IS NULL THEN
        PERFORM pg_advisory_xact_lock(7310042);
        IF to_regclass(partition) IS NULL THEN
            EXECUTE format('CREATE TABLE %I (LIKE usage_events INCLUDING DEFAULTS)', partition);
            EXECUTE format('ALTER TABLE usage_events ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                           partition, first_day || ' 00:00:00+00', next_day || ' 00:00:00+00');
        END IF;
    END IF;
    RETURN partition;
END $$;
"""

# Events are evidence: a correction is another event that refers to the first.
APPEND_ONLY = """
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$; CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON usage_events FOR EACH ROW EXECUTE FUNCTION
refuse_change();
"""


def upgrade() -> None:
    op.create_table(
        "event_keys",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("body_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "event_id", name=op.f("pk_event_keys")),
        postgresql_partition_by="HASH (account_id)",
    )
    op.create_table(
        "usage_events",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("metric_id", sa.Uuid(), nullable=False),
        sa.Column("quantity", sa.Numeric(), nullable=False),
        sa.Column("properties", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "occurred_at", "event_id", name=op.f("pk_usage_events")),
        postgresql_partition_by="RANGE (occurred_at)",
    )
    op.create_index("ix_usage_events_occurred_at", "usage_events", ["occurred_at"], unique=False)
    op.create_table(
        "usage_deltas",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("metric_id", sa.Uuid(), nullable=False),
        sa.Column("bucket_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("dimensions", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
        sa.Column("quantity", sa.Numeric(), nullable=False),
        sa.Column("events", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_usage_deltas")),
    )
    op.create_table(
        "usage_rollups",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("metric_id", sa.Uuid(), nullable=False),
        sa.Column("bucket_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("dimensions", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
        sa.Column("quantity", sa.Numeric(), nullable=False),
        sa.Column("events", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "account_id", "metric_id", "bucket_at", "dimensions", name=op.f("pk_usage_rollups")
        ),
    )
    op.create_index("ix_usage_rollups_bucket_at", "usage_rollups", ["bucket_at"], unique=False)
    op.create_table(
        "charge_positions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("subscription_id", sa.Uuid(), nullable=False),
        sa.Column("component_id", sa.Uuid(), nullable=False),
        sa.Column("period_start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("period_end", sa.DateTime(timezone=True), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("quantity", sa.Numeric(), server_default=sa.text("0"), nullable=False),
        sa.Column("events", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "charged_amount", sa.Numeric(precision=20, scale=4), server_default=sa.text("0"), nullable=False
        ),
        sa.Column("invoiced_quantity", sa.Numeric(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "invoiced_amount", sa.Numeric(precision=20, scale=4), server_default=sa.text("0"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["accounts.id"],
            name=op.f("fk_charge_positions_account_id_accounts"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["component_id"],
            ["price_components.id"],
            name=op.f("fk_charge_positions_component_id_price_components"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["subscription_id"],
            ["subscriptions.id"],
            name=op.f("fk_charge_positions_subscription_id_subscriptions"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_charge_positions")),
        sa.UniqueConstraint(
            "subscription_id",
            "component_id",
            "period_start",
            name=op.f("uq_charge_positions_subscription_id_component_id_period_start"),
        ),
    )
    op.create_index(
        "ix_charge_positions_account_id_period_start",
        "charge_positions",
        ["account_id", "period_start"],
        unique=False,
    )
    op.create_index("ix_charge_positions_component_id", "charge_positions", ["component_id"], unique=False)
    op.create_table(
        "dead_letters",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("pointer", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("account_ref", sa.Text(), nullable=True),
        sa.Column("metric_code", sa.Text(), nullable=True),
        sa.Column("event_id", sa.Text(), nullable=True),
        sa.Column("payload", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
        sa.Column("payload_sha256", sa.LargeBinary(), nullable=False),
        sa.Column(
            "status",
            sa.Enum(
                "open",
                "replayed",
                "discarded",
                name="deadletterstatus",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            server_default="open",
            nullable=False,
        ),
        sa.Column("seen", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column(
            "first_seen_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column(
            "last_seen_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dead_letters")),
        sa.UniqueConstraint("payload_sha256", "code", name=op.f("uq_dead_letters_payload_sha256_code")),
    )
    op.create_index(op.f("ix_dead_letters_account_ref"), "dead_letters", ["account_ref"], unique=False)
    op.create_index(op.f("ix_dead_letters_event_id"), "dead_letters", ["event_id"], unique=False)
    op.create_index(
        "ix_dead_letters_status_last_seen_at", "dead_letters", ["status", "last_seen_at"], unique=False
    )
    for number in range(KEY_PARTITIONS):
        op.execute(
            f"CREATE TABLE event_keys_{number:02} PARTITION OF event_keys "
            f"FOR VALUES WITH (MODULUS {KEY_PARTITIONS}, REMAINDER {number})"
        )
    op.execute(MONTHLY_PARTITIONS)
    op.execute(APPEND_ONLY)
    op.execute(
        "SELECT ensure_usage_partition(now() + make_interval(months => n)) FROM generate_series(-2, 3) n"
    )


def downgrade() -> None:
    op.drop_table("dead_letters")
    op.drop_table("charge_positions")
    op.drop_table("usage_rollups")
    op.drop_table("usage_deltas")
    op.drop_table("usage_events")
    op.drop_table("event_keys")
    op.execute("DROP FUNCTION ensure_usage_partition")
    op.execute("DROP FUNCTION refuse_change")
