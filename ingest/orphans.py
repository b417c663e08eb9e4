"""Detect staged passages that will never be published."""

from phoserve.documents.records import Document, DocumentState

_WANTED = (DocumentState.QUEUED, DocumentState.PROCESSING)


def is_orphaned(document: Document | None, revision: int, fingerprint: str) -> bool:
    """Return whether passages staged for `revision` are obsolete for the current document (None: it is deleted).

    `fingerprint` is that of the model of the staged passages. Those of the model that the collection is changing to may
    be copies of the live revision.
    """
    if document is None or document.state is DocumentState.DELETING:
        return True
    needed = document.needed_fingerprints
    if needed and fingerprint not in needed:
        return True
    if fingerprint in needed[1:] and revision >= document.live_revision:
        return False
    return document.revision > revision or document.state not in _WANTED
