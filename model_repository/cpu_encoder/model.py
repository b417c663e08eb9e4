"""An encoder graph on ONNX Runtime, for servers without Triton's own ONNX Runtime backend."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import triton_python_backend_utils as pb_utils

from phoserve.serving.encoders import resolve_concurrency
from phoserve.serving.onnx import ConcurrentOnnxEncoder


class TritonPythonModel:
    def initialize(self, args):
        options = {key: value["string_value"] for key, value in json.loads(args["model_config"])["parameters"].items()}
        graph = Path(args["model_repository"]) / args["model_version"] / "model.onnx"
        provider = options.get("provider", "CPUExecutionProvider")
        concurrency = resolve_concurrency(int(options.get("max_concurrent_calls", "1")))
        self.encoder = ConcurrentOnnxEncoder(
            graph, max_concurrent_calls=concurrency, threads=int(options["threads"]), providers=[provider]
        )
        self.pool = ThreadPoolExecutor(concurrency)

    def execute(self, requests):
        for request in requests:
            self.pool.submit(self.answer, request)

    def answer(self, request):
        try:
            vectors = self.encoder.run({tensor.name(): tensor.as_numpy() for tensor in request.inputs()})
            response = pb_utils.InferenceResponse([pb_utils.Tensor(self.encoder.output, vectors)])
        except Exception as error:
            response = pb_utils.InferenceResponse(error=pb_utils.TritonError(str(error)))
        request.get_response_sender().send(response, flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)

    def finalize(self):
        self.pool.shutdown()
