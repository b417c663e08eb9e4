"""Every page of a listing."""

from phoserve.documents.access import UNRESTRICTED, Audience
from phoserve.documents.ports import DocumentRegistry
from phoserve.documents.records import Document


async def all_pages(
    registry: DocumentRegistry, collection: str, *, limit: int, audience: Audience = UNRESTRICTED
) -> list[Document]:
    """Return the documents in the order of the pages, `limit` a page, each requested with the last one's cursor."""
    seen: list[Document] = []
    cursor = None
    while True:
        page = await registry.page(collection, audience=audience, cursor=cursor, limit=limit)
        seen += page.documents
        cursor = page.cursor
        if cursor is None:
            return seen
