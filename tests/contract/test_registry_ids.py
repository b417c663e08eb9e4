"""Ids that look alike are different documents, and pages are stable while documents come and go, on every database."""

import random
import unicodedata
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from phoserve.adapters.sql.database import open_database
from phoserve.adapters.sql.registry import SqlRegistry
from phoserve.adapters.sql.schema import migrate
from phoserve.documents.collections import Collection
from phoserve.documents.records import Document, Original, new_document
from tests.support.postgres_server import PostgresServer
from tests.support.registry import add_collection

ALIKE = (
    *("a", "A", "á", "a\u0301", "ậ", unicodedata.normalize("NFD", "ậ"), "K", "\u212a", "ß", "ss", "ﬁ", "fi", "İ", "ı"),
    *(
        "a b",
        "a  b",
        "a\u00a0b",
        "a\u200bb",
        "3",
        "03",
        "+3",
        "3.0",
        "٣",
        "null",
        "true",
        "%",
        "_",
        "a%",
        "'",
        '"',
        "\\",
    ),
    *("x" * 256, "x" * 255, "😀" * 256),
)


@pytest.fixture(params=["sqlite", "postgres"])
async def registry(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[SqlRegistry]:
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'registry.sqlite3'}"
    else:
        server: PostgresServer = request.getfixturevalue("postgres")
        url = server.new_database()
    await migrate(url)
    opened = SqlRegistry(open_database(url))
    yield opened
    await opened.close()


def document(collection: Collection, id_: str) -> Document:
    key = f"{collection.id}/{id_.encode().hex()}"
    return new_document(collection, id_, Original(key=key, sha256="0" * 64, size_bytes=1, media_type="text/plain"))


async def test_ids_that_look_alike_are_different(registry: SqlRegistry) -> None:
    kb = await add_collection(registry, "kb")
    assert all(await registry.save([document(kb, id_) for id_ in ALIKE]))
    assert not any(await registry.save([document(kb, id_) for id_ in ALIKE]))
    found = await registry.find(kb.id, ALIKE)
    assert {id_: each.id for id_, each in found.items()} == {id_: id_ for id_ in ALIKE}
    for id_ in ALIKE:
        await registry.remove([await registry.get(kb, id_)])
        assert set(await registry.find(kb.id, ALIKE)) == set(ALIKE[ALIKE.index(id_) + 1 :])


@pytest.mark.parametrize("seed", range(3))
async def test_pages_are_stable_while_documents_come_and_go(registry: SqlRegistry, seed: int) -> None:
    choice = random.Random(seed)
    kb = await add_collection(registry, "kb")
    there = {each.id: each for each in await registry.save([document(kb, f"d{n}") for n in range(40)]) if each}
    at_first, seen, cursor, removed = set(there), [], None, set()
    for number in range(1000):
        page = await registry.page(kb.id, cursor=cursor, limit=choice.choice([1, 3, 7]))
        seen += [each.id for each in page.documents]
        cursor = page.cursor
        if cursor is None:
            break
        await registry.save([document(kb, f"new{number}-{each}") for each in range(choice.randint(0, 3))])
        id_ = choice.choice(list(there))
        removed.add(id_)
        await registry.remove([there.pop(id_)])
    assert cursor is None
    assert len(seen) == len(set(seen)), "none comes twice"
    assert at_first - removed <= set(seen) <= at_first, "none is left out, and new ones come before the first page"
