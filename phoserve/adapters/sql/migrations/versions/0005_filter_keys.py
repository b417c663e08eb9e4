"""Keys by which filters find documents on SQLite, filled for the documents that are there."""

import sqlalchemy as sa
from alembic import context, op

from phoserve.adapters.sql.database import decode_json
from phoserve.adapters.sql.key_search import add_keys

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

DOCUMENTS_PER_READ = 2000


def upgrade() -> None:
    """Create and fill the table."""
    if op.get_bind().dialect.name != "sqlite":
        return
    op.create_table(
        "filter_keys",
        sa.Column("key", sa.LargeBinary, nullable=False),
        sa.Column("sequence", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("key", "sequence"),
        sqlite_with_rowid=False,
    )
    _fill(op.get_bind())


def downgrade() -> None:
    """Remove the table."""
    if op.get_bind().dialect.name == "sqlite":
        op.drop_table("filter_keys")


def _fill(connection: sa.Connection) -> None:
    seen = context.config.attributes.get("seen")
    page = "SELECT sequence, collection_id, title, metadata FROM documents WHERE sequence > ? ORDER BY sequence LIMIT ?"
    total = connection.exec_driver_sql("SELECT count(*) FROM documents").scalar_one()
    last, done = 0, 0
    while rows := connection.exec_driver_sql(page, (last, DOCUMENTS_PER_READ)).mappings().all():
        add_keys(connection, [{**row, "metadata": decode_json(row["metadata"])} for row in rows])
        last, done = rows[-1]["sequence"], done + len(rows)
        if seen:
            seen(done, total)
