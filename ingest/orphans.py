"""Which staged passages nobody will publish any more."""

from phoserve.documents.records import Document, DocumentState

_WANTED = (DocumentState.QUEUED, DocumentState.PROCESSING)


def is_orphaned(document: Document | None, revision: int, fingerprint: str) -> bool:
    """Whether passages staged for `revision` are of no use to the document as it is now (None: it is gone).

    `fingerprint` is that of the model they were staged with: those of what another model's vectors are live of are
    about to take their place.
    """
    if document is not None and document.live_revision == revision and document.fingerprint != fingerprint:
        return document.state is DocumentState.DELETING
    return document is None or document.revision > revision or document.state not in _WANTED
