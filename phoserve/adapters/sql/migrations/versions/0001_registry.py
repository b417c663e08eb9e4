"""Collections, documents, and documents counted by state."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

JSON = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
NUMBERED = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "collections",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("settings", JSON, nullable=False),
        sa.Column("deleting", sa.Boolean, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("created_us", sa.BigInteger, nullable=False),
    )
    _index("collections_name", "collections", ["name"], unique=True, where="deleting = false")
    op.create_table(
        "documents",
        sa.Column("sequence", NUMBERED, primary_key=True, autoincrement=True),
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("collection_id", sa.String(64), sa.ForeignKey("collections.id"), nullable=False),
        sa.Column("id", sa.String(256), nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("live_revision", sa.Integer, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("metadata", JSON, nullable=False),
        sa.Column("properties", JSON, nullable=False),
        sa.Column("access", JSON, nullable=False),
        sa.Column("original_key", sa.Text, nullable=False),
        sa.Column("original_sha256", sa.String(64), nullable=False),
        sa.Column("original_bytes", sa.BigInteger, nullable=False),
        sa.Column("media_type", sa.Text, nullable=False),
        sa.Column("filename", sa.Text),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("passages", sa.Integer, nullable=False),
        sa.Column("progress", sa.Double, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("error", JSON),
        sa.Column("warnings", JSON, nullable=False),
        sa.Column("bulk", sa.Boolean, nullable=False),
        sa.Column("requests", JSON, nullable=False),
        sa.Column("created_us", sa.BigInteger, nullable=False),
        sa.Column("updated_us", sa.BigInteger, nullable=False),
        sa.Column("due_us", sa.BigInteger),
        sqlite_autoincrement=True,
    )
    _index("documents_key", "documents", ["key"], unique=True)
    _index("documents_id", "documents", ["collection_id", "id"], unique=True)
    _index("documents_original", "documents", ["original_key"], unique=True)
    _index("documents_newest", "documents", ["collection_id", "sequence"])
    _index("documents_state", "documents", ["collection_id", "state", "sequence"])
    _index("documents_changed", "documents", ["collection_id", "updated_us", "sequence"])
    _index("documents_due", "documents", ["state", "bulk", "due_us"], where="due_us IS NOT NULL")
    op.create_table(
        "document_counts",
        sa.Column("collection_id", sa.String(64), sa.ForeignKey("collections.id"), primary_key=True),
        sa.Column("state", sa.String(16), primary_key=True),
        sa.Column("slot", sa.Integer, primary_key=True),
        sa.Column("documents", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "imports",
        sa.Column("source", sa.String(64), primary_key=True),
        sa.Column("finished_us", sa.BigInteger, nullable=False),
    )
    if op.get_bind().dialect.name == "postgresql":
        _prepare_filters()


def downgrade() -> None:
    """Remove everything."""
    for table in ("imports", "document_counts", "documents", "collections"):
        op.drop_table(table)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION phoserve_moment_us(text)")


def _index(name: str, table: str, columns: list[str], *, unique: bool = False, where: str | None = None) -> None:
    condition = sa.text(where) if where else None
    op.create_index(name, table, columns, unique=unique, sqlite_where=condition, postgresql_where=condition)


def _prepare_filters() -> None:
    """Index metadata for equality, and define how a filter reads dates."""
    op.create_index(
        "documents_metadata",
        "documents",
        ["metadata"],
        postgresql_using="gin",
        postgresql_ops={"metadata": "jsonb_path_ops"},
    )
    # NULL for anything that is not a date: a filter passes over such values.
    op.execute(
        r"""
        CREATE FUNCTION phoserve_moment_us(value text) RETURNS bigint
        LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
        DECLARE
            part text[] := regexp_match(
                value,
                '^\s*(\d{4})-(\d{1,2})-(\d{1,2})'
                || '(?:[Tt ]([01]?\d|2[0-3]):(\d{2})(?::([0-5]\d)(?:\.(\d{1,9}))?)?'
                || '\s*(?:[Zz]|([+-])(\d{2}):?(\d{2})?)?)?\s*$'
            );
            zone_minutes integer;
        BEGIN
            IF part IS NULL THEN
                RETURN NULL;
            END IF;
            zone_minutes := coalesce((part[8] || '1')::integer * (part[9]::integer * 60), 0)
                + coalesce((part[8] || '1')::integer * part[10]::integer, 0);
            RETURN (
                extract(epoch FROM make_timestamptz(
                    part[1]::integer, part[2]::integer, part[3]::integer,
                    coalesce(part[4]::integer, 0), coalesce(part[5]::integer, 0), coalesce(part[6]::integer, 0), 'UTC'
                ))::bigint - zone_minutes * 60
            ) * 1000000 + coalesce(substr(rpad(part[7], 6, '0'), 1, 6)::bigint, 0);
        EXCEPTION WHEN OTHERS THEN
            RETURN NULL;
        END $$
        """
    )
