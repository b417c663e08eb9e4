"""GET /v1/collections/{c}/events: changes of a collection's documents as server-sent events."""

from collections.abc import AsyncGenerator

from litestar import get
from litestar.params import FromPath
from litestar.response import Stream

from api.auth import readers
from api.dependencies import EventStreamsDep, LibraryDep
from api.event_streams import EventStreams
from api.schemas.documents import view_of
from api.sse import KEEP_ALIVE, BackgroundStream, event, stream
from phoserve.documents.library import Library
from phoserve.errors import CollectionNotFound


@get("/v1/collections/{collection:str}/events", guards=[readers], tags=["documents"])
async def collection_events(collection: FromPath[str], library: LibraryDep, event_streams: EventStreamsDep) -> Stream:
    """Stream `document` (a document's record, whenever it changes) and `end` (the collection was deleted).

    The stream also ends when the server shuts down: reconnect.
    """
    await library.collection(collection)
    return stream(_changes(collection, library, event_streams))


async def _changes(collection: str, library: Library, event_streams: EventStreams) -> AsyncGenerator[bytes]:
    changes = BackgroundStream(library.watch(collection))
    with event_streams.follow(changes):
        try:
            async for document in changes:
                yield KEEP_ALIVE if document is None else event("document", view_of(document))
        except CollectionNotFound:
            yield event("end", {"reason": "deleted"})
