"""An encoder graph on ONNX Runtime, for servers without Triton's own ONNX Runtime backend."""

import json
from pathlib import Path

import triton_python_backend_utils as pb_utils

from phoserve.serving.onnx import OnnxEncoder


class TritonPythonModel:
    def initialize(self, args):
        options = {key: value["string_value"] for key, value in json.loads(args["model_config"])["parameters"].items()}
        graph = Path(args["model_repository"]) / args["model_version"] / "model.onnx"
        provider = options.get("provider", "CPUExecutionProvider")
        self.encoder = OnnxEncoder(graph, threads=int(options["threads"]), providers=[provider])

    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        inputs = {tensor.name(): tensor.as_numpy() for tensor in request.inputs()}
        try:
            vectors = self.encoder.run(inputs)
        except Exception as error:
            return pb_utils.InferenceResponse(error=pb_utils.TritonError(str(error)))
        return pb_utils.InferenceResponse([pb_utils.Tensor(self.encoder.output, vectors)])
