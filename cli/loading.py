"""Fill an empty store with the sample documents."""

import asyncio

from api.services import Services
from cli.progress import Reporter
from cli.samples import SAMPLES, documents
from phoserve.documents.intake import Draft
from phoserve.documents.library import Library, ModelName
from phoserve.documents.records import DocumentState

POLL_S = 0.2
_AT_REST = (DocumentState.READY, DocumentState.FAILED)


async def load_samples(services: Services, report: Reporter) -> None:
    """Create the collection `samples` if there is no collection yet, and show how it is indexed."""
    library = services.library
    if await library.collections():
        return
    drafts = [
        Draft(
            each.text.encode(), id=each.id, title=each.title, metadata=dict(each.metadata), media_type="text/markdown"
        )
        for each in documents()
    ]
    default = services.directory.default
    await library.create_collection(
        SAMPLES,
        description="Sổ tay, hỗ trợ và sản phẩm của một công ty hư cấu",
        model=ModelName(default.model.name, default.fingerprint),
    )
    await services.intake.submit(SAMPLES, drafts)
    with report.step("Indexing the sample documents", total=len(drafts)) as bar:
        while (done := await _at_rest(library)) < len(drafts):
            bar.done(done)
            await asyncio.sleep(POLL_S)
        bar.done(done)


async def _at_rest(library: Library) -> int:
    counts = await library.counts(await library.collection(SAMPLES))
    return sum(counts.get(state, 0) for state in _AT_REST)
