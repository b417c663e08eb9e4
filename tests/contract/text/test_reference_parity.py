"""The text pipeline answers exactly as pyvi and PhobertTokenizer do."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from export.segmenter import find_pyvi, read_pyvi
from phoserve.text import TextPipeline
from phoserve.text.chain import Chain
from phoserve.text.segmentation import Segmenter
from phoserve.text.segmenter_model import load_segmenter_model
from tests.support.models import phobert_model
from tests.support.references import phobert_tokenizer, pyvi_tokenize
from tests.support.shared import shared, training_texts

CORNERS = [
    "", " ", "\n", "a\n", "\na b", "\u00a0", "\x1c", "\0", "a \0 b", "\u200b", "\ufeff", "\u202eabc\u202c",
    "TP. Hồ Chí Minh", "Tp. Hồ Chí Minh", "ThS. Nguyễn Văn A", "U.S.A. ", "Đ.", "Mr. Bean", "A.B@c.d",
    "1.000.000 đồng", "3,14", "1_000", "1.", "٣.٤", "²", "Ⅷ", "x²", "hà_nội", "_", "__", "a_b c",
    "https://vi.wikipedia.org/wiki/Hà_Nội a", "a://b", "://", "http://x<s>y", "đab@c.d", "a.b+c@x.y-z.vn, a@b@c.d.e",
    "==>", "-->", "....", ">>>", "Điều 5.", "“Việt Nam”", "hoà bình hòa bình", "NGHĨA VỤ", "học sinh Học Sinh học Sinh",
    "e\u0301", "Vie\u0323\u0302t Nam", "\u0301", "\u212b", "Ǆ ǅ ǆ", "ΑΣ ΑΣ.", "İstanbul", "straße", "👩‍👩‍👧",
    "a\u0300\u0301\u0302" * 20,
    "<s> </s> <mask>", "<unk>", "từ" * 100, "nghiên cứu " * 300,
]  # fmt: skip

SYLLABLES = [
    "học", "sinh", "Hà", "Nội", "nhà", "nước", "cộng", "hoà", "hòa", "xã", "hội", "5", "1.000", "TP.", "a@b.vn", "_",
     "-", ".", "...", "\n", " ", "\t", "\u00a0", "://", "@", "<s>", "\0", "\u0301", "A", "đ", "²",
]  # fmt: skip
sentences = st.lists(st.sampled_from(SYLLABLES), max_size=30).map(" ".join)
jumbles = st.lists(st.sampled_from(SYLLABLES), max_size=30).map("".join)
# A lone surrogate is no text: pyvi fails on it.
unicode_texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
texts = unicode_texts | sentences | jumbles


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> TextPipeline:
    return TextPipeline.load(phobert_model(tmp_path_factory.mktemp("model")))


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return phobert_tokenizer(shared("phobert"))


def assert_equal(pipeline: TextPipeline, tokenizer: Any, batch: Sequence[str]) -> None:
    segmented = [pyvi_tokenize()(text) for text in batch]
    assert pipeline.segment(batch) == segmented
    tokens = pipeline.encode(batch)
    bounds = tokens.offsets.tolist()
    ids = [tokens.ids[start:end].tolist() for start, end in pairwise(bounds)]
    assert ids == tokenizer(segmented, truncation=True, max_length=256)["input_ids"]
    counts = [len(tokenizer(text)["input_ids"]) for text in segmented[:50]]
    assert pipeline.count_tokens(batch[:50]).tolist() == counts
    assert tokens.truncated[:50].tolist() == [count > 256 for count in counts]


@pytest.mark.parametrize("text", CORNERS)
def test_corner_alone(pipeline: TextPipeline, tokenizer: Any, text: str) -> None:
    assert_equal(pipeline, tokenizer, [text])


def test_corners_in_one_batch(pipeline: TextPipeline, tokenizer: Any) -> None:
    assert_equal(pipeline, tokenizer, CORNERS)


def test_corpus(pipeline: TextPipeline, tokenizer: Any) -> None:
    sample = list(training_texts(every=150))
    assert len(sample) >= 5000
    assert_equal(pipeline, tokenizer, sample)


@given(batch=st.lists(texts, min_size=1, max_size=4))
@settings(max_examples=300)
def test_any_text(pipeline: TextPipeline, tokenizer: Any, batch: list[str]) -> None:
    assert_equal(pipeline, tokenizer, batch)


@given(text=sentences | jumbles | st.text(max_size=60))
@settings(max_examples=200)
def test_tokenizer_alone(tokenizer: Any, text: str, plain_pipeline: TextPipeline) -> None:
    """Text that went through no segmenter: white space, newlines and specials are then the tokenizer's own business."""
    (segmented,) = plain_pipeline.segment([text])
    assert plain_pipeline.encode([text]).ids.tolist() == tokenizer(segmented)["input_ids"]


@pytest.fixture(scope="module")
def plain_pipeline(tmp_path_factory: pytest.TempPathFactory) -> TextPipeline:
    return TextPipeline.load(phobert_model(tmp_path_factory.mktemp("plain"), segmenter="none"))


def test_exact_crf_alone() -> None:
    """What decides when rounding might: here it is asked about every text."""
    model = load_segmenter_model()
    segmenter = Segmenter(model, chain=Chain(model.transitions, close=math.inf))
    sample = [*CORNERS, *training_texts(every=2000)]
    assert segmenter.segment(sample) == [pyvi_tokenize()(text) for text in sample]


def test_shipped_weights_are_those_of_pyvi() -> None:
    assert load_segmenter_model() == read_pyvi(find_pyvi())
