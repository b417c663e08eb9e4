"""The port of an encoder, and the two layouts of its input."""

import asyncio
import os
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from phoserve.contract import EMBEDDING, INPUT_IDS, LENGTHS, Layout

PAD_ID = 1
MAX_CONCURRENT_CALLS = 4

Ids = NDArray[np.int32]
Vectors = NDArray[np.float32]


class EncoderFailed(Exception):
    """An encoder is absent, at capacity, too slow or broken; another one may answer."""


class Encoder(Protocol):
    """Computes vectors from token ids; `name` is its Triton model."""

    @property
    def name(self) -> str: ...

    @property
    def layout(self) -> Layout: ...

    async def encode(self, ids: Ids, lengths: Ids) -> Vectors:
        """Return vectors float32 (texts, dim) for packed `ids` (tokens of all texts,) and their `lengths` (texts,).

        Raises EncoderFailed.
        """
        ...


class Infer(Protocol):
    """Calls a model of the same server with named input tensors and returns one output tensor. Raises EncoderFailed."""

    def __call__(self, model: str, inputs: Mapping[str, Ids], output: str) -> Awaitable[Vectors]: ...


@dataclass(frozen=True, slots=True)
class ModelEncoder:
    """An encoder that is a Triton model."""

    name: str
    layout: Layout
    infer: Infer
    timeout_s: float
    output: str = EMBEDDING
    padding_id: int = PAD_ID

    async def encode(self, ids: Ids, lengths: Ids) -> Vectors:
        """See `Encoder`; an answer later than `timeout_s` is a failure too, and so are numbers that are not finite."""
        inputs = encoder_inputs(self.layout, ids, lengths, self.padding_id)
        try:
            vectors = await asyncio.wait_for(self.infer(self.name, inputs, self.output), self.timeout_s)
        except TimeoutError:
            raise EncoderFailed(f"{self.name} did not answer within {self.timeout_s:g} s") from None
        except EncoderFailed:
            raise
        except Exception as error:  # a model that is not loaded is reported in the vendor's own classes
            raise EncoderFailed(str(error)) from error
        if len(vectors) != len(lengths):
            raise EncoderFailed(f"{self.name} gave {len(vectors)} vectors for {len(lengths)} texts")
        if not np.isfinite(vectors).all():
            raise EncoderFailed(f"{self.name} returned numbers that are not finite (NaN or infinity)")
        return vectors


def encoder_inputs(layout: Layout, ids: Ids, lengths: Ids, padding_id: int = PAD_ID) -> dict[str, Ids]:
    """Return the input tensors of an encoder of `layout` for the packed `ids`."""
    if layout == "packed":
        return {INPUT_IDS: ids, LENGTHS: lengths}
    return {INPUT_IDS: padded(ids, lengths, padding_id)}


def padded(ids: Ids, lengths: Ids, padding_id: int = PAD_ID) -> Ids:
    """Return the packed `ids` as a matrix int32 (texts, longest), filled up with `padding_id`."""
    width = int(lengths.max())
    matrix = np.full((len(lengths), width), padding_id, np.int32)
    matrix[np.arange(width) < lengths[:, None]] = ids
    return matrix


def resolve_concurrency(parameter: int) -> int:
    """Return the number of concurrent calls: `parameter`, or for 0 one per core, at most 4."""
    return parameter or min(MAX_CONCURRENT_CALLS, cores())


def cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0))
