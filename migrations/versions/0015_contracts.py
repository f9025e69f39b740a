"""Custom contracts: overrides, commitments, discounts, coupons and credits."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

KINDS = ("usage", "fixed", "adjustment", "manual")
CONTRACT_KINDS = ("commitment", "discount", "coupon", "credit")
ONE_VALUE = "(percent IS NULL) <> (amount IS NULL) AND (amount IS NULL) = (currency IS NULL)"
PERCENT = "percent > 0 AND percent <= 100"


def upgrade() -> None:
    _overrides_and_commitments()
    _discounts_and_credits()
    _coupons()
    op.add_column("invoice_lines", sa.Column("source_id", sa.Uuid(), nullable=True))
    op.create_index(
        "ix_invoice_lines_source_id",
        "invoice_lines",
        ["source_id"],
        unique=False,
        postgresql_where=sa.text("source_id IS NOT NULL"),
    )
    _allow_kinds(*KINDS, *CONTRACT_KINDS)


def downgrade() -> None:
    op.drop_index("ix_invoice_lines_source_id", table_name="invoice_lines")
    op.drop_column("invoice_lines", "source_id")
    _allow_kinds(*KINDS)
    for table in (
        "coupon_redemptions",
        "coupons",
        "account_credits",
        "discounts",
        "commitments",
        "terms_overrides",
    ):
        op.drop_table(table)


def _allow_kinds(*kinds: str) -> None:
    op.drop_constraint(op.f("ck_invoice_lines_linekind"), "invoice_lines", type_="check")
    listed = ", ".join(f"'{kind}'" for kind in kinds)
    op.create_check_constraint(op.f("ck_invoice_lines_linekind"), "invoice_lines", f"kind IN ({listed})")


def _times() -> list[sa.Column[sa.DateTime]]:
    return [
        sa.Column(name, sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False)
        for name in ("created_at", "updated_at")
    ]


def _refers(table: str, column: str, to: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_{column}_{to}")
    return sa.ForeignKeyConstraint([column], [f"{to}.id"], name=name, ondelete="RESTRICT")


def _value() -> list[sa.Column[sa.Numeric]]:
    return [
        sa.Column("percent", sa.Numeric(9, 6), nullable=True),
        sa.Column("amount", sa.Numeric(20, 4), nullable=True),
        sa.Column("currency", sa.String(length=3), nullable=True),
    ]


def _overrides_and_commitments() -> None:
    op.create_table(
        "terms_overrides",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("subscription_id", sa.Uuid(), nullable=False),
        sa.Column("component_id", sa.Uuid(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("terms", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
        sa.Column("start_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("end_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        *_times(),
        sa.CheckConstraint(
            "end_at IS NULL OR end_at > start_at", name=op.f("ck_terms_overrides_ends_after_start")
        ),
        _refers("terms_overrides", "subscription_id", "subscriptions"),
        _refers("terms_overrides", "component_id", "price_components"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_terms_overrides")),
        postgresql.ExcludeConstraint(
            (sa.column("subscription_id"), "="),
            (sa.column("component_id"), "="),
            (sa.text("tstzrange(start_at, end_at)"), "&&"),
            using="gist",
            name="ex_terms_overrides_one_at_a_time",
        ),
    )
    for column in ("subscription_id", "component_id"):
        op.create_index(f"ix_terms_overrides_{column}", "terms_overrides", [column])
    op.create_table(
        "commitments",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("subscription_id", sa.Uuid(), nullable=False),
        sa.Column("amount", sa.Numeric(20, 4), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("start_on", sa.Date(), nullable=False),
        sa.Column("end_on", sa.Date(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        *_times(),
        sa.CheckConstraint("amount > 0", name=op.f("ck_commitments_amount")),
        sa.CheckConstraint(
            "end_on IS NULL OR end_on > start_on", name=op.f("ck_commitments_ends_after_start")
        ),
        _refers("commitments", "subscription_id", "subscriptions"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_commitments")),
        postgresql.ExcludeConstraint(
            (sa.column("subscription_id"), "="),
            (sa.text("daterange(start_on, end_on)"), "&&"),
            using="gist",
            name="ex_commitments_one_at_a_time",
        ),
    )
    op.create_index("ix_commitments_subscription_id", "commitments", ["subscription_id"])


def _discounts_and_credits() -> None:
    op.create_table(
        "discounts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("subscription_id", sa.Uuid(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        *_value(),
        sa.Column("start_on", sa.Date(), nullable=False),
        sa.Column("end_on", sa.Date(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        *_times(),
        sa.CheckConstraint(ONE_VALUE, name=op.f("ck_discounts_one_value")),
        sa.CheckConstraint(PERCENT, name=op.f("ck_discounts_percent")),
        sa.CheckConstraint("amount > 0", name=op.f("ck_discounts_amount")),
        sa.CheckConstraint("end_on IS NULL OR end_on > start_on", name=op.f("ck_discounts_ends_after_start")),
        _refers("discounts", "account_id", "accounts"),
        _refers("discounts", "subscription_id", "subscriptions"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_discounts")),
    )
    for column in ("account_id", "subscription_id"):
        op.create_index(f"ix_discounts_{column}", "discounts", [column])
    op.create_table(
        "account_credits",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("amount", sa.Numeric(20, 4), nullable=False),
        sa.Column("remaining", sa.Numeric(20, 4), nullable=False),
        sa.Column("withdrawn", sa.Numeric(20, 4), server_default=sa.text("0"), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        *_times(),
        sa.CheckConstraint("amount > 0", name=op.f("ck_account_credits_amount")),
        sa.CheckConstraint(
            "remaining >= 0 AND withdrawn >= 0 AND remaining + withdrawn <= amount",
            name=op.f("ck_account_credits_not_overdrawn"),
        ),
        _refers("account_credits", "account_id", "accounts"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account_credits")),
    )
    op.create_index("ix_account_credits_account_id", "account_credits", ["account_id"])


def _coupons() -> None:
    op.create_table(
        "coupons",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        *_value(),
        sa.Column(
            "duration",
            sa.Enum(
                "once",
                "periods",
                "forever",
                name="couponduration",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("periods", sa.Integer(), nullable=True),
        sa.Column("max_redemptions", sa.Integer(), nullable=True),
        sa.Column("max_per_account", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("redeemed", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("plan_codes", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        *_times(),
        sa.CheckConstraint("code ~ '^[A-Z0-9][A-Z0-9._-]{0,49}$'", name=op.f("ck_coupons_code_form")),
        sa.CheckConstraint(ONE_VALUE, name=op.f("ck_coupons_one_value")),
        sa.CheckConstraint(PERCENT, name=op.f("ck_coupons_percent")),
        sa.CheckConstraint("amount > 0", name=op.f("ck_coupons_amount")),
        sa.CheckConstraint(
            "(duration = 'periods') = (periods IS NOT NULL)", name=op.f("ck_coupons_periods_of_duration")
        ),
        sa.CheckConstraint("periods BETWEEN 1 AND 120", name=op.f("ck_coupons_periods")),
        sa.CheckConstraint(
            "redeemed >= 0 AND redeemed <= max_redemptions", name=op.f("ck_coupons_not_overdrawn")
        ),
        sa.CheckConstraint("max_per_account > 0", name=op.f("ck_coupons_max_per_account")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_coupons")),
        sa.UniqueConstraint("code", name=op.f("uq_coupons_code")),
    )
    op.create_table(
        "coupon_redemptions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("coupon_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("periods", sa.Integer(), nullable=True),
        sa.Column("used", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("redeemed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("used >= 0 AND used <= periods", name=op.f("ck_coupon_redemptions_not_overdrawn")),
        _refers("coupon_redemptions", "coupon_id", "coupons"),
        _refers("coupon_redemptions", "account_id", "accounts"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_coupon_redemptions")),
        sa.UniqueConstraint(
            "coupon_id",
            "account_id",
            "number",
            name=op.f("uq_coupon_redemptions_coupon_id_account_id_number"),
        ),
    )
    op.create_index("ix_coupon_redemptions_account_id", "coupon_redemptions", ["account_id"])
