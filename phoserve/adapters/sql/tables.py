"""The tables of the registry, as the newest migration leaves them.

Types that differ between the databases are defined here: JSON is JSONB on PostgreSQL, and times are microseconds since
1970 UTC, because SQLite has no time zones.
"""

from typing import Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    false,
)
from sqlalchemy.dialects.postgresql import JSONB

Json: Final = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
Numbered: Final = BigInteger().with_variant(Integer, "sqlite")
"""SQLite assigns numbers only to primary keys of the type INTEGER."""

tables: Final = MetaData()

collections: Final = Table(
    "collections",
    tables,
    Column("id", String(64), primary_key=True),
    Column("name", String(64), nullable=False),
    Column("description", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("fingerprint", String(64), nullable=False, server_default=""),
    Column("reembedding", Json),
    Column("retired", Json),
    Column("settings", Json, nullable=False),
    Column("deleting", Boolean, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("created_us", BigInteger, nullable=False),
)
Index(
    "collections_name",
    collections.c.name,
    unique=True,
    sqlite_where=collections.c.deleting == false(),
    postgresql_where=collections.c.deleting == false(),
)

documents: Final = Table(
    "documents",
    tables,
    Column("sequence", Numbered, primary_key=True, autoincrement=True),
    Column("key", String(64), nullable=False),
    Column("collection_id", String(64), ForeignKey("collections.id"), nullable=False),
    Column("id", String(256), nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("live_revision", Integer, nullable=False),
    Column("state", String(16), nullable=False),
    Column("title", Text, nullable=False),
    Column("metadata", Json, nullable=False),
    Column("properties", Json, nullable=False),
    Column("access", Json, nullable=False),
    Column("access_key", String(64), nullable=False, server_default=""),
    Column("access_version", BigInteger, nullable=False, server_default="0"),
    Column("access_due_us", BigInteger),
    Column("original_key", Text, nullable=False),
    Column("original_sha256", String(64), nullable=False),
    Column("original_bytes", BigInteger, nullable=False),
    Column("media_type", Text, nullable=False),
    Column("filename", Text),
    Column("fingerprint", String(64), nullable=False),
    Column("target_fingerprint", String(64), nullable=False, server_default=""),
    Column("passages", Integer, nullable=False),
    Column("progress", Double, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("error", Json),
    Column("warnings", Json, nullable=False),
    Column("bulk", Boolean, nullable=False),
    Column("requests", Json, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("updated_us", BigInteger, nullable=False),
    Column("due_us", BigInteger),
    Column("keyed_version", BigInteger),
    sqlite_autoincrement=True,  # a cursor never points at a newer document
)
Index("documents_key", documents.c.key, unique=True)
Index("documents_id", documents.c.collection_id, documents.c.id, unique=True)
Index("documents_original", documents.c.original_key, unique=True)
Index("documents_newest", documents.c.collection_id, documents.c.sequence)
Index("documents_access", documents.c.collection_id, documents.c.access_key, documents.c.sequence)
Index(
    "documents_access_due",
    documents.c.access_due_us,
    sqlite_where=documents.c.access_due_us.is_not(None),
    postgresql_where=documents.c.access_due_us.is_not(None),
)
Index("documents_state", documents.c.collection_id, documents.c.state, documents.c.sequence)
Index("documents_changed", documents.c.collection_id, documents.c.updated_us, documents.c.sequence)
Index(
    "documents_due",
    documents.c.state,
    documents.c.bulk,
    documents.c.due_us,
    sqlite_where=documents.c.due_us.is_not(None),
    postgresql_where=documents.c.due_us.is_not(None),
)

document_counts: Final = Table(
    "document_counts",
    tables,
    Column("collection_id", String(64), ForeignKey("collections.id"), primary_key=True),
    Column("state", String(16), primary_key=True),
    Column("access_key", String(64), primary_key=True),
    Column("slot", Integer, primary_key=True),
    Column("access", Json),
    Column("documents", BigInteger, nullable=False),
)
"""Documents by collection, state and groups: the sum over all slots. It also lists which sets of groups there are, so
that counts and pages for an audience compare keys instead of groups. Transactions write different slots, so that they
do not wait for each other."""

imports: Final = Table(
    "imports",
    tables,
    Column("source", String(64), primary_key=True),
    Column("finished_us", BigInteger, nullable=False),
)
"""What was taken over from earlier versions."""

METADATA_INDEX: Final = "documents_metadata"
"""On PostgreSQL alone: GIN, for filters that compare metadata with values."""
UNKEYED_INDEX: Final = "documents_unkeyed"
"""On PostgreSQL alone: documents that meet `UNKEYED`, by collection and sequence."""
UNKEYED: Final = "CASE WHEN documents.keyed_version = documents.version THEN 0 ELSE 1 END = 1"
"""The condition of documents whose `filter_keys` are not those of their version: written by an older release during a
rollout, or before there were keys.

It means `keyed_version IS DISTINCT FROM version`. PostgreSQL estimates that nearly all rows meet that form and few meet
this one, so that it prefers the index."""

answers: Final = Table(
    "answers",
    tables,
    Column("id", String(64), primary_key=True),
    Column("collection_id", String(64), nullable=False),
    Column("record", Json, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("vote", String(8)),
    Column("comment", Text),
    Column("voter", Text),
    Column("voted_us", BigInteger),
)
Index("answers_collection", answers.c.collection_id, answers.c.voted_us)
Index("answers_created", answers.c.created_us)

filter_keys: Final = Table(
    "filter_keys",
    tables,
    Column("key", LargeBinary, primary_key=True),
    Column("sequence", Numbered, primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
)
"""See `phoserve.adapters.sql.filter_keys`."""

api_keys: Final = Table(
    "api_keys",
    tables,
    Column("sequence", Numbered, primary_key=True, autoincrement=True),
    Column("id", String(64), nullable=False),
    Column("sha256", String(64), nullable=False, unique=True),
    Column("role", String(16), nullable=False),
    Column("collections", Json, nullable=False),
    Column("groups", Json, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("expires_us", BigInteger),
    Column("revoked_us", BigInteger),
    Column("revoked_by", Text),
    sqlite_autoincrement=True,
)
"""Rows are added and revoked, never removed, so that the counts of both are a version."""
Index(
    "api_keys_id",
    api_keys.c.id,
    unique=True,
    sqlite_where=api_keys.c.revoked_us.is_(None),
    postgresql_where=api_keys.c.revoked_us.is_(None),
)

audit_events: Final = Table(
    "audit_events",
    tables,
    Column("sequence", Numbered, primary_key=True, autoincrement=True),
    Column("at_us", BigInteger, nullable=False),
    Column("action", String(64), nullable=False),
    Column("key_id", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("request_id", Text, nullable=False),
    Column("collection", Text),
    Column("outcome", String(64), nullable=False),
    Column("details", Json, nullable=False),
    sqlite_autoincrement=True,  # a cursor never points at a newer event
)
Index("audit_events_at", audit_events.c.at_us)
Index("audit_events_collection", audit_events.c.collection, audit_events.c.sequence)
Index("audit_events_key", audit_events.c.key_id, audit_events.c.sequence)
Index("audit_events_action", audit_events.c.action, audit_events.c.sequence)

DOCUMENT_COLUMNS: Final = (
    *documents.c,
    collections.c.name.label("collection"),
    collections.c.fingerprint.label("active_fingerprint"),
    collections.c.reembedding,
)
"""What a record is read from: its row, and its collection's."""
