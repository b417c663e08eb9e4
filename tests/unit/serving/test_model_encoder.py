from collections.abc import Mapping

import numpy as np
import pytest

from phoserve.serving.encoders import EncoderFailed, Ids, ModelEncoder, Vectors

IDS, LENGTHS = np.array([5, 6, 7], np.int32), np.array([2, 1], np.int32)


def encoder(answer: Vectors, seen: list[Mapping[str, Ids]] | None = None) -> ModelEncoder:
    async def infer(model: str, inputs: Mapping[str, Ids], output: str) -> Vectors:
        if seen is not None:
            seen.append(inputs)
        return answer

    return ModelEncoder("some_encoder", "padded", infer, timeout_s=1, padding_id=-1)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
async def test_vectors_that_are_not_finite_are_failures(wrong: float) -> None:
    vectors = np.ones((2, 4), np.float32)
    vectors[1, 2] = wrong
    with pytest.raises(EncoderFailed, match="some_encoder returned numbers that are not finite"):
        await encoder(vectors).encode(IDS, LENGTHS)


async def test_rows_are_filled_up_with_the_padding_id_of_the_model() -> None:
    seen: list[Mapping[str, Ids]] = []
    await encoder(np.ones((2, 4), np.float32), seen).encode(IDS, LENGTHS)
    assert seen[0]["INPUT_IDS"].tolist() == [[5, 6], [7, -1]]
