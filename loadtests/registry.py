"""A registry of many documents: how long pages, counts, due work and writes take on SQLite and PostgreSQL.

`python -m loadtests.registry DATABASE [--documents 1000000] [--rounds 200] [--json FILE]` fills an empty database, then
times what API and workers ask for. DATABASE is `sqlite`, `postgres` (the installed server, in a temporary folder) or a
URL.
"""

import argparse
import asyncio
import json
import random
import sys
import time
import uuid
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import psycopg
from sqlalchemy import JSON, Connection

from loadtests.databases import database_url
from phoserve.adapters.sql.database import DatabaseOptions, open_database
from phoserve.adapters.sql.registry import SqlRegistry, count_documents
from phoserve.adapters.sql.rows import document_row
from phoserve.adapters.sql.schema import migrate
from phoserve.adapters.sql.tables import documents
from phoserve.documents.collections import Collection, new_collection
from phoserve.documents.filters import All, Exists, Filter, Match, Not, Range, TitleWords
from phoserve.documents.records import UNFINISHED, Document, DocumentState, Original, new_document

DOCUMENTS_PER_WRITE: Final = 1000
PAGE: Final = 50
FIRST_DAY: Final = date(1990, 1, 1)
LEASE: Final = timedelta(minutes=1)
DEPARTMENTS: Final = ("nhân sự", "kế toán", "kỹ thuật", "pháp chế", "kinh doanh")
FILTERS: Final[dict[str, Filter]] = {
    "met by 1 in 10": All((Match("department", "pháp chế"), Range("year", gte=2020))),
    "met by 1 in 5,000": All((Match("tags", "nhãn 7"), Match("batch", 3))),
    "met by one": Match("number", 7),
    "met by four, a range": Range("number", gte=7, lt=11),
    "met by ten, dates": Range("signed", gte="1990-01-01", lt="1990-01-11"),
    "met by none": Match("department", "hành chính"),
    "title, met by one": TitleWords(("tai", "lieu", "7")),
    "met by one, negated": Not(Exists("department")),
}
"""Those met by few documents are met by the oldest ones."""

Figures = dict[str, list[float]]


def main() -> None:
    """Fill, measure, print a table."""
    arguments = _arguments()
    with database_url(arguments.database) as url:
        figures = asyncio.run(_measure(url, arguments.documents, arguments.rounds))
    sys.stdout.write(f"{'':<40} {'p50 ms':>9} {'p95 ms':>9}\n")
    for name, times in figures.items():
        sys.stdout.write(f"{name:<40} {np.median(times):>9.2f} {np.percentile(times, 95):>9.2f}\n")
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1))


async def _measure(url: str, total: int, rounds: int) -> Figures:
    await migrate(url)
    registry = SqlRegistry(open_database(url, DatabaseOptions(timeout_s=300)))
    collection = await registry.add_collection(new_collection("kb"))
    if collection is None:
        raise SystemExit("the registry is not empty")
    started = time.perf_counter()
    if registry.database.dialect == "postgresql":
        await registry.database.write(lambda connection: _copy(url, connection, collection, total))
        copied_s = time.perf_counter() - started
        await migrate(url)  # adds the keys of filters, as after an upgrade
        filled_s = time.perf_counter() - started - copied_s
        _vacuum(url)
        sys.stdout.write(f"copied in {copied_s:.0f} s, keys of filters added in {filled_s:.0f} s\n")
    else:
        for first in range(0, total, DOCUMENTS_PER_WRITE):
            numbers = range(first, min(first + DOCUMENTS_PER_WRITE, total))
            await registry.save([_document(collection, number) for number in numbers])
    filled_s = time.perf_counter() - started
    sys.stdout.write(f"{total} documents in {filled_s:.0f} s: {total / filled_s:.0f} a second\n")
    sys.stdout.flush()
    figures = await _reads(registry, collection, total, rounds)
    figures |= await _writes(registry, collection, rounds)
    await registry.close()
    started = time.perf_counter()
    again = SqlRegistry(open_database(url))
    await migrate(url)
    await again.page(collection.id, limit=PAGE)
    figures["open, and a first page"] = [(time.perf_counter() - started) * 1e3]
    await again.close()
    return figures


def _copy(url: str, connection: Connection, collection: Collection, count: int) -> None:
    """Fill the table of documents as `pg_restore` does; as many writes of a thousand would take an hour."""
    columns = [column for column in documents.c if column.name not in {"sequence", "keyed_version"}]
    encode = [
        (lambda value: value if value is None else msgspec.json.encode(value).decode())
        if isinstance(column.type, JSON)
        else (lambda value: value)
        for column in columns
    ]
    names = ", ".join(column.name for column in columns)
    states: list[tuple[str, DocumentState]] = []
    with psycopg.connect(url) as filled, filled.cursor().copy(f"COPY documents ({names}) FROM STDIN") as copy:
        for number in range(count):
            document = _document(collection, number)
            row = document_row(msgspec.structs.replace(document, version=1))
            copy.write_row([each(row[column.name]) for each, column in zip(encode, columns, strict=True)])
            states.append((collection.id, document.state))
    count_documents(connection, states)


