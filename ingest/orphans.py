"""Detect staged passages that will never be published."""

from phoserve.documents.records import Document, DocumentState

_WANTED = (DocumentState.QUEUED, DocumentState.PROCESSING)


def is_orphaned(document: Document | None, revision: int, fingerprint: str) -> bool:
    """Return whether passages staged for `revision` are obsolete for the current document (None: it is deleted).

    `fingerprint` is that of the model of the staged passages. If the live vectors belong to another model, the staged
    passages are about to replace them.
    """
    if document is not None and document.live_revision == revision and document.fingerprint != fingerprint:
        return document.state is DocumentState.DELETING
    return document is None or document.revision > revision or document.state not in _WANTED
