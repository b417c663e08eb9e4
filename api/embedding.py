"""What the routes of all embedding APIs share: checks of texts, the call itself, vectors as JSON."""

import base64
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from api.services import Services
from phoserve.concurrency.deadline import Deadline
from phoserve.concurrency.turns import Turns
from phoserve.contract import InputType, ModelContract
from phoserve.embedding.models import ServedModel
from phoserve.embedding.ports import Embeddings, FloatMatrix
from phoserve.errors import InvalidInput, TooLarge
from phoserve.settings import LimitSettings

ITEMS_PER_PIECE: Final = 16
"""Vectors that are encoded at once: a millisecond for 1,024 dimensions."""


@dataclass(frozen=True, slots=True)
class EmbeddingCall:
    """Embeds the texts of one request, within its deadline and the limits of the server."""

    services: Services
    deadline: Deadline

    async def embed(self, model: ServedModel, texts: Sequence[str], input_type: InputType) -> Embeddings:
        """Embed `texts`. Raises Overloaded, Unavailable or DeadlineExceeded."""
        gates, deadline = self.services.gates, self.deadline
        with gates.requests.hold(), gates.texts.hold(len(texts)):
            embeddings = await deadline.keep(
                model.embedders.interactive.embed(texts, input_type=input_type, timeout_s=deadline.left_s())
            )
        self.services.metrics.tokens.labels("embedding").inc(int(embeddings.tokens.sum()))
        return embeddings

    async def encode(self, vectors: FloatMatrix, *, as_base64: bool = False) -> msgspec.Raw:
        """Return `vectors` as a JSON list of lists of numbers, or of strings of base64."""

        def piece(first: int) -> bytes:
            return msgspec.json.encode(
                list(vector_values(vectors[first : first + ITEMS_PER_PIECE], as_base64=as_base64))
            )[1:-1]

        return await encode_vectors(self.services.loop_turns, piece, len(vectors))


async def encode_vectors(turns: Turns, piece: Callable[[int], bytes], vectors: int) -> msgspec.Raw:
    """Return a JSON list from what `piece` returns for each `ITEMS_PER_PIECE` vectors, by the position of the first."""
    encoded = await turns.map(piece, range(0, vectors, ITEMS_PER_PIECE))
    return msgspec.Raw(b"[" + b",".join(encoded) + b"]")


def vector_values(vectors: FloatMatrix, *, as_base64: bool) -> Iterable[list[float] | str]:
    """Return each vector as a list of numbers, or as base64 of its little-endian float32."""
    rows: NDArray[np.float32] = vectors.astype("<f4", copy=False)
    if as_base64:
        return (base64.b64encode(row.tobytes()).decode() for row in rows)
    values: list[list[float]] = rows.tolist()
    return values


def validate_texts(
    given: str | Sequence[str | int | list[int]], limits: LimitSettings, *, name: str = "input"
) -> list[str]:
    """The texts to embed or tokenize. Raises InvalidInput or TooLarge with the position of the offending one.

    `name` is that of the request's field.
    """
    inputs = [given] if isinstance(given, str) else given
    if not inputs:
        raise InvalidInput(f"{name} is empty: give at least one text", field=name)
    if len(inputs) > limits.max_texts:
        raise TooLarge(f"{name} has {len(inputs)} texts; at most {limits.max_texts} go into one request", field=name)
    texts: list[str] = []
    for position, text in enumerate(inputs):
        field = name if isinstance(given, str) else f"{name}[{position}]"
        if not isinstance(text, str):
            raise InvalidInput(
                "token ids of another model's tokenizer mean nothing here: send text "
                "(LangChain: OpenAIEmbeddings(check_embedding_ctx_length=False))",
                field=field,
            )
        if not text.strip():
            raise InvalidInput(f"{field} is blank", field=field)
        check_text_length(text, limits, field=field)
        texts.append(text)
    return texts


def check_text_length(text: str, limits: LimitSettings, *, field: str) -> None:
    """Raise TooLarge for a text over `limits.max_text_characters`, before any work on it."""
    if len(text) > limits.max_text_characters:
        raise TooLarge(f"is over {limits.max_text_characters} characters", field=field)


def check_dimensions(wanted: int | None, contract: ModelContract, *, name: str = "dimensions") -> None:
    """Raise InvalidInput for a length of vectors that the model does not offer; None is its own."""
    if wanted not in (None, contract.dim, *contract.dims):
        choices = ", ".join(map(str, (*contract.dims, contract.dim)))
        raise InvalidInput(
            f"{contract.name} has no vectors of {wanted} dimensions: leave `{name}` out or ask for {choices}",
            field=name,
        )


def shortened(vectors: FloatMatrix, dimensions: int | None) -> FloatMatrix:
    """Return the first `dimensions` numbers of each vector, at unit length again."""
    if dimensions is None or dimensions == vectors.shape[1]:
        return vectors
    short: FloatMatrix = vectors[:, :dimensions]
    unit: FloatMatrix = short / np.maximum(np.linalg.norm(short, axis=1, keepdims=True), np.float32(1e-12))
    return unit


def refuse_truncated(
    embeddings: Embeddings, contract: ModelContract, *, name: str = "input", remedy: str = "pass truncate=end"
) -> None:
    """Raise TooLarge if a text was cut; `remedy` is how a request of this API has texts cut."""
    too_long = embeddings.truncated.nonzero()[0]
    if len(too_long):
        raise TooLarge(
            f"{len(too_long)} texts are longer than the {contract.max_tokens} tokens the model takes, the first is "
            f"{name}[{too_long[0]}]; shorten them or {remedy}",
            field=f"{name}[{too_long[0]}]",
        )
