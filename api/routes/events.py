"""GET /v1/collections/{c}/events: what happens to the documents of a collection, as it happens."""

from collections.abc import AsyncGenerator

from litestar import get
from litestar.params import FromPath
from litestar.response import Stream

from api.auth import readers
from api.dependencies import LibraryDep
from api.event_streams import EventStreams, EventStreamsDep
from api.schemas.documents import view_of
from api.sse import KEEP_ALIVE, BackgroundStream, event, stream
from phoserve.documents.library import Library
from phoserve.errors import CollectionNotFound


@get("/v1/collections/{collection:str}/events", guards=[readers], tags=["documents"])
async def collection_events(collection: FromPath[str], library: LibraryDep, feeds: EventStreamsDep) -> Stream:
    """Server-sent events `document` (a document's record, whenever it changes) and `end` (the collection is gone).

    The stream also ends, without a word, when this server is about to stop: follow it again.
    """
    await library.collection(collection)
    return stream(_changes(collection, library, feeds))


async def _changes(collection: str, library: Library, feeds: EventStreams) -> AsyncGenerator[bytes]:
    relay = BackgroundStream(library.watch(collection))
    with feeds.following(relay):
        try:
            async for document in relay:
                yield KEEP_ALIVE if document is None else event("document", view_of(document))
        except CollectionNotFound:
            yield event("end", {"reason": "deleted"})
