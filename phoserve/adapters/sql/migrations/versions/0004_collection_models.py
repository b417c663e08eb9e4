"""Collections choose their model, and change it without an interruption."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0004"
down_revision = "0002"
branch_labels = None
depends_on = None

JSON = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")


def upgrade() -> None:
    """Add the columns. Collections get the fingerprint of the active model at the next start: the index knows it."""
    op.add_column("collections", sa.Column("fingerprint", sa.String(64), nullable=False, server_default=""))
    op.add_column("collections", sa.Column("reembedding", JSON))
    op.add_column("collections", sa.Column("retired", JSON))
    op.add_column("documents", sa.Column("target_fingerprint", sa.String(64), nullable=False, server_default=""))


def downgrade() -> None:
    """Remove the columns."""
    op.drop_column("documents", "target_fingerprint")
    for column in ("retired", "reembedding", "fingerprint"):
        op.drop_column("collections", column)
