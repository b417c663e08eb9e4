"""Schemas of collections and documents."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import quote

from msgspec import Meta, Struct

from api.schemas.weights import Weights, weights_view
from phoserve.contract import Fusion
from phoserve.documents.access import Audience
from phoserve.documents.collections import Collection
from phoserve.documents.records import Document, DocumentFailure, DocumentState, Passage
from phoserve.text.blocks import ParserWarning, Place

MetadataField = Annotated[
    dict[str, Any], Meta(description="Any JSON object; search filters on it. Dates as RFC 3339 strings.")
]


ContextField = Annotated[
    str,
    Meta(description="The header of the table that the first rows of the text belong to, if it is in another passage."),
]
PlaceField = Annotated[
    Place,
    Meta(description="Where the passage begins in the file: `page`, `slide`, `sheet` and `row`, or `part`; from 1."),
]


AccessField = Annotated[
    list[str] | None,
    Meta(
        description="Groups: only keys with one of them, and administrators, see the document. Empty: every reader of "
        "the collection. Left out: as before, and empty for a new document."
    ),
]


class CollectionRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A collection's description and model."""

    description: Annotated[str, Meta(max_length=2000)] = ""
    model: Annotated[
        str | None, Meta(description="Name of the model that embeds its documents; the default one if left out.")
    ] = None
    weights: Annotated[
        Weights | None, Meta(description="Of its hybrid searches, instead of the model's; left out, they stay.")
    ] = None


class ReembeddingView(Struct, frozen=True, kw_only=True):
    """The change of a collection to another model: searches use the former one until all documents are embedded."""

    model: str
    fingerprint: str
    started_at: datetime
    documents: Annotated[int, Meta(description="Documents to embed again; 0 until they are counted.")]
    done: Annotated[int, Meta(description="How many of them are embedded.")]
    progress: Annotated[float, Meta(description="Share that is embedded, 0 to 1.")]


class CollectionView(Struct, frozen=True, kw_only=True):
    """A collection; `documents` counts them by state."""

    name: str
    description: str
    created_at: datetime
    documents: dict[DocumentState, int]
    passages: int
    weights: Weights
    model: Annotated[str, Meta(description="Name of the model that embeds its documents.")]
    fingerprint: Annotated[str, Meta(description="Of that model; it changes when the model's vectors do.")]
    reembedding: Annotated[
        ReembeddingView | None, Meta(description="The change to another model that is in progress.")
    ] = None


class ModelRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The model that a collection is to change to."""

    model: Annotated[str, Meta(description="Its name; `GET /v1/models` lists those that are served.")]


class CollectionModel(Struct, frozen=True, kw_only=True):
    """The model of a collection, and the change to another one while it is in progress."""

    model: str
    fingerprint: str
    reembedding: ReembeddingView | None = None


class CollectionList(Struct, frozen=True, kw_only=True):
    """The collections that the key may access, by name."""

    collections: list[CollectionView]


class NewDocument(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A document as text; an existing `id` gets a new revision."""

    text: str
    id: Annotated[str | None, Meta(description="Chosen by you; generated if omitted.")] = None
    title: Annotated[str, Meta(max_length=1000)] = ""
    metadata: MetadataField = {}
    access: AccessField = None


class DocumentsRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Documents to index."""

    documents: Annotated[list[NewDocument], Meta(min_length=1)]


class DocumentChange(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to change of a document without indexing it again."""

    access: Annotated[
        list[str],
        Meta(description="The groups that may see the document from now on; empty for every reader of the collection."),
    ]


class AcceptedDocument(Struct, frozen=True, kw_only=True):
    """A document that is stored and will be indexed; `url` returns its state."""

    id: str
    state: DocumentState
    revision: int
    url: str


class AcceptedDocuments(Struct, frozen=True, kw_only=True):
    """Documents in the order of the request."""

    documents: list[AcceptedDocument]


class DocumentView(Struct, frozen=True, kw_only=True):
    """A document's record. While a new revision is indexed, search returns the previous one (`live_revision`)."""

    id: str
    collection: str
    title: str
    state: DocumentState
    revision: int
    live_revision: int
    passages: int
    progress: float
    error: DocumentFailure | None
    warnings: Annotated[
        tuple[ParserWarning, ...],
        Meta(description="Content that was lost or changed; translate messages by `code`."),
    ]
    metadata: dict[str, Any]
    properties: Annotated[dict[str, Any], Meta(description="Metadata of the file itself: author, sender, date ...")]
    media_type: str
    size_bytes: int
    sha256: Annotated[str, Meta(description="Hash of the original, so that a client can skip unchanged documents.")]
    filename: str | None
    access: Annotated[tuple[str, ...], Meta(description="The groups that may see it; empty for every reader.")]
    created_at: datetime
    updated_at: datetime
    url: str


class DeleteRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The documents to delete: those that match the filter and are in one of the states."""

    filter: Annotated[dict[str, Any] | None, Meta(description="Same syntax as in a search.")] = None
    states: tuple[DocumentState, ...] = ()


class Deleted(Struct, frozen=True, kw_only=True):
    """The number of deleted documents; `more` documents may match."""

    deleted: int
    more: bool


class ReindexRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The documents to reindex; ready and failed ones by default."""

    states: tuple[DocumentState, ...] = ()


class Reindexed(Struct, frozen=True, kw_only=True):
    """The number of queued documents."""

    queued: int


class DocumentList(Struct, frozen=True, kw_only=True):
    """A page of documents, newest first; `cursor` asks for the next one and is null at the end."""

    documents: list[DocumentView]
    cursor: str | None


class PassageView(Struct, frozen=True, kw_only=True):
    """A passage of a document; `start` and `end` are characters of the document's text (`GET .../text`)."""

    passage_id: str
    ordinal: int
    text: str
    headings: tuple[str, ...]
    start: int
    end: int
    context: ContextField
    place: PlaceField


class PassageList(Struct, frozen=True, kw_only=True):
    """A document's passages, in order; `next_offset` asks for the next page and is null at the end."""

    passages: list[PassageView]
    next_offset: int | None = None


def url_of(document: Document) -> str:
    """Return the URL of the document's state. Ids may contain any printable character."""
    return f"/v1/collections/{document.collection}/documents/{quote(document.id, safe='')}"


def view_of(document: Document) -> DocumentView:
    """Convert a record to its view."""
    return DocumentView(
        id=document.id,
        collection=document.collection,
        title=document.display_title,
        state=document.state,
        revision=document.revision,
        live_revision=document.live_revision,
        passages=document.passages,
        progress=round(document.progress, 4),
        error=document.error,
        warnings=document.warnings,
        properties=document.properties,
        metadata=document.metadata,
        media_type=document.original.media_type,
        size_bytes=document.original.size_bytes,
        sha256=document.original.sha256,
        filename=document.original.filename,
        access=document.access,
        created_at=document.created_at,
        updated_at=document.updated_at,
        url=url_of(document),
    )


def collection_view(
    collection: Collection,
    counts: Mapping[DocumentState, int],
    passages: int,
    weights: Fusion,
    *,
    model: str,
    audience: Audience,
) -> CollectionView:
    """Convert a collection to its view."""
    return CollectionView(
        name=collection.name,
        description=collection.description,
        created_at=collection.created_at,
        documents=dict(counts),
        passages=passages,
        weights=weights_view(weights),
        model=model,
        fingerprint=collection.fingerprint,
        reembedding=reembedding_view(collection, audience),
    )


def model_view(collection: Collection, model: str, audience: Audience) -> CollectionModel:
    """Return the model of a collection, which is named `model`."""
    change = reembedding_view(collection, audience)
    return CollectionModel(model=model, fingerprint=collection.fingerprint, reembedding=change)


def reembedding_view(collection: Collection, audience: Audience) -> ReembeddingView | None:
    """Return the collection's change to another model, None if there is none.

    Numbers of documents are for those who see every document, others see its progress.
    """
    change = collection.reembedding
    if change is None:
        return None
    return ReembeddingView(
        model=change.model,
        fingerprint=change.fingerprint,
        started_at=change.started_at,
        documents=change.documents if audience.sees_all else 0,
        done=change.done if audience.sees_all else 0,
        progress=round(change.done / change.documents, 3) if change.documents else 0.0,
    )


def passage_view(passage: Passage) -> PassageView:
    """Convert a passage to its view."""
    return PassageView(
        passage_id=passage.id,
        ordinal=passage.ordinal,
        text=passage.text,
        headings=passage.headings,
        start=passage.start,
        end=passage.end,
        context=passage.context,
        place=passage.place,
    )
