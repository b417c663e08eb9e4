"""GET /v1/collections/{c}/events: changes of a collection's documents as server-sent events."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from functools import partial
from typing import Any

from litestar import Request, get
from litestar.params import FromPath
from litestar.response import Stream

from api.auth import current_audience, readers, when_over
from api.dependencies import EventStreamsDep, LibraryDep, PrincipalDep
from api.schemas.documents import view_of
from api.sse import KEEP_ALIVE, BackgroundStream, event, stream
from phoserve.documents.access import Audience
from phoserve.documents.records import Document
from phoserve.errors import CollectionNotFound


@get("/v1/collections/{collection:str}/events", guards=[readers], tags=["documents"])
async def collection_events(
    collection: FromPath[str],
    request: Request[Any, Any, Any],
    library: LibraryDep,
    event_streams: EventStreamsDep,
    principal: PrincipalDep,
) -> Stream:
    """Stream `document` (a document's record, whenever it changes) and `end` (the collection was deleted).

    The stream also ends when the server shuts down: reconnect. It ends when its key is revoked, within 20 seconds.
    """
    await library.collection(collection)
    event_streams.check(principal.id)
    changes = BackgroundStream(library.watch(collection, audience=principal.audience))
    event_streams.add(changes, principal.id)
    when_over(request, partial(event_streams.remove, changes))
    return stream(_changes(changes, partial(current_audience, request, collection)))


async def _changes(
    changes: BackgroundStream[Document], current: Callable[[], Awaitable[Audience | None]]
) -> AsyncGenerator[bytes]:
    # At once: the client and proxies see that the stream is open, although nothing changes.
    yield KEEP_ALIVE
    try:
        async for document in changes:
            audience = await current()
            if audience is None:
                return
            if document is None:
                yield KEEP_ALIVE
            elif audience.sees(document.access):
                yield event("document", view_of(document))
    except CollectionNotFound:
        yield event("end", {"reason": "deleted"})
