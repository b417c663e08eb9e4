"""What every DocumentRegistry promises."""

import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from phoserve.adapters.sql.database import open_database
from phoserve.adapters.sql.registry import SqlRegistry
from phoserve.documents.access import UNRESTRICTED, Audience
from phoserve.documents.collections import Collection, new_collection
from phoserve.documents.filters import AnyOf, Match
from phoserve.documents.ports import DocumentRegistry
from phoserve.documents.records import Document, DocumentFailure, DocumentState, Original, new_document
from phoserve.errors import CollectionNotFound, DocumentNotFound, InvalidInput
from phoserve.text.blocks import ParserWarning, Place
from tests.support.memory import MemoryRegistry
from tests.support.pages import all_pages

LEASE = timedelta(seconds=30)


@pytest.fixture(params=["memory", "sqlite", "postgres"])
async def registry(
    request: pytest.FixtureRequest, new_database: Callable[[str], str]
) -> AsyncIterator[DocumentRegistry]:
    if request.param == "memory":
        yield MemoryRegistry()
        return
    opened = SqlRegistry(open_database(new_database(request.param)))
    yield opened
    await opened.close()


@pytest.fixture
async def kb(registry: DocumentRegistry) -> Collection:
    return await added(registry, "kb")


@pytest.fixture
async def other(registry: DocumentRegistry) -> Collection:
    return await added(registry, "other")


async def added(registry: DocumentRegistry, name: str, **more: Any) -> Collection:
    collection = await registry.add_collection(new_collection(name, **more))
    assert collection is not None
    return collection


def document(id_: str, collection: Collection, **metadata: object) -> Document:
    original = Original(key=f"{collection.id}/{id_}", sha256="0" * 64, size_bytes=1, media_type="text/plain")
    return new_document(collection, id_, original, title=id_, metadata=metadata)


async def saved(registry: DocumentRegistry, *documents: Document) -> list[Document]:
    written = await registry.save(documents)
    assert all(written)
    return [each for each in written if each]


async def test_it_responds(registry: DocumentRegistry) -> None:
    await registry.ping()


async def test_a_collection_is_added_once(registry: DocumentRegistry) -> None:
    one = await added(registry, "kb", description="one")
    assert await registry.add_collection(new_collection("kb", description="two")) is None
    assert await registry.collection("kb") == one


async def test_a_collection_keeps_all_that_it_was_given(registry: DocumentRegistry, kb: Collection) -> None:
    changed = msgspec.structs.replace(kb, description="Mô tả", model="m2", settings={"weights": {"dense": 0.5}})
    assert await registry.update_collection(changed) == msgspec.structs.replace(changed, version=kb.version + 1)
    assert (await registry.collection("kb")).settings == {"weights": {"dense": 0.5}}


async def test_only_one_of_two_changes_of_a_collection_wins(registry: DocumentRegistry, kb: Collection) -> None:
    assert await registry.update_collection(msgspec.structs.replace(kb, description="a"))
    assert await registry.update_collection(msgspec.structs.replace(kb, description="b")) is None
    assert [each.description for each in await registry.collections()] == ["a"]


async def test_a_removed_collection_is_unknown(registry: DocumentRegistry, kb: Collection) -> None:
    await saved(registry, document("d1", kb))
    await registry.remove_collection(kb.id)
    with pytest.raises(CollectionNotFound):
        await registry.collection("kb")
    assert await registry.counts() == {}
    assert await registry.update_collection(kb) is None, "what is gone does not come back"


async def test_the_name_of_a_collection_that_is_being_deleted_is_free(
    registry: DocumentRegistry, kb: Collection
) -> None:
    [old] = await saved(registry, document("d1", kb))
    assert await registry.update_collection(msgspec.structs.replace(kb, deleting=True))
    with pytest.raises(CollectionNotFound):
        await registry.collection("kb")
    again = await added(registry, "kb")
    [new] = await saved(registry, document("d1", again))
    assert [each.deleting for each in await registry.collections()] == [True, False]
    await registry.remove_collection(kb.id)
    assert await registry.find_keys([old.key, new.key]) == {new.key: new}
    assert await registry.collection("kb") == again


async def test_nothing_is_added_to_a_collection_that_is_being_deleted(
    registry: DocumentRegistry, kb: Collection, other: Collection
) -> None:
    [before] = await saved(registry, document("d1", kb))
    await registry.update_collection(msgspec.structs.replace(kb, deleting=True))
    with pytest.raises(CollectionNotFound, match="kb"):
        await registry.save([document("d1", other), document("d2", kb)])
    assert await registry.counts(other.id) == {}, "all of a batch or nothing"
    assert await registry.counts(kb.id) == {DocumentState.QUEUED: 1}
    assert await saved(registry, before.deleting(LEASE)), "what is there can still be changed"
    with pytest.raises(CollectionNotFound):
        await registry.save([document("d1", new_collection("never"))])


