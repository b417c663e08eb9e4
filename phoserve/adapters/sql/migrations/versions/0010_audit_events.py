"""Audit events."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

JSON = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
NUMBERED = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "audit_events",
        sa.Column("sequence", NUMBERED, primary_key=True, autoincrement=True),
        sa.Column("at_us", sa.BigInteger, nullable=False),
        sa.Column("action", sa.String(64), nullable=False),
        sa.Column("key_id", sa.Text, nullable=False),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("request_id", sa.Text, nullable=False),
        sa.Column("collection", sa.Text),
        sa.Column("outcome", sa.String(64), nullable=False),
        sa.Column("details", JSON, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("audit_events_at", "audit_events", ["at_us"])
    for name, column in (("collection", "collection"), ("key", "key_id"), ("action", "action")):
        op.create_index(f"audit_events_{name}", "audit_events", [column, "sequence"])


def downgrade() -> None:
    """Remove it."""
    op.drop_table("audit_events")
