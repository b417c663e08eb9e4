"""The reranker's public Triton model: queries with passages in, scores out."""

import gc
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phoserve.contract import LOGIT, PASSAGE, QUERY, SCORE
from phoserve.errors import InvalidInput
from phoserve.serving.encoders import Infer
from phoserve.serving.public_model import Answer, EmbeddingPublicModel, PublicModel, Request, Tensors, decoded
from phoserve.serving.scheduler import Count
from phoserve.text import TextPipeline
from phoserve.text.pairs import Pair, PairPipeline


class RerankingPublicModel(PublicModel[Pair]):
    """The public model of a cross-encoder."""

    encoder_output = LOGIT

    def rows_of(self, request: Request) -> list[Pair]:
        """Return each query with its passage."""
        queries, passages = (decoded(request.strings(tensor), tensor) for tensor in (QUERY, PASSAGE))
        if len(queries) != len(passages):
            raise InvalidInput(f"{QUERY} has {len(queries)} rows and {PASSAGE} {len(passages)}: there must be as many")
        return list(zip(queries, passages, strict=True))

    def tensors_of(self, answer: Answer) -> Tensors:
        """Return the scores, from 0 to 1, and how they were computed."""
        return {**answer.tensors(SCORE), SCORE: sigmoid(answer.vectors)}


def load_public_model(folder: Path, infer: Infer, count: Count, parameters: Mapping[str, str]) -> PublicModel[Any]:
    """Return the public model of the model in `folder`, for the task that its contract names."""
    pipeline = TextPipeline.load(folder)
    gc.collect()
    gc.freeze()  # the vocabulary is never freed: scanning it would stop every call for 0.1 s
    if pipeline.contract.task == "rerank":
        return RerankingPublicModel.from_options(PairPipeline(pipeline), infer, count, parameters)
    return EmbeddingPublicModel.from_options(pipeline, infer, count, parameters)


def sigmoid(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the logistic function of `logits`, float32 from 0 to 1."""
    return (1 / (1 + np.exp(-logits.astype(np.float64)))).astype(np.float32)
