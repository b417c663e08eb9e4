"""A public model: texts in, vectors or scores out. Tensor glue only; the work is done by `phoserve.serving`."""

import json
from functools import cache, partial
from pathlib import Path

import triton_python_backend_utils as pb_utils

from phoserve.serving import COUNTERS, GAUGES, EncoderFailed, load_public_model, status_of


class TritonPythonModel:
    def initialize(self, args):
        options = {key: value["string_value"] for key, value in json.loads(args["model_config"])["parameters"].items()}
        folder = Path(args["model_repository"]) / args["model_version"]
        same_version = partial(infer, int(args["model_version"]))  # another version may be loaded at the same time
        self.public_model = load_public_model(folder, same_version, counters(), options)

    def execute(self, requests):
        self.public_model.accept([Call(request) for request in requests])  # each sends its answer later

    def finalize(self):
        self.public_model.close()


class Call:
    def __init__(self, request):
        final = pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL
        self.send, self.cancelled = partial(request.get_response_sender().send, flags=final), request.is_cancelled
        self.strings = lambda tensor: pb_utils.get_input_tensor_by_name(request, tensor).as_numpy()[:, 0].tolist()
        parameters = json.loads(request.parameters())
        self.input_type, self.fingerprint = parameters.get("input_type", "passage"), parameters.get("fingerprint")
        self.timeout_s = request.timeout() / 1e6 or None

    def reply(self, arrays):
        self.send(pb_utils.InferenceResponse(tensors(arrays)))

    def refuse(self, error):
        code = getattr(pb_utils.TritonError, status_of(error))
        self.send(pb_utils.InferenceResponse(error=pb_utils.TritonError(str(error), code)))


def tensors(arrays):
    return [pb_utils.Tensor(name, array) for name, array in arrays.items()]


async def infer(version, model, inputs, output):
    memory = pb_utils.PreferredMemory(pb_utils.TRITONSERVER_MEMORY_CPU, 0)
    call = {"model_name": model, "model_version": version, "requested_output_names": [output]}
    response = await pb_utils.InferenceRequest(**call, inputs=tensors(inputs), preferred_memory=memory).async_exec()
    if response.has_error():
        raise EncoderFailed(response.error().message())
    return pb_utils.get_output_tensor_by_name(response, output).as_numpy().copy()


def counters():
    family, kinds = pb_utils.MetricFamily, (("COUNTER", COUNTERS), ("GAUGE", GAUGES))
    families = {n: family(f"phoserve_{n}", text, getattr(family, k)) for k, names in kinds for n, text in names.items()}
    metric = cache(lambda name, encoder: families[name].Metric({"encoder": encoder}))
    return lambda name, amount, encoder: metric(name, encoder).increment(amount)
