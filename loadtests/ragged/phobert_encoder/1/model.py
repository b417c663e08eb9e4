"""The packed graph over a batch of Triton's batcher: one text per request, of any length."""

from pathlib import Path

import numpy as np
import triton_python_backend_utils as pb_utils

from phoserve.serving.onnx import OnnxEncoder


class TritonPythonModel:
    def initialize(self, args):
        folder = Path(args["model_repository"]) / args["model_version"]
        self.encoder = OnnxEncoder(folder / "model.onnx")

    def execute(self, requests):
        texts = [pb_utils.get_input_tensor_by_name(request, "INPUT_IDS").as_numpy()[0] for request in requests]
        lengths = np.array([len(text) for text in texts], np.int32)
        vectors = self.encoder.encode(np.concatenate(texts), lengths)
        return [pb_utils.InferenceResponse([pb_utils.Tensor("EMBEDDING", vector[None])]) for vector in vectors]
