"""Callers: signed keys, their secrets in rotation, and the nonces they have used."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

SECRETS_OUT = """
INSERT INTO api_key_secrets (id, key_id, secret_hash, created_at)
SELECT gen_random_uuid(), id, secret_hash, created_at FROM api_keys
"""
# The older table knows no signed key: it stays there, revoked, with a hash that no secret has.
SECRETS_BACK = """
UPDATE api_keys SET
  secret_hash = coalesce((SELECT secret_hash FROM api_key_secrets WHERE key_id = api_keys.id
                          ORDER BY created_at DESC, id DESC LIMIT 1), ''),
  revoked_at = CASE WHEN kind = 'bearer' THEN revoked_at ELSE coalesce(revoked_at, now()) END
"""


def upgrade() -> None:
    op.create_table(
        "api_key_secrets",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("key_id", sa.Uuid(), nullable=False),
        sa.Column("secret_hash", sa.LargeBinary(), nullable=True),
        sa.Column("ciphertext", sa.LargeBinary(), nullable=True),
        sa.Column("wrapped_key", sa.LargeBinary(), nullable=True),
        sa.Column("key_service", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(secret_hash IS NULL) = (ciphertext IS NOT NULL)"
            " AND (ciphertext IS NULL) = (wrapped_key IS NULL)"
            " AND (ciphertext IS NULL) = (key_service IS NULL)",
            name=op.f("ck_api_key_secrets_hashed_or_encrypted"),
        ),
        sa.ForeignKeyConstraint(
            ["key_id"], ["api_keys.id"], name=op.f("fk_api_key_secrets_key_id_api_keys"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_key_secrets")),
    )
    op.create_index("ix_api_key_secrets_key_id", "api_key_secrets", ["key_id"], unique=False)
    op.create_table(
        "used_nonces",
        sa.Column("key_id", sa.Uuid(), nullable=False),
        sa.Column("nonce", sa.Text(), nullable=False),
        sa.Column("forget_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key_id", "nonce", name=op.f("pk_used_nonces")),
    )
    op.create_index("ix_used_nonces_forget_at", "used_nonces", ["forget_at"], unique=False)
    op.execute(SECRETS_OUT)
    op.drop_column("api_keys", "secret_hash")


def downgrade() -> None:
    op.add_column("api_keys", sa.Column("secret_hash", sa.LargeBinary(), nullable=True))
    op.execute(SECRETS_BACK)
    op.alter_column("api_keys", "secret_hash", nullable=False)
    op.drop_table("used_nonces")
    op.drop_table("api_key_secrets")
