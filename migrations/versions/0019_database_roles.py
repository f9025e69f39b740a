"""Roles of the database: who owns the tables does nothing with them, who works with them owns none. And what
the ends of the wallets' chains were, for the day on which somebody had more power than that.

The rights themselves are in `app/rights.py` and are given after every upgrade. Here is what only the owner of
the tables can do and the product needs every month, as functions that run as their owner.
"""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

# A name that somebody made in a schema of his own must never be found first.
AS_OWNER = "SECURITY DEFINER SET search_path = pg_catalog, pg_temp"

ENSURE = f"""
CREATE OR REPLACE FUNCTION ensure_usage_partition(at timestamptz) RETURNS text
LANGUAGE plpgsql {AS_OWNER} AS $$
DECLARE
    first_day date := date_trunc('month', at AT TIME ZONE 'UTC')::date;
    next_day date := (first_day + interval '1 month')::date;
    partition text := 'usage_events_' || to_char(first_day, 'YYYY_MM');
BEGIN
    IF at IS NULL OR first_day NOT BETWEEN '0001-01-01' AND '9999-11-01' THEN
        RAISE EXCEPTION 'no month of usage: %', at USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF to_regclass('public.' || partition) IS NULL THEN
        PERFORM pg_advisory_xact_lock(7310042);
        IF to_regclass('public.' || partition) IS NULL THEN
            EXECUTE format('CREATE TABLE public.%I (LIKE public.usage_events INCLUDING DEFAULTS)', partition);
            EXECUTE format(
                'ALTER TABLE public.usage_events ATTACH PARTITION public.%I FOR VALUES FROM (%L) TO (%L)',
                partition, first_day || ' 00:00:00+00', next_day || ' 00:00:00+00');
        END IF;
    END IF;
    RETURN partition;
END $$;
"""

# Three steps of an archive. They are given a month and a number, never a name, and each looks whether the
# archive of that month stands where the step belongs.
ARCHIVING = f"""
CREATE FUNCTION usage_partition(month text) RETURNS text LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF month IS NULL OR month !~ '^[0-9]{{4}}-(0[1-9]|1[0-2])$' THEN
        RAISE EXCEPTION 'no month: %', month USING ERRCODE = 'invalid_parameter_value';
    END IF;
    RETURN 'usage_events_' || replace(month, '-', '_');
END $$;

CREATE FUNCTION freeze_usage_partition(month text) RETURNS void
LANGUAGE plpgsql {AS_OWNER} AS $$
BEGIN
    EXECUTE format('LOCK TABLE public.%I IN SHARE ROW EXCLUSIVE MODE', public.usage_partition(month));
END $$;

CREATE FUNCTION detach_usage_partition(month text, number integer) RETURNS text
LANGUAGE plpgsql {AS_OWNER} AS $$
DECLARE
    partition text := public.usage_partition(month);
    parked text := 'archived_' || partition || '_' || number;
BEGIN
    IF NOT EXISTS (SELECT FROM public.event_archives a
                   WHERE a.month = $1 AND a.sequence = number AND a.status = 'written') THEN
        RAISE EXCEPTION 'archive % of % is not written', number, month
            USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    EXECUTE format('ALTER TABLE public.usage_events DETACH PARTITION public.%I', partition);
    EXECUTE format('ALTER TABLE public.%I RENAME TO %I', partition, parked);
    RETURN parked;
END $$;

CREATE FUNCTION drop_usage_partition(month text, number integer) RETURNS void
LANGUAGE plpgsql {AS_OWNER} AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM public.event_archives a
                   WHERE a.month = $1 AND a.sequence = number AND a.status IN ('archived', 'restoring')) THEN
        RAISE EXCEPTION 'archive % of % is not complete', number, month
            USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    EXECUTE format('DROP TABLE IF EXISTS public.%I',
                   'archived_' || public.usage_partition(month) || '_' || number);
END $$;
"""

# An event's key counts once for ever.
KEPT_KEYS = """
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON event_keys
    FOR EACH ROW EXECUTE FUNCTION refuse_change()
"""

KEPT_ANCHORS = """
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON ledger_anchors
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON ledger_anchors
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
"""

NOT_AS_OWNER = "ALTER FUNCTION ensure_usage_partition(timestamptz) SECURITY INVOKER RESET search_path"


def upgrade() -> None:
    op.execute(ENSURE)
    op.execute(ARCHIVING)
    op.execute(KEPT_KEYS)
    op.create_table(
        "ledger_anchors",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("wallet_id", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("head", sa.LargeBinary(), nullable=False),
        sa.Column("prev_hash", sa.LargeBinary(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["wallet_id"],
            ["wallets.id"],
            name=op.f("fk_ledger_anchors_wallet_id_wallets"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_ledger_anchors")),
    )
    op.create_index("ix_ledger_anchors_wallet_id_seq", "ledger_anchors", ["wallet_id", "seq"])
    op.execute(KEPT_ANCHORS)


def downgrade() -> None:
    op.drop_table("ledger_anchors")
    op.execute("DROP TRIGGER refuse_change ON event_keys")
    op.execute("DROP FUNCTION drop_usage_partition(text, integer)")
    op.execute("DROP FUNCTION detach_usage_partition(text, integer)")
    op.execute("DROP FUNCTION freeze_usage_partition(text)")
    op.execute("DROP FUNCTION usage_partition(text)")
    op.execute(NOT_AS_OWNER)
