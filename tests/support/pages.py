"""Every page of a listing."""

from phoserve.documents.ports import DocumentRegistry
from phoserve.documents.records import Document


async def all_pages(registry: DocumentRegistry, collection: str, *, limit: int) -> list[Document]:
    """The documents in the order of the pages, `limit` a page; each page is asked for with the cursor of the last."""
    seen: list[Document] = []
    cursor = None
    while True:
        page = await registry.page(collection, cursor=cursor, limit=limit)
        seen += page.documents
        cursor = page.cursor
        if cursor is None:
            return seen
