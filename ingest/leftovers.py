"""Which staged passages nobody will publish any more."""

from phoserve.documents import Document, DocumentState

_WANTED = (DocumentState.QUEUED, DocumentState.PROCESSING)


def is_left_over(document: Document | None, revision: int) -> bool:
    """Whether passages staged for `revision` are of no use to the document as it is now (None: it is gone)."""
    return document is None or document.revision > revision or document.state not in _WANTED