async def test_a_document_is_found_as_it_was_saved(
    registry: DocumentRegistry, kb: Collection, other: Collection
) -> None:
    full = msgspec.structs.replace(
        document("d1", kb, year=2024, tags=["a", "b"], nested={"x": None, "y": [1.5, True]}),
        properties={"author": "Lan"},
        access=("ketoan", "nhansu"),
        warnings=(ParserWarning(code="page_without_text", message="Page 2 has no text.", place=Place(page=2)),),
        error=DocumentFailure(code="empty", message="no text", retryable=True),
        requests=("r1", "r2"),
        progress=1 / 3,
    )
    [written] = await saved(registry, full)
    assert written == msgspec.structs.replace(full, version=1)
    assert await registry.get(kb, "d1") == written
    assert await registry.find_keys([written.key]) == {written.key: written}
    assert await registry.find_originals([written.original.key, "x"]) == {written.original.key}
    assert await registry.find(kb.id, []) == {}
    with pytest.raises(DocumentNotFound, match="other"):
        await registry.get(other, "d1")


async def test_only_one_of_two_changes_of_a_document_wins(registry: DocumentRegistry, kb: Collection) -> None:
    [before] = await saved(registry, document("d1", kb))
    [first] = await registry.save([before.claim(LEASE)])
    [second] = await registry.save([before.claim(LEASE)])
    assert first is not None
    assert second is None
    assert await registry.save([document("d1", kb)]) == [None], "a document that exists cannot be added"


async def test_one_id_twice_in_one_batch_is_taken_once(registry: DocumentRegistry, kb: Collection) -> None:
    one = document("d1", kb)
    for twice in ([one, one], [document("d2", kb), document("d2", kb)]):
        first, second = await registry.save(twice)
        assert first is not None
        assert second is None
    [known] = [await registry.get(kb, "d1")]
    first, second = await registry.save([known.claim(LEASE), known.reindex()])
    assert first is not None
    assert second is None
    assert await registry.counts() == {DocumentState.QUEUED: 1, DocumentState.PROCESSING: 1}


async def test_a_record_that_changed_is_not_removed(registry: DocumentRegistry, kb: Collection) -> None:
    [before] = await saved(registry, document("d1", kb))
    [after] = await saved(registry, before.claim(LEASE))
    await registry.remove([before])
    assert await registry.get(kb, "d1") == after
    await registry.remove([after])
    assert await registry.find(kb.id, ["d1"]) == {}
    assert await registry.save([after.reindex()]) == [None], "what is gone does not come back"
    assert await registry.counts() == {}


async def test_pages_hold_every_document_once_newest_first(
    registry: DocumentRegistry, kb: Collection, other: Collection
) -> None:
    ids = [f"d{number}" for number in range(25)]
    for id_ in ids:
        await saved(registry, document(id_, kb), document(id_, other))
    assert [each.id for each in await all_pages(registry, kb.id, limit=10)] == ids[::-1]
    cursor = (await registry.page(kb.id, limit=10)).cursor
    for wrong, collection in (("x", kb), (cursor, other), (f"{kb.id}.", kb), (f"{kb.id}.{'9' * 30}", kb)):
        with pytest.raises(InvalidInput, match="cursor"):
            await registry.page(collection.id, cursor=wrong)


async def test_pages_can_be_filtered(registry: DocumentRegistry, kb: Collection) -> None:
    drafts = [document("a", kb, draft=True, year=1), document("b", kb, draft=False), document("c", kb)]
    [a, _, _] = await saved(registry, *drafts)
    await saved(registry, a.claim(LEASE))

    async def ids(**conditions: object) -> set[str]:
        return {each.id for each in (await registry.page(kb.id, **conditions)).documents}  # type: ignore[arg-type]

    assert await ids(states=[DocumentState.PROCESSING]) == {"a"}
    assert await ids(states=[DocumentState.PROCESSING, DocumentState.QUEUED]) == {"a", "b", "c"}
    assert await ids(where=Match("draft", True)) == {"a"}
    assert await ids(where=AnyOf("draft", (True, False))) == {"a", "b"}
    assert await ids(states=[DocumentState.QUEUED], where=Match("draft", True)) == set()


async def test_a_state_that_is_named_often_costs_no_more(registry: DocumentRegistry, kb: Collection) -> None:
    began = time.process_time()
    page = await registry.page(kb.id, states=[DocumentState.QUEUED] * 20_000)
    assert time.process_time() - began < 1.0
    assert page.documents == []


