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
    CPU_ENCODER,
    EMBEDDING,
    INPUT_IDS,
    LENGTHS,
    PUBLIC_MODEL,
    TEXT,
    load_contract,
    triton_names,
)
from phoserve.errors import ConfigurationError
from phoserve.serving.encoders import Ids, Vectors
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
        headers: Mapping[str, str] | None = None,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._model_folder = model_folder
        self._repository = repository
        self._profile: Profile = profile
        self._client = client
        self._headers = dict(headers or {})
        self._say = say
        self._encoders = encoders_of(triton_names(PUBLIC_MODEL), profile)
        versions = [int(path.name) for path in (repository / PUBLIC_MODEL).iterdir() if path.name.isdigit()]
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
            self._load([PUBLIC_MODEL], [self.old, self.new])
            self._check_public_model()
        except (ConfigurationError, InferenceServerException, OSError) as error:
            self._say("going back")
            self._load([PUBLIC_MODEL, *self._encoders], [self.old])
            self._remove(self.new)
            raise ConfigurationError(f"version {self.new} was not rolled out: {error}") from error
        self._say(f"unloading version {self.old}")
        self._load([PUBLIC_MODEL, *self._encoders], [self.new])
        self._remove(self.old)
        return self.new

    def _check(self) -> None:
        served = load_contract(self._repository / PUBLIC_MODEL / str(self.old))
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
            for name in (PUBLIC_MODEL, *self._encoders):
                (fresh / name / str(self.new)).rename(self._repository / name / str(self.new))

    def _load(self, names: Sequence[str], versions: Sequence[int]) -> None:
        for name in names:
            path = self._repository / name / "configs" / f"{self._profile}.pbtxt"
            config = read_config(path)
            config.version_policy.specific.versions[:] = versions
            path.write_text(text_format.MessageToString(config))
            self._client.load_model(name, headers=self._headers)

    def _remove(self, version: int) -> None:
        for name in (PUBLIC_MODEL, *self._encoders):
            shutil.rmtree(self._repository / name / str(version), ignore_errors=True)

    def _check_encoder(self) -> None:
        texts = self._canary_tokens()
        ids, lengths = np.concatenate(texts), np.array([len(text) for text in texts], np.int32)
        answer = self._client.infer(
            CPU_ENCODER, [_input(INPUT_IDS, ids), _input(LENGTHS, lengths)], model_version=str(self.new)
        )
        self._compare(answer.as_numpy(EMBEDDING), CPU_ENCODER)

    def _check_public_model(self) -> None:
        texts = np.array([[text.encode()] for text in parity_texts(CANARY_TEXTS)], dtype=object)
        answer = self._client.infer(PUBLIC_MODEL, [_input(TEXT, texts, "BYTES")], model_version=str(self.new))
        self._compare(answer.as_numpy(EMBEDDING), PUBLIC_MODEL)

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


def _input(name: str, values: Any, datatype: str = "INT32") -> triton.InferInput:
    tensor = triton.InferInput(name, list(values.shape), datatype)
    tensor.set_data_from_numpy(values)
    return tensor
