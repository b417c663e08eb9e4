"""Scores from the cross-encoder of a Triton server, over gRPC."""

import asyncio
from collections.abc import Sequence
from typing import Final

import numpy as np
import tritonclient.grpc.aio as triton
from numpy.typing import NDArray
from opentelemetry import propagate
from tritonclient.utils import InferenceServerException

from phoserve.adapters.triton.embedder import (
    CHANNEL_ARGUMENTS,
    DEPENDENCY,
    key_headers,
    text_tensor,
    time_left_us,
    translate_error,
)
from phoserve.contract import PASSAGE, QUERY, RERANKER, SCORE
from phoserve.errors import InvalidInput, Unavailable

PASSAGES_PER_REQUEST: Final = 64


class TritonReranker:
    """The `Reranker` that calls Triton. All tasks of one event loop may share it."""

    def __init__(
        self,
        url: str,
        *,
        name: str = RERANKER,
        model: str = RERANKER,
        timeout_s: float = 30.0,
        api_key: str | None = None,
    ) -> None:
        """Ask the public model `model`; `name` is its name in answers, `api_key` the key of a guarded server."""
        self.name = name
        self._model = model
        self._timeout_s = timeout_s
        self._headers = key_headers(api_key)
        self._client = triton.InferenceServerClient(url, channel_args=CHANNEL_ARGUMENTS)

    async def rerank(
        self, query: str, passages: Sequence[str], *, timeout_s: float | None = None
    ) -> NDArray[np.float32]:
        """Score each passage, float32 of shape (passages,), from 0 to 1.

        Raises InvalidInput, Overloaded, Unavailable or DeadlineExceeded.
        """
        if not passages:
            raise InvalidInput("there is no passage to score", field="documents")
        clock = asyncio.get_running_loop().time
        deadline = clock() + (self._timeout_s if timeout_s is None else timeout_s)
        scores: list[NDArray[np.float32]] = []
        for start in range(0, len(passages), PASSAGES_PER_REQUEST):
            part = passages[start : start + PASSAGES_PER_REQUEST]
            scores.append(await self._infer(query, part, deadline - clock()))
        return np.concatenate(scores)

    async def close(self) -> None:
        """Close the connection."""
        await self._client.close()

    async def _infer(self, query: str, passages: Sequence[str], timeout_s: float) -> NDArray[np.float32]:
        timeout_us = time_left_us(timeout_s)
        headers = dict(self._headers)
        propagate.inject(headers)
        try:
            result = await self._client.infer(
                self._model,
                [text_tensor(QUERY, [query] * len(passages)), text_tensor(PASSAGE, passages)],
                headers=headers,
                client_timeout=timeout_s,
                timeout=timeout_us,
            )
        except InferenceServerException as error:
            raise translate_error(error, timeout_s) from error
        scores: NDArray[np.float32] = result.as_numpy(SCORE)[:, 0]
        if not np.isfinite(scores).all():
            raise Unavailable(DEPENDENCY, f"the model {self._model} returned scores that are not finite")
        return scores
