"""Groups of documents: their version, whether the index has them, and counts by them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from phoserve.adapters.sql.rows import access_key

revision = "0007"
down_revision = "0005"
branch_labels = None
depends_on = None

JSON = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
DOCUMENTS = sa.table("documents", *map(sa.column, ("collection_id", "state", "access_key")), sa.column("access", JSON))


def upgrade() -> None:
    """Add the columns, and count again by groups."""
    op.add_column("documents", sa.Column("access_key", sa.String(64), nullable=False, server_default=""))
    op.add_column("documents", sa.Column("access_version", sa.BigInteger, nullable=False, server_default="0"))
    op.add_column("documents", sa.Column("access_due_us", sa.BigInteger))
    op.create_index("documents_access", "documents", ["collection_id", "access_key", "sequence"])
    is_due = sa.text("access_due_us IS NOT NULL")
    op.create_index(
        "documents_access_due", "documents", ["access_due_us"], sqlite_where=is_due, postgresql_where=is_due
    )
    _set_keys()
    counted = sa.select(*DOCUMENTS.c, sa.func.count().label("documents")).group_by(*DOCUMENTS.c)
    rows = [{**row, "slot": 0} for row in op.get_bind().execute(counted).mappings()]
    op.drop_table("document_counts")
    op.bulk_insert(_create_counts(with_access=True), rows)


def downgrade() -> None:
    """Remove the columns. Groups stay on the documents, and the older release ignores them."""
    counts = op.get_bind().execute(
        sa.text("SELECT collection_id, state, slot, sum(documents) AS documents FROM document_counts GROUP BY 1, 2, 3")
    )
    rows = [dict(row) for row in counts.mappings()]
    op.drop_table("document_counts")
    op.bulk_insert(_create_counts(with_access=False), rows)
    op.drop_index("documents_access_due", "documents")
    op.drop_index("documents_access", "documents")
    for column in ("access_due_us", "access_version", "access_key"):
        op.drop_column("documents", column)


def _set_keys() -> None:
    """Set the keys of documents with groups; there are some only after a downgrade."""
    access = DOCUMENTS.c.access
    used = sa.select(access).where(sa.cast(access, sa.Text) != "[]").distinct()
    for (groups,) in op.get_bind().execute(used).all():
        same = access == sa.literal(groups, JSON)
        op.execute(DOCUMENTS.update().where(same).values(access_key=access_key(groups)))


def _create_counts(*, with_access: bool) -> sa.Table:
    key = [sa.Column("access_key", sa.String(64), primary_key=True)] if with_access else []
    groups = [sa.Column("access", JSON, nullable=False)] if with_access else []
    return op.create_table(
        "document_counts",
        sa.Column("collection_id", sa.String(64), sa.ForeignKey("collections.id"), primary_key=True),
        sa.Column("state", sa.String(16), primary_key=True),
        *key,
        sa.Column("slot", sa.Integer, primary_key=True),
        *groups,
        sa.Column("documents", sa.BigInteger, nullable=False),
    )