async def test_pages_of_several_states_follow_one_order(registry: DocumentRegistry, kb: Collection) -> None:
    for number in range(12):
        [each] = await saved(registry, document(f"d{number}", kb))
        if number % 2:
            await saved(registry, each.claim(LEASE))
    seen: list[str] = []
    cursor = None
    while True:
        page = await registry.page(
            kb.id, states=[DocumentState.QUEUED, DocumentState.PROCESSING], cursor=cursor, limit=5
        )
        seen += [each.id for each in page.documents]
        cursor = page.cursor
        if cursor is None:
            break
    assert seen == [f"d{number}" for number in reversed(range(12))]


async def test_counts_by_state(registry: DocumentRegistry, kb: Collection, other: Collection) -> None:
    [a, b, _] = await saved(registry, document("a", kb), document("b", kb), document("c", other))
    await saved(registry, a.claim(LEASE))
    assert await registry.counts(kb.id) == {DocumentState.QUEUED: 1, DocumentState.PROCESSING: 1}
    assert await registry.counts() == {DocumentState.QUEUED: 2, DocumentState.PROCESSING: 1}
    await registry.remove([b])
    assert await registry.counts(kb.id) == {DocumentState.PROCESSING: 1}
    assert await registry.counts("empty") == {}


async def test_what_is_due_comes_longest_overdue_first(registry: DocumentRegistry, kb: Collection) -> None:
    a, b, c = await saved(registry, document("a", kb), document("b", kb), document("c", kb))
    await saved(registry, a.claim(LEASE).indexed(1, "f", LEASE).ready(), b.claim(timedelta(hours=1)))
    now = datetime.now(UTC)
    states = [DocumentState.QUEUED, DocumentState.PROCESSING]
    assert [each.id for each in await registry.due(now, states=states, limit=10)] == ["c"]
    later = now + timedelta(hours=2)
    assert [each.id for each in await registry.due(later, states=states, limit=10)] == ["c", "b"]
    assert [each.id for each in await registry.due(later, states=states, limit=1)] == ["c"]
    assert await registry.due(later, states=states, limit=10, bulk=True) == []
    assert c.due_at is not None


async def test_changes_come_in_order_of_time(registry: DocumentRegistry, kb: Collection) -> None:
    before = datetime.now(UTC)
    [a] = await saved(registry, document("a", kb))
    await saved(registry, document("b", kb))
    await saved(registry, a.claim(LEASE))
    assert [each.id for each in await registry.changed(kb.id, since=before)] == ["b", "a"]


async def test_removing_all_documents_of_a_collection_spares_the_others(
    registry: DocumentRegistry, kb: Collection, other: Collection
) -> None:
    await saved(registry, document("a", kb), document("b", kb), document("c", other))
    await registry.remove_documents(kb.id)
    assert await registry.counts() == {DocumentState.QUEUED: 1}
    assert (await registry.collection("kb")).name == "kb"


async def test_text_that_a_database_refuses_is_repaired(registry: DocumentRegistry, kb: Collection) -> None:
    if isinstance(registry, MemoryRegistry):
        pytest.skip("memory stores any text")
    odd = DocumentFailure(code="x", message="a\x00b \ud800")
    [written] = await saved(registry, msgspec.structs.replace(document("a", kb), title="a\x00", error=odd))
    stored = await registry.get(kb, "a")
    assert stored.title == "a\ufffd"
    assert stored.error is not None
    assert stored.error.message == "a\ufffdb \ufffd\ufffd\ufffd"
    assert stored.version == written.version


def audience(*groups: str) -> Audience:
    return Audience(frozenset(groups))


async def listed(registry: DocumentRegistry, kb: Collection, who: Audience) -> set[str]:
    """The ids of the documents that `who` sees: the same by every way of listing."""
    everything = await all_pages(registry, kb.id, limit=2, audience=who)
    first = min(each.updated_at for each in await all_pages(registry, kb.id, limit=100))
    changed = await registry.changed(kb.id, since=first, audience=who)
    assert {each.id for each in changed} == {each.id for each in everything}
    assert [each.updated_at for each in changed] == sorted(each.updated_at for each in changed)
    assert len({each.id for each in everything}) == len(everything)
    states = list(DocumentState)
    by_state = (await registry.page(kb.id, states=states, audience=who, limit=100)).documents
    assert [each.id for each in by_state] == [each.id for each in everything], "newest first, whatever the query"
    assert await registry.counts(kb.id, audience=who) == Counter(each.state for each in everything)
    return {each.id for each in everything}


