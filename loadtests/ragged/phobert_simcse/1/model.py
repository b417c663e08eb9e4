"""Texts to tokens. Each text is a call to the encoder, and Triton batches the calls."""

import asyncio
from pathlib import Path

import numpy as np
import triton_python_backend_utils as pb_utils

from phoserve.text import TextPipeline


class TritonPythonModel:
    def initialize(self, args):
        self.pipeline = TextPipeline.load(Path(args["model_repository"]) / args["model_version"])

    async def execute(self, requests):
        return await asyncio.gather(*(self.answer(request) for request in requests))

    async def answer(self, request):
        texts = [text.decode() for text in pb_utils.get_input_tensor_by_name(request, "TEXT").as_numpy()[:, 0]]
        tokens = self.pipeline.encode(texts)
        bounds = zip(tokens.offsets[:-1], tokens.offsets[1:], strict=True)
        vectors = await asyncio.gather(*(encode(tokens.ids[None, start:end]) for start, end in bounds))
        outputs = {
            "EMBEDDING": np.concatenate(vectors),
            "TOKENS": np.diff(tokens.offsets).astype(np.int32)[:, None],
            "TRUNCATED": tokens.truncated[:, None],
            "SERVED_BY": np.full((len(texts), 1), b"phobert_encoder", object),
        }
        return pb_utils.InferenceResponse([pb_utils.Tensor(name, array) for name, array in outputs.items()])


async def encode(ids):
    call = pb_utils.InferenceRequest(
        model_name="phobert_encoder",
        requested_output_names=["EMBEDDING"],
        inputs=[pb_utils.Tensor("INPUT_IDS", np.ascontiguousarray(ids))],
        preferred_memory=pb_utils.PreferredMemory(pb_utils.TRITONSERVER_MEMORY_CPU, 0),
    )
    response = await call.async_exec()
    if response.has_error():
        raise pb_utils.TritonModelException(response.error().message())
    return pb_utils.get_output_tensor_by_name(response, "EMBEDDING").as_numpy().copy()
