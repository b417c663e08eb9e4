"""Answers that were given, and their feedback."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

JSON = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "answers",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("collection_id", sa.String(64), nullable=False),
        sa.Column("record", JSON, nullable=False),
        sa.Column("created_us", sa.BigInteger, nullable=False),
        sa.Column("vote", sa.String(8)),
        sa.Column("comment", sa.Text),
        sa.Column("voter", sa.Text),
        sa.Column("voted_us", sa.BigInteger),
    )
    op.create_index("answers_collection", "answers", ["collection_id", "voted_us"])
    op.create_index("answers_created", "answers", ["created_us"])


def downgrade() -> None:
    """Remove the table."""
    op.drop_table("answers")
