from datetime import timedelta

import pytest

from phoserve.documents.collections import new_collection, validate_collection_name
from phoserve.documents.records import (
    TRANSITIONS,
    Document,
    DocumentFailure,
    DocumentState,
    Original,
    Passage,
    new_document,
    validate_document_id,
)
from phoserve.errors import Conflict, InvalidInput

ORIGINAL = Original(key="kb/k/o", sha256="0" * 64, size_bytes=1, media_type="text/plain")
LEASE = timedelta(seconds=30)


def queued() -> Document:
    return new_document(new_collection("kb"), "d1", ORIGINAL, key="5d5f9f6e2f0f4a4f8f6c1a7b9c3d2e1f")


def test_the_usual_life() -> None:
    document = queued().claim(LEASE).update_progress(0.5, LEASE).indexed(3, "f" * 16, LEASE).ready()
    assert (document.state, document.live_revision, document.passages) == (DocumentState.READY, 1, 3)
    assert document.due_at is None


def test_a_new_revision_keeps_the_old_one_live() -> None:
    ready = queued().claim(LEASE).indexed(3, "f" * 16, LEASE).ready()
    revised = ready.revise(ORIGINAL, title="neu", metadata={}, bulk=False, request=None)
    assert (revised.state, revised.revision, revised.live_revision) == (DocumentState.QUEUED, 2, 1)
    assert not revised.is_indexed


def test_a_failure_keeps_its_reason_until_the_next_try() -> None:
    failed = queued().claim(LEASE).failed(DocumentFailure(code="empty", message="no text"))
    assert failed.error is not None
    assert failed.reindex().error is None


def test_a_try_that_was_not_the_documents_fault_does_not_count() -> None:
    failure = DocumentFailure(code="triton", message="down", retryable=True)
    assert queued().claim(LEASE).release(failure, retry_in=LEASE, counted=False).attempts == 0
    assert queued().claim(LEASE).release(failure, retry_in=LEASE, counted=True).attempts == 1


def test_a_deletion_cannot_be_undone() -> None:
    with pytest.raises(Conflict):
        queued().deleting(LEASE).claim(LEASE)
    assert TRANSITIONS[DocumentState.DELETING] == {DocumentState.DELETING}


def test_a_document_cannot_be_ready_without_work() -> None:
    with pytest.raises(Conflict):
        queued().ready()


def test_passage_ids_name_document_revision_and_position() -> None:
    def passage(revision: int, ordinal: int) -> Passage:
        return Passage(
            collection="kb", document_id="d1", document_key=queued().key, revision=revision, ordinal=ordinal,
            title="", text="", start=0, end=0,
        )  # fmt: skip

    assert passage(1, 0).id == passage(1, 0).id
    assert len({passage(1, 0).id, passage(1, 1).id, passage(2, 0).id}) == 3


@pytest.mark.parametrize("name", ["", "-a", "a/b", "kb ", "tài-liệu", "x" * 65, "..", "."])
def test_unusable_collection_names(name: str) -> None:
    with pytest.raises(InvalidInput):
        validate_collection_name(name)


@pytest.mark.parametrize("document_id", ["", " d", "d\n", "x" * 257, "\x00", ".", ".."])
def test_unusable_document_ids(document_id: str) -> None:
    with pytest.raises(InvalidInput):
        validate_document_id(document_id)
