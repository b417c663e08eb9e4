import itertools
import re
import threading
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import export.bundled
from phoserve.contract import InputType
from phoserve.errors import ConfigurationError
from phoserve.text import TextPipeline, query_terms
from phoserve.text.bpe import TokenBatch, WordPieces
from phoserve.text.capitals import lower_shouting
from phoserve.text.leaders import collapse_leaders
from phoserve.text.normalise import compose
from phoserve.text.segmentation import Segmenter
from phoserve.text.segmenter_model import load_segmenter_model
from phoserve.text.vocabulary import NumberedWords
from tests.support.models import tiny_model


def test_words_and_pieces(tmp_path: Path) -> None:
    pipeline = TextPipeline.load(tiny_model(tmp_path))
    assert pipeline.segment(["học sinh, học"]) == ["học_sinh , học"]
    batch = pipeline.encode(["học sinh, học", "", "h"])
    # 4.. are the vocabulary's lines, 3 is <unk>: "h" alone is no token, only "h@@" is.
    assert batch.ids.tolist() == [0, 4, 3, 5, 2, 0, 2, 0, 3, 2]
    assert batch.offsets.tolist() == [0, 5, 7, 10]
    assert batch.ids.dtype == np.dtype(np.int32)
    assert batch.offsets.dtype == np.dtype(np.int64)


def test_truncation_keeps_both_specials(tmp_path: Path) -> None:
    pipeline = TextPipeline.load(tiny_model(tmp_path, max_tokens=4))
    batch = pipeline.encode(["học, học, học", "học. học"])
    assert batch.ids.tolist() == [0, 5, 3, 2, 0, 5, 3, 2]
    assert batch.truncated.tolist() == [True, True]
    assert pipeline.count_tokens(["học, học, học", "học. học"]).tolist() == [7, 5]


def test_prefixes_follow_the_input_type(tmp_path: Path) -> None:
    pipeline = TextPipeline.load(tiny_model(tmp_path, query_prefix="học: "))
    assert pipeline.encode(["học"], InputType.QUERY).ids.tolist() == [0, 5, 3, 5, 2]
    assert pipeline.encode(["học"]).ids.tolist() == [0, 5, 2]


@pytest.mark.parametrize("segmenter", ["pyvi-0.1.1", "none"])
def test_tones_follow_the_contract(tmp_path: Path, segmenter: str) -> None:
    old = TextPipeline.load(tiny_model(tmp_path, segmenter=segmenter))
    assert old.segment(["Hòa . u\u0301y"]) == ["Hòa . úy"]
    modern = TextPipeline.load(tiny_model(tmp_path, segmenter=segmenter, modern_tones=True))
    assert modern.segment(["Hòa . u\u0301y"]) == ["Hoà . uý"]


def test_lone_surrogate_is_the_replacement_character(tmp_path: Path) -> None:
    assert TextPipeline.load(tiny_model(tmp_path)).segment(["học \ud800"]) == ["học \ufffd"]


def test_no_texts(tmp_path: Path) -> None:
    batch = TextPipeline.load(tiny_model(tmp_path)).encode([])
    assert (batch.ids.tolist(), batch.offsets.tolist(), batch.truncated.tolist()) == ([], [0], [])


def test_missing_files_are_named(tmp_path: Path) -> None:
    (tiny_model(tmp_path) / "vocab.txt").unlink()
    with pytest.raises(ConfigurationError, match=r"vocab\.txt"):
        TextPipeline.load(tmp_path)


@pytest.mark.parametrize(
    ("name", "content"), [("vocab.txt", "word\n"), ("bpe.codes", "ab c 1\na b 2\n"), ("vocab.txt", "\n")]
)
def test_malformed_files_are_refused(tmp_path: Path, name: str, content: str) -> None:
    (tiny_model(tmp_path) / name).write_text(content, encoding="utf-8")
    with pytest.raises(ConfigurationError, match=name):
        TextPipeline.load(tmp_path)


def test_forgetting_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline = TextPipeline.load(tiny_model(tmp_path))
    texts = ["học sinh, học", "viên " * 40, "a" * 100, "học sinh viên."]
    expected = [pipeline.encode([text]).ids.tolist() for text in texts]
    monkeypatch.setattr("phoserve.text.segmentation._MAX_KEPT", 10)
    monkeypatch.setattr("phoserve.text.bpe._MAX_KEPT", 10)
    assert [pipeline.encode([text]).ids.tolist() for text in texts * 2] == expected * 2