def _vacuum(url: str) -> None:
    """Do what the server does by itself within a minute."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE documents, filter_keys")
        sizes = connection.execute(
            "SELECT pg_total_relation_size('documents') / 1e6, pg_total_relation_size('filter_keys') / 1e6"
        ).fetchone()
    sys.stdout.write("documents {:.0f} MB, keys of filters {:.0f} MB\n".format(*(sizes or (0, 0))))


async def _reads(registry: SqlRegistry, collection: Collection, total: int, rounds: int) -> Figures:
    deep = f"{collection.id}.{total // 2}"

    async def page(
        cursor: str | None = None, states: Iterable[DocumentState] = (), where: Filter | None = None
    ) -> None:
        await registry.page(collection.id, cursor=cursor, states=list(states), where=where, limit=PAGE)

    async def every_page(where: Filter) -> None:
        cursor: str | None = None
        while True:
            cursor = (await registry.page(collection.id, cursor=cursor, where=where, limit=PAGE)).cursor
            if cursor is None:
                return

    def filtered(where: Filter) -> Callable[[int], Awaitable[None]]:
        return lambda _: page(where=where)

    few = max(rounds // 20, 5)
    known = [f"d{random.randrange(total)}" for _ in range(rounds)]  # noqa: S311 - a sample
    return {
        "first page": await _timed(rounds, lambda _: page()),
        "page in the middle": await _timed(rounds, lambda _: page(deep)),
        "first page of failed": await _timed(rounds, lambda _: page(states=[DocumentState.FAILED])),
        **{f"first page, filter {name}": await _timed(few, filtered(where)) for name, where in FILTERS.items()},
        "every page, filter met by one, negated": await _timed(5, lambda _: every_page(FILTERS["met by one, negated"])),
        "first page, filter met by all, negated": await _timed(few, filtered(Not(Match("department", "hành chính")))),
        "counts of a collection": await _timed(rounds, lambda _: registry.counts(collection.id)),
        "counts of all": await _timed(rounds, lambda _: registry.counts()),
        "due": await _timed(rounds, lambda _: registry.due(datetime.now(UTC), states=UNFINISHED, limit=500)),
        "changed": await _timed(rounds, lambda _: registry.changed(collection.id, since=datetime.now(UTC))),
        "one document": await _timed(rounds, lambda number: registry.get(collection, known[number])),
        "collection by name": await _timed(rounds, lambda _: registry.collection("kb")),
    }


async def _writes(registry: SqlRegistry, collection: Collection, rounds: int) -> Figures:
    async def add(count: int) -> None:
        assert all(await registry.save([_new(collection) for _ in range(count)]))  # noqa: S101 - fails the measurement

    [document] = await registry.save([_new(collection)])

    async def change() -> None:
        nonlocal document
        assert document is not None  # noqa: S101 - fails the measurement
        [document] = await registry.save([document.reindex()])

    return {
        "add one": await _timed(rounds, lambda _: add(1)),
        "add 100": await _timed(max(rounds // 4, 5), lambda _: add(100)),
        "change one": await _timed(rounds, lambda _: change()),
        "add one, 16 at once (each 16)": await _timed(
            max(rounds // 4, 5), lambda _: asyncio.gather(*(add(1) for _ in range(16)))
        ),
    }


def _document(collection: Collection, number: int) -> Document:
    metadata = {
        "department": DEPARTMENTS[number % len(DEPARTMENTS)],
        "year": 2015 + number % 10,
        "number": number,
        "tags": [f"nhãn {number % 50}", "chung"],
        "batch": number % 97,
        "signed": (FIRST_DAY + timedelta(days=number)).isoformat() if number < 10_000 else "2024-05-01",
    }
    if number == 11:
        del metadata["department"]
    original = Original(
        key=f"{collection.id}/{uuid.uuid4().hex}", sha256="0" * 64, size_bytes=4096, media_type="text/plain",
        filename=f"tài liệu {number}.txt",
    )  # fmt: skip
    document = new_document(collection, f"d{number}", original, title=f"Tài liệu {number}", metadata=metadata)
    if number % 100 == 0:
        return document
    if number % 1000 == 1:
        return msgspec.structs.replace(document, state=DocumentState.FAILED, due_at=None)
    return document.claim(LEASE).indexed(3, "f" * 16, LEASE).ready()


def _new(collection: Collection) -> Document:
    original = Original(
        key=f"{collection.id}/{uuid.uuid4().hex}", sha256="0" * 64, size_bytes=4096, media_type="text/plain"
    )
    return new_document(collection, uuid.uuid4().hex, original, title="Tài liệu mới", metadata={"year": 2026})


async def _timed(times: int, call: Callable[[int], Awaitable[object]]) -> list[float]:
    """Milliseconds of each of several calls."""
    elapsed = []
    for number in range(times):
        started = time.perf_counter()
        await call(number)
        elapsed.append((time.perf_counter() - started) * 1e3)
    return elapsed


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Time a registry of many documents.")
    parser.add_argument("database")
    parser.add_argument("--documents", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
