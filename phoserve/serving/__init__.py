"""The work of a public Triton model: requests become full micro-batches for the encoders, GPU before CPU."""

from phoserve.serving.encoders import Encoder, EncoderFailed, ModelEncoder
from phoserve.serving.pairs import RerankingPublicModel, load_public_model
from phoserve.serving.public_model import (
    Answer,
    EmbeddingPublicModel,
    PublicModelOptions,
    Request,
    TextEncoder,
    status_of,
)
from phoserve.serving.scheduler import COUNTERS, GAUGES, Count

__all__ = [
    "COUNTERS",
    "GAUGES",
    "Answer",
    "Count",
    "EmbeddingPublicModel",
    "Encoder",
    "EncoderFailed",
    "ModelEncoder",
    "PublicModelOptions",
    "Request",
    "RerankingPublicModel",
    "TextEncoder",
    "load_public_model",
    "status_of",
]