class BlockingPieces(WordPieces):
    """A tokenizer that is busy until it is released."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.busy, self.released = threading.Event(), threading.Event()

    def encode_words(self, words: NumberedWords, *, max_tokens: int) -> TokenBatch:
        self.busy.set()
        assert self.released.wait(30)
        return super().encode_words(words, max_tokens=max_tokens)


def test_a_query_does_not_wait_for_a_batch_on_another_thread(tmp_path: Path) -> None:
    folder = tiny_model(tmp_path)
    loaded = TextPipeline.load(folder)
    pieces = BlockingPieces(folder)
    pipeline = TextPipeline(loaded.contract, pieces, Segmenter(load_segmenter_model()))
    with ThreadPoolExecutor(2) as pool:
        batch = pool.submit(pipeline.encode, ["học sinh"])
        assert pieces.busy.wait(30)
        try:
            terms = pool.submit(query_terms, pipeline, ["học sinh"]).result(30)
            assert not batch.done()
        finally:
            pieces.released.set()
    assert terms[0].indices.tolist() == query_terms(loaded, ["học sinh"])[0].indices.tolist()


@settings(max_examples=50)
@given(st.lists(st.text(alphabet="học sinh viên, Hà Nội.\n1@:/", max_size=60), max_size=4))
def test_queries_are_segmented_as_passages_are(texts: list[str]) -> None:
    segmenter = Segmenter(load_segmenter_model())
    assert segmenter.sibling().segment(texts) == segmenter.segment(texts)


def test_siblings_remember_apart() -> None:
    segmenter = Segmenter(load_segmenter_model())
    sibling = segmenter.sibling()
    segmenter.segment(["học sinh viên"])
    assert not sibling.forms
    assert sibling.segment(["viên học sinh"]) == segmenter.segment(["viên học sinh"])
    assert sibling.forms != segmenter.forms


def test_words_are_numbered_and_counted_in_one_call(tmp_path: Path) -> None:
    texts = ["học sinh, học", "", "HỌC SINH HỌC HỌC SINH HỌC", "học"]
    variants: list[dict[str, Any]] = [{}, {"passage_prefix": "học: "}, {"lowercase_shouting": True}]
    for number, options in enumerate(variants):
        folder = tmp_path / str(number)
        folder.mkdir()
        pipeline = TextPipeline.load(tiny_model(folder, **options))
        words, counts = pipeline.number_words_counted(texts, [0, 2, 3])
        assert spelled(words) == [text.split() for text in pipeline.segment(texts)]
        assert counts.tolist() == [pipeline.encode([texts[number]]).ids.size for number in (0, 2, 3)]


def spelled(words: NumberedWords) -> list[list[str]]:
    known, edges = words.vocabulary.words, words.offsets.tolist()
    return [[known[n] for n in words.numbers[start:end]] for start, end in itertools.pairwise(edges)]


PARTS = [
    "học",
    "sinh",
    "_",
    "đi",
    "\n",
    "\t",
    "\u00a0",
    "hoà",
    "Hoà",
    "HÀ NỘI",
    "12",
    ".",
    ",",
    "<",
    ">",
    "mask",
    "s",
    "/",
]
MORE = ["s", "/", "://", "@", "->", "-", "\ud800", "\u0301", "\u200b", "ß", "İ", "Σ", "một", "\x1c", "\x85", *[" "] * 9]
TEXTS = st.lists(st.sampled_from(PARTS + MORE), max_size=40).map("".join)


@pytest.fixture(scope="module")
def bundled() -> TextPipeline:
    return TextPipeline.load(Path(export.bundled.__path__[0]))


@settings(max_examples=300)
@given(st.lists(TEXTS | st.text(max_size=40), max_size=4))
def test_numbered_words_and_their_tokens_are_those_of_the_segmented_text(
    bundled: TextPipeline, texts: list[str]
) -> None:
    segmented = bundled.segment(texts)
    assert spelled(bundled.number_words(texts)) == [re.findall(r"\S+\n?", text) for text in segmented]
    tokens = bundled.encode(texts)
    expected = bundled.tokenize(bundled.segment([collapse_leaders(lower_shouting(compose(text))) for text in texts]))
    assert (tokens.ids.tolist(), tokens.offsets.tolist()) == (expected.ids.tolist(), expected.offsets.tolist())
    assert bundled.count_tokens(texts).tolist() == np.diff(expected.offsets).tolist()


def test_the_form_of_letters_does_not_matter(bundled: TextPipeline) -> None:
    texts = ["PHÒNG CHÁY CHỮA CHÁY là gì", "Họ và tên: ........ Trịnh Thị Ngọc"]
    for method in (bundled.encode, bundled.count_tokens):
        composed, taken_apart = (
            method([unicodedata.normalize(form, text) for text in texts]) for form in ("NFC", "NFD")
        )
        assert repr(composed) == repr(taken_apart)


@settings(max_examples=100)
@given(
    st.lists(st.sampled_from(["văn", "bản", "định", "tổ", "chức", "chương", "ký", "và", "\n", "\n", ":"]), max_size=40)
)
def test_a_newline_inside_a_word_is_part_of_the_syllable_before_it(bundled: TextPipeline, parts: list[str]) -> None:
    text = " ".join(parts)  # pyvi joins "\n" and "định" to one word
    [segmented] = bundled.segment([text])
    assert spelled(bundled.number_words([text])) == [re.findall(r"\S+\n?", segmented)]
    assert bundled.encode([text]).ids.tolist() == bundled.tokenize([segmented]).ids.tolist()


@settings(max_examples=50)
@given(st.lists(st.text("học sinh viên, Hà Nội.\n1", min_size=280, max_size=330), max_size=5), st.data())
def test_words_of_texts_that_were_counted_before_are_the_same(
    bundled: TextPipeline, texts: list[str], data: st.DataObject
) -> None:
    expected = [re.findall(r"\S+\n?", text) for text in bundled.segment(texts)]
    if texts:
        bundled.count_tokens(data.draw(st.lists(st.sampled_from(texts))))
    assert spelled(bundled.number_words(texts)) == expected
