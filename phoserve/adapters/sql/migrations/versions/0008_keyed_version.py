"""Keys by which filters find documents on PostgreSQL too.

`phoserve.adapters.sql.schema` indexes the documents without keys and fills the keys afterwards, outside of this
transaction, while others write.
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; on PostgreSQL also the table."""
    op.add_column("documents", sa.Column("keyed_version", sa.BigInteger))
    if op.get_bind().dialect.name != "postgresql":
        return  # its table is complete already
    op.create_table(
        "filter_keys",
        sa.Column("key", sa.LargeBinary, nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False, autoincrement=False),
        sa.PrimaryKeyConstraint("key", "sequence"),
    )


def downgrade() -> None:
    """Remove them."""
    if op.get_bind().dialect.name == "postgresql":
        op.drop_index("documents_unkeyed", "documents", if_exists=True)
        op.drop_table("filter_keys")
    op.drop_column("documents", "keyed_version")
