"""Embeddings from the public model of a Triton server, over gRPC."""

import asyncio
from collections.abc import Sequence
from typing import Final

import numpy as np
import tritonclient.grpc.aio as triton
from opentelemetry import propagate
from tritonclient.utils import InferenceServerException

from phoserve.contract import (
    EMBEDDING,
    FINGERPRINT_PARAMETER,
    INPUT_TYPE_PARAMETER,
    OTHER_MODEL,
    SERVED_BY,
    TEXT,
    TOKENS,
    TRUNCATED,
    InputType,
    ModelContract,
    served_names,
)
from phoserve.embedding.ports import Embeddings
from phoserve.errors import DeadlineExceeded, InvalidInput, Overloaded, PhoserveError, Unavailable

DEPENDENCY: Final = "triton"
KEY_HEADER: Final = "phoserve-key"
# Triton compares restricted headers of gRPC under this prefix.
GRPC_HEADER_PREFIX: Final = "triton-grpc-protocol-"
TEXTS_PER_REQUEST: Final = 64
REQUESTS_IN_FLIGHT: Final = 4
# Messages of Triton's batcher, and of the scheduler in the public model for a full queue.
QUEUE_TIMEOUT: Final = "Request timeout expired"
QUEUE_FULL: Final = ("Exceeds maximum queue size", "the queue is full")
# Reconnect to a restarted server within a second, instead of gRPC's default of two minutes.
CHANNEL_ARGUMENTS: Final = [
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.lb_policy_name", "round_robin"),
]


class TritonEmbedder:
    """The `Embedder` that calls Triton. All tasks of one event loop may share it."""

    def __init__(
        self,
        url: str,
        contract: ModelContract,
        *,
        name: str | None = None,
        timeout_s: float = 30.0,
        api_key: str | None = None,
    ) -> None:
        """Ask the public model `name`; by default the one that serves `contract` where no other model is served.

        `api_key` is the key of a server that guards its inference.
        """
        self.contract = contract
        self.name = name or served_names([contract])[0]
        self._timeout_s = timeout_s
        self._headers = key_headers(api_key)
        self._client = triton.InferenceServerClient(url, channel_args=CHANNEL_ARGUMENTS)

    async def embed(
        self, texts: Sequence[str], *, input_type: InputType = InputType.PASSAGE, timeout_s: float | None = None
    ) -> Embeddings:
        """Embed `texts` in concurrent requests of `TEXTS_PER_REQUEST`.

        Raises InvalidInput, Overloaded, Unavailable or DeadlineExceeded.
        """
        if not texts:
            raise InvalidInput("there is no text to embed", field="input")
        timeout_s = self._timeout_s if timeout_s is None else timeout_s
        if len(texts) <= TEXTS_PER_REQUEST:
            return await self._infer(texts, input_type, timeout_s)
        clock = asyncio.get_running_loop().time
        deadline = clock() + timeout_s
        gate = asyncio.Semaphore(REQUESTS_IN_FLIGHT)

        async def part(start: int) -> Embeddings:
            async with gate:
                return await self._infer(texts[start : start + TEXTS_PER_REQUEST], input_type, deadline - clock())

        try:
            async with asyncio.TaskGroup() as group:
                parts = [group.create_task(part(start)) for start in range(0, len(texts), TEXTS_PER_REQUEST)]
        except* PhoserveError as errors:
            raise _first_error(errors) from None
        return _concatenate([task.result() for task in parts])

    async def is_ready(self, *, timeout_s: float = 2.0) -> bool:
        """Return whether the public model is loaded and serving."""
        try:
            return bool(await self._client.is_model_ready(self.name, client_timeout=timeout_s))
        except InferenceServerException:
            return False

    async def close(self) -> None:
        """Close the connection."""
        await self._client.close()

    async def _infer(self, texts: Sequence[str], input_type: InputType, timeout_s: float) -> Embeddings:
        timeout_us = time_left_us(timeout_s)
        headers = dict(self._headers)
        propagate.inject(headers)
        try:
            result = await self._client.infer(
                self.name,
                [text_tensor(TEXT, texts)],
                headers=headers,
                parameters={
                    INPUT_TYPE_PARAMETER: str(input_type),
                    FINGERPRINT_PARAMETER: self.contract.fingerprint,
                },
                client_timeout=timeout_s,
                # Triton drops requests that are still queued at their caller's timeout.
                timeout=timeout_us,
            )
        except InferenceServerException as error:
            raise translate_error(error, timeout_s) from error
        vectors = result.as_numpy(EMBEDDING)
        if not np.isfinite(vectors).all():
            raise Unavailable(DEPENDENCY, f"the model {self.name} returned numbers that are not finite")
        return Embeddings(
            vectors=vectors,
            tokens=result.as_numpy(TOKENS)[:, 0],
            truncated=result.as_numpy(TRUNCATED)[:, 0],
            served_by=result.as_numpy(SERVED_BY)[-1, 0].decode(),
        )


def text_tensor(name: str, texts: Sequence[str]) -> triton.InferInput:
    """Return an input tensor with one text per row."""
    tensor = triton.InferInput(name, [len(texts), 1], "BYTES")
    tensor.set_data_from_numpy(np.array([[text.encode()] for text in texts], dtype=object))
    return tensor


def key_headers(api_key: str | None) -> dict[str, str]:
    """Return the gRPC headers that a server with this key requires."""
    return {} if api_key is None else {GRPC_HEADER_PREFIX + KEY_HEADER: api_key}


def time_left_us(timeout_s: float) -> int:
    """Return Triton's timeout in whole microseconds, at least 1 because 0 means none. Raises DeadlineExceeded."""
    if timeout_s <= 0:
        raise DeadlineExceeded("the deadline passed before Triton was called")
    return max(1, int(timeout_s * 1e6))


def translate_error(error: InferenceServerException, timeout_s: float) -> PhoserveError:
    """Return the domain error for a status of Triton or gRPC."""
    status, message = str(error.status()), str(error.message())
    if "INVALID_ARGUMENT" in status:
        return InvalidInput(f"Triton rejected the text: {message}", field="input")
    # Triton returns UNAVAILABLE for a full queue and for a timeout in it. Only the message distinguishes them.
    if "DEADLINE_EXCEEDED" in status or "CANCELLED" in status or message.endswith(QUEUE_TIMEOUT):
        return DeadlineExceeded(f"Triton did not answer within {timeout_s:g} s")
    if "RESOURCE_EXHAUSTED" in status or any(text in message for text in QUEUE_FULL):
        return Overloaded("Triton's queue is full")
    if OTHER_MODEL in message:
        return Unavailable(DEPENDENCY, message)
    if KEY_HEADER in message:
        return Unavailable(DEPENDENCY, "Triton requires another key: set PHOSERVE_TRITON__API_KEY to the server's")
    return Unavailable(DEPENDENCY, "the embedding server is unavailable; it may be starting")


def _concatenate(parts: list[Embeddings]) -> Embeddings:
    return Embeddings(
        vectors=np.concatenate([part.vectors for part in parts]),
        tokens=np.concatenate([part.tokens for part in parts]),
        truncated=np.concatenate([part.truncated for part in parts]),
        served_by=parts[-1].served_by,
    )


def _first_error(errors: BaseExceptionGroup[PhoserveError]) -> PhoserveError:
    error = errors.exceptions[0]
    return _first_error(error) if isinstance(error, BaseExceptionGroup) else error
