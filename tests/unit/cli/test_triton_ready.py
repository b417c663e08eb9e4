"""The health check asks for every model of the repository, whatever they are called."""

import pytest

from cli.triton_ready import checked_models
from export.repository import encoders_of
from phoserve.contract import PUBLIC_MODEL, RERANKER, triton_names


@pytest.mark.parametrize("profile", ["cpu", "gpu", "local", "tensorrt"])
def test_public_models_and_their_cpu_encoders_are_told_apart(profile: str) -> None:
    public = (PUBLIC_MODEL, RERANKER, "minilm", "sentence_encoder")
    encoders = [each for name in public for each in encoders_of(triton_names(name), profile)]  # type: ignore[arg-type]
    names = [*public, *encoders]
    assert checked_models(names, encoders=False) == sorted(public)
    assert checked_models(names, encoders=True) == sorted(triton_names(name).cpu_encoder for name in public)
