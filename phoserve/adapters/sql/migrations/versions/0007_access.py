"""Groups of documents: their version, whether the index has them, and counts by them.

On PostgreSQL, `phoserve.adapters.sql.schema` builds the indexes afterwards, while others write.
"""

import msgspec
import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from phoserve.adapters.sql.rows import access_key
from phoserve.documents.access import CLOSED

revision = "0007"
down_revision = "0005"
branch_labels = None
depends_on = None

JSON = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
DOCUMENTS = sa.table("documents", *map(sa.column, ("collection_id", "state", "access_key", "access")))
AS_TEXT = sa.cast(DOCUMENTS.c.access, sa.Text)


def upgrade() -> None:
    """Add the columns, and count again by groups."""
    op.add_column("documents", sa.Column("access_key", sa.String(64), nullable=False, server_default=""))
    op.add_column("documents", sa.Column("access_version", sa.BigInteger, nullable=False, server_default="0"))
    op.add_column("documents", sa.Column("access_due_us", sa.BigInteger))
    if op.get_bind().dialect.name == "sqlite":
        op.create_index("documents_access", "documents", ["collection_id", "access_key", "sequence"])
        is_due = sa.text("access_due_us IS NOT NULL")
        op.create_index("documents_access_due", "documents", ["access_due_us"], sqlite_where=is_due)
    groups = _set_keys()
    kinds = DOCUMENTS.c.collection_id, DOCUMENTS.c.state, DOCUMENTS.c.access_key
    counted = sa.select(*kinds, sa.func.count().label("documents")).group_by(*kinds)
    counts = op.get_bind().execute(counted).mappings()
    rows = [{**row, "slot": 0, "access": list(groups[row["access_key"]])} for row in counts]
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
    op.drop_index("documents_access_due", "documents", if_exists=True)
    op.drop_index("documents_access", "documents", if_exists=True)
    for column in ("access_due_us", "access_version", "access_key"):
        op.drop_column("documents", column)


def _set_keys() -> dict[str, tuple[str, ...]]:
    """Set the keys of documents with groups, which there are only after a downgrade; return the groups of each key."""
    keys: dict[str, tuple[str, ...]] = {"": ()}
    used = sa.select(AS_TEXT).where(AS_TEXT != "[]").distinct()
    for text in op.get_bind().execute(used).scalars().all():
        access = _groups(text)
        keys[access_key(access)] = access
        op.execute(DOCUMENTS.update().where(AS_TEXT.in_([text])).values(access_key=access_key(access)))
    return keys


def _groups(text: str) -> tuple[str, ...]:
    try:
        return msgspec.json.decode(text, type=tuple[str, ...]) or CLOSED
    except msgspec.DecodeError:
        return CLOSED  # only administrators see a document whose groups cannot be read


def _create_counts(*, with_access: bool) -> sa.Table:
    key = [sa.Column("access_key", sa.String(64), primary_key=True)] if with_access else []
    groups = [sa.Column("access", JSON)] if with_access else []
    return op.create_table(
        "document_counts",
        sa.Column("collection_id", sa.String(64), sa.ForeignKey("collections.id"), primary_key=True),
        sa.Column("state", sa.String(16), primary_key=True),
        *key,
        sa.Column("slot", sa.Integer, primary_key=True),
        *groups,
        sa.Column("documents", sa.BigInteger, nullable=False),
    )
