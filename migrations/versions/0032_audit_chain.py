"""The audit trail as a chain: each record with the hash of its content, seals that bind them, anchors of the
seals, and indexes for what the trail is asked.
"""

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)
NOW = sa.text("now()")

# A record of before is hashed by the bytes that the product hashes: names and values in the order of the
# names, each after its length, each value after a letter for its type.
TOLD = """CASE WHEN {0} IS NULL THEN int8send(1) || 'n'::bytea
          ELSE int8send(octet_length(convert_to({1}, 'UTF8'))) || convert_to({1}, 'UTF8') END"""
INSTANT_TEXT = """to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"')"""
SPELLED = {
    "action": "'s' || action",
    "actor": "'s' || actor",
    "actor_id": "'s' || actor_id",
    "actor_kind": "'s' || actor_kind",
    "after": "'s' || after::text",
    "at": f"'t' || {INSTANT_TEXT}",
    "before": "'s' || before::text",
    "id": "'u' || id::text",
    "ip": "'s' || ip",
    "request_id": "'s' || request_id",
    "resource_id": "'s' || resource_id",
    "resource_type": "'s' || resource_type",
    "role": "'s' || role",
    "summary": "'s' || summary",
}
HASHED = " || ".join(
    f"int8send({len(name)}) || '{name}'::bytea || {TOLD.format(name, value)}"
    for name, value in SPELLED.items()
)

APPEND_ONLY = """
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
"""
AWAIT_SEAL = """
CREATE FUNCTION await_seal() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO audit_unsealed (record_id) SELECT id FROM added;
    RETURN NULL;
END $$;
CREATE TRIGGER await_seal AFTER INSERT ON audit_records REFERENCING NEW TABLE AS added
FOR EACH STATEMENT EXECUTE FUNCTION await_seal();
"""


def upgrade() -> None:
    _hash_the_records()
    _seals()
    op.execute(AWAIT_SEAL)
    # Those of before wait as well, and are sealed in the order of their ids, which is that of time.
    op.execute("INSERT INTO audit_unsealed (record_id) SELECT id FROM audit_records ORDER BY id")
    for columns in (["actor_id", "at"], ["action", "at"]):
        op.create_index(f"ix_audit_records_{'_'.join(columns)}", "audit_records", columns)
    for columns in (["ip", "at"], ["request_id"]):
        op.create_index(
            f"ix_audit_records_{'_'.join(columns)}",
            "audit_records",
            columns,
            postgresql_where=sa.text(f"{columns[0]} IS NOT NULL"),
        )


def downgrade() -> None:
    op.execute("DROP TRIGGER await_seal ON audit_records")
    op.execute("DROP FUNCTION await_seal()")
    for name in ("actor_id_at", "action_at", "ip_at", "request_id"):
        op.drop_index(f"ix_audit_records_{name}", table_name="audit_records")
    op.drop_table("audit_anchors")
    op.drop_table("audit_seals")
    op.drop_table("audit_unsealed")
    op.drop_column("audit_records", "hash")


def _hash_the_records() -> None:
    op.add_column("audit_records", sa.Column("hash", sa.LargeBinary(), nullable=True))
    op.execute("ALTER TABLE audit_records DISABLE TRIGGER refuse_change")
    op.execute(f"UPDATE audit_records SET hash = sha256(int8send(0) || {HASHED})")
    op.execute("ALTER TABLE audit_records ENABLE TRIGGER refuse_change")
    op.alter_column("audit_records", "hash", nullable=False)


def _seals() -> None:
    op.create_table(
        "audit_unsealed",
        sa.Column("record_id", sa.Uuid(), nullable=False),
        sa.Column("place", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("since", INSTANT, server_default=NOW, nullable=False),
        sa.PrimaryKeyConstraint("record_id", name=op.f("pk_audit_unsealed")),
    )
    op.create_table(
        "audit_seals",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("record_id", sa.Uuid(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("prev_hash", sa.LargeBinary(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_audit_seals")),
        sa.ForeignKeyConstraint(
            ["record_id"],
            ["audit_records.id"],
            name=op.f("fk_audit_seals_record_id_audit_records"),
            ondelete="RESTRICT",
        ),
        sa.UniqueConstraint("record_id", name=op.f("uq_audit_seals_record_id")),
    )
    op.create_table(
        "audit_anchors",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("head", sa.LargeBinary(), nullable=False),
        sa.Column("prev_hash", sa.LargeBinary(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_audit_anchors")),
    )
    for table in ("audit_seals", "audit_anchors"):
        op.execute(APPEND_ONLY.format(table=table))
