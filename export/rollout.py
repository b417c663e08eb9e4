"""Replace the model's version on a running server without downtime.

The encoders' new version is loaded next to the old one and verified with known vectors. Then the new public model is
loaded and receives the requests. The old versions are unloaded when idle. Each version of the public model calls the
encoders of its own version, so vectors of two models never mix. The server runs with `--model-control-mode=explicit`.
"""

import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import tritonclient.grpc as triton
from google.protobuf import text_format
from tritonclient.utils import InferenceServerException

from export.parity import GATES, cosine, parity_texts, tokenize_texts
from export.repository import Profile, assemble_repository, encoders_of, read_config
from phoserve.contract import (
    EMBEDDING,
    TEXT,
    load_contract,
    served_names,
    triton_names,
)
from phoserve.errors import ConfigurationError
from phoserve.serving.encoders import Ids, Vectors, encoder_inputs
from phoserve.serving.onnx import OnnxEncoder
from phoserve.text import TextPipeline

CANARY_TEXTS: Final = 16
# Every exported precision is at least this close to float32.
CANARY_COSINE: Final = min(gate.worst for gate in GATES.values())


class Rollout:
    """Deploys the model in `model_folder` to the server that serves `repository` with `profile`."""

    def __init__(
        self,
        model_folder: Path,
        repository: Path,
        profile: Profile,
        client: triton.InferenceServerClient,
        *,
        name: str | None = None,
        headers: Mapping[str, str] | None = None,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._model_folder = model_folder
        self._repository = repository
        self._profile: Profile = profile
        self._client = client
        self._headers = dict(headers or {})
        self._say = say
        self._names = triton_names(name or _served_as(model_folder, repository))
        self._encoders = encoders_of(self._names, profile)
        versions = [int(path.name) for path in (repository / self._names.public).iterdir() if path.name.isdigit()]
        self.old = max(versions)
        self.new = self.old + 1

    def run(self) -> int:
        """Roll out and return the new version.

        Raises ConfigurationError if the new version fails its checks. The old version then keeps serving.
        """
        self._check()
        try:
            self._add_version()
            self._say(f"loading version {self.new} of the encoders")
            self._load(self._encoders, [self.old, self.new])
            self._check_encoder()
            self._say(f"switching to version {self.new}")
            self._load([self._names.public], [self.old, self.new])
            self._check_public_model()
        except (ConfigurationError, InferenceServerException, OSError) as error:
            self._say("going back")
            self._load([self._names.public, *self._encoders], [self.old])
            self._remove(self.new)
            raise ConfigurationError(f"version {self.new} was not rolled out: {error}") from error
        self._say(f"unloading version {self.old}")
        self._load([self._names.public, *self._encoders], [self.new])
        self._remove(self.old)
        return self.new

    def _check(self) -> None:
        served = load_contract(self._repository / self._names.public / str(self.old))
        contract = load_contract(self._model_folder)
        if contract.dim != served.dim:
            raise ConfigurationError(
                f"the new model has {contract.dim} dimensions, the served one {served.dim}, which would break callers; "
                "serve it from another server"
            )

    def _add_version(self) -> None:
        with tempfile.TemporaryDirectory(dir=self._repository.parent) as folder:
            fresh = Path(folder) / "repository"
            assemble_repository(self._model_folder, fresh, profile=self._profile, version=str(self.new))
            assembled = triton_names(served_names([load_contract(self._model_folder)])[0])
            for source, name in zip(
                (assembled.public, *encoders_of(assembled, self._profile)),
                (self._names.public, *self._encoders),
                strict=True,
            ):
                (fresh / source / str(self.new)).rename(self._repository / name / str(self.new))

    def _load(self, names: Sequence[str], versions: Sequence[int]) -> None:
        for name in names:
            path = self._repository / name / "configs" / f"{self._profile}.pbtxt"
            config = read_config(path)
            config.version_policy.specific.versions[:] = versions
            path.write_text(text_format.MessageToString(config))
            self._client.load_model(name, headers=self._headers)

    def _remove(self, version: int) -> None:
        for name in (self._names.public, *self._encoders):
            shutil.rmtree(self._repository / name / str(version), ignore_errors=True)

    def _check_encoder(self) -> None:
        texts = self._canary_tokens()
        ids, lengths = np.concatenate(texts), np.array([len(text) for text in texts], np.int32)
        contract = load_contract(self._model_folder)
        inputs = encoder_inputs(contract.layout, ids, lengths, contract.padding_id)
        answer = self._client.infer(
            self._names.cpu_encoder,
            [_input(name, value) for name, value in inputs.items()],
            model_version=str(self.new),
            headers=self._headers,
        )
        self._compare(answer.as_numpy(EMBEDDING), self._names.cpu_encoder)

    def _check_public_model(self) -> None:
        texts = np.array([[text.encode()] for text in parity_texts(CANARY_TEXTS)], dtype=object)
        inputs = [_input(TEXT, texts, "BYTES")]
        answer = self._client.infer(self._names.public, inputs, model_version=str(self.new), headers=self._headers)
        self._compare(answer.as_numpy(EMBEDDING), self._names.public)

    def _compare(self, vectors: Vectors, name: str) -> None:
        encoder = OnnxEncoder(self._model_folder / "onnx" / "fp32.onnx", threads=1)
        expected = np.concatenate(
            [encoder.encode(ids, np.array([len(ids)], np.int32)) for ids in self._canary_tokens()]
        )
        worst = cosine(vectors, expected).min()
        self._say(f"{name}: worst cosine to the exported float32 graph {worst:.5f}")
        if not worst >= CANARY_COSINE:
            raise ConfigurationError(f"{name} returns other vectors than the model: worst cosine {worst:.4f}")

    def _canary_tokens(self) -> list[Ids]:
        return tokenize_texts(TextPipeline.load(self._model_folder), parity_texts(CANARY_TEXTS))


def _served_as(model_folder: Path, repository: Path) -> str:
    """The public model of `repository` that the model in `model_folder` is a version of."""
    name = served_names([load_contract(model_folder)])[0]
    if not (repository / name).is_dir():
        raise ConfigurationError(f"{repository} has no model {name}; choose the one to replace with --name")
    return name


def _input(name: str, values: Any, datatype: str = "INT32") -> triton.InferInput:
    tensor = triton.InferInput(name, list(values.shape), datatype)
    tensor.set_data_from_numpy(values)
    return tensor
