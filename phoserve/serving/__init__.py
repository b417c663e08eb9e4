"""What the public Triton model does: a stream of requests in, full micro-batches to the encoders, GPU before CPU."""

from phoserve.serving.encoders import Encoder, EncoderFailed, ModelEncoder
from phoserve.serving.front import Answer, FrontOptions, Request, TextEncoder, TextFront, status_of
from phoserve.serving.pairs import PairFront, load_front
from phoserve.serving.scheduler import COUNTERS, GAUGES, Count

__all__ = [
    "COUNTERS",
    "GAUGES",
    "Answer",
    "Count",
    "Encoder",
    "EncoderFailed",
    "FrontOptions",
    "ModelEncoder",
    "PairFront",
    "Request",
    "TextEncoder",
    "TextFront",
    "load_front",
    "status_of",
]
