"""What the public Triton model does: a stream of requests in, full micro-batches to the encoders, GPU before CPU."""

from phoserve.serving.encoders import Encoder, EncoderFailed, ModelEncoder
from phoserve.serving.front import Answer, Front, FrontOptions, Request, TextEncoder, status_of
from phoserve.serving.scheduler import COUNTERS, GAUGES, Count

__all__ = [
    "COUNTERS",
    "GAUGES",
    "Answer",
    "Count",
    "Encoder",
    "EncoderFailed",
    "Front",
    "FrontOptions",
    "ModelEncoder",
    "Request",
    "TextEncoder",
    "status_of",
]
