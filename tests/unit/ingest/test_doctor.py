"""What the doctor finds in stores that disagree, and what its repair leaves."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from api.services import Services
from ingest.doctor import Doctor, Report
from phoserve.documents.access import UNRESTRICTED
from phoserve.documents.intake import Draft
from phoserve.documents.records import Passage
from phoserve.documents.texts import text_key
from tests.support.memory import MemoryIndex, MemoryRegistry, MemorySources
from tests.support.services import index_queued, memory_services


@pytest.fixture
async def services(tmp_path: Path) -> Services:
    services = memory_services(tmp_path)
    await services.library.create_collection("kb")
    await services.intake.submit("kb", [Draft(f"nghỉ phép {n} ngày".encode(), id=f"d{n}") for n in range(4)])
    await index_queued(services)
    return services


async def examined(services: Services, *, repair: bool = False) -> Report:
    stores = services.stores
    return await Doctor(stores.registry, stores.indexes, stores.sources, stores.queue).examine(repair=repair)


async def passages(services: Services) -> list[Passage]:
    return [each async for page in await services.library.passages("kb", "d2") for each in page]


async def test_stores_that_agree_are_healthy(services: Services) -> None:
    report = await examined(services)
    assert report.is_healthy
    [kb] = report.collections
    assert (kb.name, kb.documents) == ("kb", 4)


async def test_lost_passages_are_rebuilt_from_the_originals(services: Services) -> None:
    index = services.stores.index
    assert isinstance(index, MemoryIndex)
    kb = await services.library.collection("kb")
    await index.discard_collection(kb.id)
    report = await examined(services)
    assert not report.is_healthy
    assert sorted(report.collections[0].missing_passages) == ["d0", "d1", "d2", "d3"]
    assert (await examined(services, repair=True)).queued == 4
    await index_queued(services)
    assert (await examined(services)).is_healthy
    assert await index.count(kb.id) == 4


async def test_groups_of_the_index_are_compared_and_repaired(services: Services) -> None:
    """A registry that was restored from a backup has older versions of groups than the index."""
    index = services.stores.index
    documents = {n: await services.library.document("kb", f"d{n}", audience=UNRESTRICTED) for n in range(4)}
    await index.set_access(documents[0].key, ("board",), 7)
    await services.library.set_access("kb", "d1", ["hr"], audience=UNRESTRICTED)
    await index.set_access(documents[1].key, (), 9)
    report = await examined(services)
    assert not report.is_healthy
    assert sorted(report.collections[0].wrong_groups) == ["d0", "d1"]
    assert (await examined(services, repair=True)).queued == 0
    assert (await examined(services)).is_healthy
    kb = await services.library.collection("kb")
    shown = {n: (await index.passages(kb.id, documents[n].key))[0].access for n in range(4)}
    assert shown == {0: (), 1: ("hr",), 2: (), 3: ()}
    await services.library.set_access("kb", "d1", ["it"], audience=UNRESTRICTED)
    assert (await index.passages(kb.id, documents[1].key))[0].access == ("it",)


async def test_what_has_no_record_is_found_and_removed(services: Services) -> None:
    kb = await services.library.collection("kb")
    gone = await services.library.document("kb", "d1")
    await services.stores.registry.remove([gone])
    sources = services.stores.sources
    assert isinstance(sources, MemorySources)
    content, _ = sources._stored[gone.original.key]
    sources._stored[gone.original.key] = content, datetime.now(UTC) - timedelta(days=2)
    report = await examined(services)
    assert (report.orphaned_documents, report.orphaned_originals) == (1, 1)
    await examined(services, repair=True)
    assert (await examined(services)).is_healthy
    assert await services.stores.index.count(kb.id) == 3


async def test_a_lost_original_is_reported_and_its_passages_are_kept(services: Services) -> None:
    document = await services.library.document("kb", "d2")
    await services.stores.sources.delete([document.original.key])
    report = await examined(services, repair=True)
    assert report.collections[0].missing_originals == ["d2"]
    assert report.queued == 0
    assert await passages(services)


async def test_texts_are_not_orphans_and_lost_ones_are_stored_again(services: Services) -> None:
    sources = services.stores.sources
    assert isinstance(sources, MemorySources)
    sources._stored = {
        key: (content, datetime.now(UTC) - timedelta(days=2)) for key, (content, _) in sources._stored.items()
    }
    assert (await examined(services)).is_healthy
    document = await services.library.document("kb", "d2")
    await sources.delete([text_key(document, document.live_revision)])
    report = await examined(services)
    assert (report.is_healthy, report.collections[0].missing_texts) == (False, ["d2"])
    assert (await examined(services, repair=True)).queued == 1
    await index_queued(services)
    assert (await examined(services)).is_healthy


@pytest.mark.parametrize("is_queued", [False, True])
async def test_passages_newer_than_a_restored_registry_are_rebuilt(services: Services, *, is_queued: bool) -> None:
    """A backup of the registry is older than the index: the same revisions are numbered again, with other passages."""
    registry, index, sources = services.stores.registry, services.stores.index, services.stores.sources
    assert isinstance(registry, MemoryRegistry)
    assert isinstance(sources, MemorySources)
    kb = await services.library.collection("kb")
    if is_queued:
        await services.intake.submit("kb", [Draft("nghỉ bù".encode(), id="d2")])
    saved, originals = dict(registry._documents), dict(sources._stored)
    await index_queued(services)
    long = "\n\n".join(f"Điều {n}. Lương tháng mười ba của nhân viên. " * 30 for n in range(9))
    for content in ("bản hai", "bản ba", long):
        await services.intake.submit("kb", [Draft(content.encode(), id="d2")])
        await index_queued(services)
    assert len(await passages(services)) > 1
    registry._documents, sources._stored = saved, sources._stored | originals
    report = await examined(services)
    assert (report.is_healthy, report.newer_passages) == (False, 1)
    assert (await examined(services, repair=True)).queued == 1
    await index_queued(services)
    assert (await examined(services)).is_healthy
    [passage] = await passages(services)
    assert passage.text == ("nghỉ bù" if is_queued else "nghỉ phép 2 ngày")
    assert await index.count(kb.id) == 4
