"""Pairs of texts against `transformers`: the same ids, cut at the same places."""

from pathlib import Path

import numpy as np
import pytest
from transformers import PhobertTokenizer

from phoserve.text import TextPipeline
from phoserve.text.pairs import PairPipeline, kept_lengths
from tests.support.models import phobert_model

MAX_TOKENS = 64
SHORT = "nghỉ cưới được mấy ngày"
LONG = "Nhân viên chính thức được nghỉ phép mười hai ngày mỗi năm, hoà bình và thuỷ điện. " * 8
TEXTS = ["", "a", SHORT, "Hà Nội", LONG, LONG[: len(LONG) // 3], "<s> lạ </s>", "🙂"]


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> TextPipeline:
    return TextPipeline.load(phobert_model(tmp_path_factory.mktemp("model"), max_tokens=MAX_TOKENS))


def test_ids_are_those_of_the_reference(pipeline: TextPipeline, tmp_path: Path) -> None:
    reference = PhobertTokenizer.from_pretrained(str(phobert_model(tmp_path)))
    pairs = [(query, passage) for query in TEXTS for passage in TEXTS]
    batch = PairPipeline(pipeline).encode(pairs)
    for index, (query, passage) in enumerate(pairs):
        segmented = pipeline.segment([query, passage])
        whole = reference(*segmented)["input_ids"]
        expected = reference(*segmented, truncation="longest_first", max_length=MAX_TOKENS)["input_ids"]
        assert batch.ids[batch.offsets[index] : batch.offsets[index + 1]].tolist() == expected
        assert batch.truncated[index] == (len(whole) > MAX_TOKENS)
    assert {bool(cut) for cut in batch.truncated} == {True, False}


@pytest.mark.parametrize("room", [7, 8])
def test_the_longer_one_gives_way(room: int) -> None:
    for first, second in np.ndindex(14, 14):
        left, right = first, second
        while left + right > room:  # one token at a time, as the reference does
            left, right = (left - 1, right) if left > right else (left, right - 1)
        assert kept_lengths(first, second, room) == (left, right)