async def test_an_audience_sees_open_documents_and_those_of_its_groups(
    registry: DocumentRegistry, kb: Collection, other: Collection
) -> None:
    groups: list[tuple[str, ...]] = [(), ("a",), ("a", "b"), ("b",), (), ("c",)]
    drafts = [shared(document(f"d{number}", kb), each) for number, each in enumerate(groups)]
    await saved(registry, *drafts, shared(document("elsewhere", other), ("a",)))
    assert await listed(registry, kb, audience()) == {"d0", "d4"}
    assert await listed(registry, kb, audience("a")) == {"d0", "d1", "d2", "d4"}
    assert await listed(registry, kb, audience("b", "c")) == {"d0", "d2", "d3", "d4", "d5"}
    assert await listed(registry, kb, audience("none")) == {"d0", "d4"}
    assert await listed(registry, kb, UNRESTRICTED) == {f"d{number}" for number in range(6)}
    assert await registry.counts(audience=audience("a")) == {DocumentState.QUEUED: 5}


async def test_more_sets_of_groups_than_are_read_one_by_one(registry: DocumentRegistry, kb: Collection) -> None:
    drafts = [shared(document(f"d{n:02}", kb), ("all", f"g{n}")) for n in range(40)]
    await saved(registry, *drafts, shared(document("hidden", kb), ("other",)))
    assert await listed(registry, kb, audience("all")) == {f"d{n:02}" for n in range(40)}
    assert await listed(registry, kb, audience("g7")) == {"d07"}


async def test_different_sets_of_groups_are_limited(registry: DocumentRegistry, kb: Collection) -> None:
    await saved(registry, *(shared(document(f"d{n}", kb), ("all", f"g{n}")) for n in range(3)), document("open", kb))
    assert await registry.has_access_room(kb.id, [("all", "g0"), ("all", "g1")], most=1), "these are known"
    assert await registry.has_access_room(kb.id, [()], most=1), "none is no set"
    assert await registry.has_access_room(kb.id, [("new",), ("all", "g0")], most=4)
    assert not await registry.has_access_room(kb.id, [("new",), ("newer",)], most=4)
    assert not await registry.has_access_room(kb.id, [("new",)], most=3)


async def test_sets_of_groups_that_no_document_has_any_more_do_not_count(
    registry: DocumentRegistry, kb: Collection
) -> None:
    [changing] = await saved(registry, document("d", kb))
    for number in range(30):  # as a writer could, again and again
        [changing] = await saved(registry, changing.share((f"g{number}",)))
    assert await registry.has_access_room(kb.id, [("another",)], most=2)
    assert await registry.counts(kb.id, audience=audience("g29")) == {DocumentState.QUEUED: 1}
    assert await registry.counts(kb.id, audience=audience("g28")) == {}
    [changing] = await saved(registry, changing.share(("g28",)))
    assert await registry.counts(kb.id, audience=audience("g28")) == {DocumentState.QUEUED: 1}
    assert await listed(registry, kb, audience("g28")) == {"d"}


async def test_changed_groups_are_due_until_the_index_has_them(registry: DocumentRegistry, kb: Collection) -> None:
    [known] = await saved(registry, document("d", kb))
    assert await registry.access_due(limit=10) == []
    [changed] = await saved(registry, known.share(("a",)))
    assert (changed.access, changed.access_version) == (("a",), 1)
    assert await registry.access_due(limit=10) == [changed]
    assert await registry.access_due(limit=0) == []
    [newer] = await saved(registry, changed.share(("b",)))
    await registry.settle_access([changed])
    assert await registry.access_due(limit=10) == [newer], "what was settled is no longer the newest"
    await registry.settle_access([newer, document("gone", kb)])
    await registry.settle_access([])
    assert await registry.access_due(limit=10) == []
    [rested] = (await registry.page(kb.id)).documents
    assert rested == msgspec.structs.replace(newer, access_due_at=None), "nobody's version was disturbed"
    assert await registry.counts(kb.id, audience=audience("a")) == {}
    assert await registry.counts(kb.id, audience=audience("b")) == {DocumentState.QUEUED: 1}
    await registry.remove([rested])
    assert await registry.counts(kb.id, audience=audience("b")) == {}


def shared(new: Document, access: tuple[str, ...]) -> Document:
    return msgspec.structs.replace(new, access=access)


async def test_a_process_that_lost_the_change_of_a_model_does_not_overwrite_who_embedded_a_document(
    registry: DocumentRegistry, kb: Collection
) -> None:
    changing = await registry.update_collection(kb.start_reembedding("b", "b"))
    assert changing is not None
    [claimed] = await registry.save([document("d", kb).claim(LEASE)])
    assert claimed is not None
    [indexed] = await registry.save([claimed.indexed(1, "a", LEASE, target_fingerprint="b")])
    assert indexed is not None
    [ready] = await registry.save([indexed.ready()])
    assert ready is not None
    assert await registry.update_collection(changing.finish_reembedding(LEASE))
    assert await registry.save([ready.mark_reembedded("a", "c", 1)]) == [None]
    [shared] = await registry.save([ready.share(("group",))])
    assert shared is not None
    [again] = await registry.save([shared.mark_reembedded("b", "c", 1)])
    assert again is not None
    assert again.is_embedded_by(["b", "c"])
