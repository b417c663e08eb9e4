"""Keys by which filters find documents on PostgreSQL too; `phoserve.adapters.sql.schema` fills them afterwards."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

UNKEYED = "CASE WHEN keyed_version = version THEN 0 ELSE 1 END = 1"


def upgrade() -> None:
    """Add the column; on PostgreSQL also the table and the index of documents without keys."""
    op.add_column("documents", sa.Column("keyed_version", sa.BigInteger))
    if op.get_bind().dialect.name != "postgresql":
        return  # its table is complete already
    op.create_table(
        "filter_keys",
        sa.Column("key", sa.LargeBinary, nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False, autoincrement=False),
        sa.PrimaryKeyConstraint("key", "sequence"),
    )
    is_unkeyed = sa.text(UNKEYED)
    op.create_index("documents_unkeyed", "documents", ["collection_id", "sequence"], postgresql_where=is_unkeyed)


def downgrade() -> None:
    """Remove them."""
    if op.get_bind().dialect.name == "postgresql":
        op.drop_index("documents_unkeyed", "documents")
        op.drop_table("filter_keys")
    op.drop_column("documents", "keyed_version")
