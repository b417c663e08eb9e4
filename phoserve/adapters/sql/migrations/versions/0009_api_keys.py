"""API keys of the registry."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

JSON = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
NUMBERED = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "api_keys",
        sa.Column("sequence", NUMBERED, primary_key=True, autoincrement=True),
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False, unique=True),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("collections", JSON, nullable=False),
        sa.Column("groups", JSON, nullable=False),
        sa.Column("created_us", sa.BigInteger, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.Column("expires_us", sa.BigInteger),
        sa.Column("revoked_us", sa.BigInteger),
        sa.Column("revoked_by", sa.Text),
        sqlite_autoincrement=True,
    )
    is_valid = sa.text("revoked_us IS NULL")
    op.create_index("api_keys_id", "api_keys", ["id"], unique=True, sqlite_where=is_valid, postgresql_where=is_valid)


def downgrade() -> None:
    """Remove it: an older release knows the keys of its file only."""
    op.drop_table("api_keys")
