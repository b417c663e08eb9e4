"""What holds of the chunks of any text, counted by PhoBERT's real tokenizer."""

from itertools import pairwise
from unicodedata import normalize

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phoserve.text import Chunk, Chunker, TextPipeline, sentences
from phoserve.text.structure import structure_text
from tests.support.models import phobert_model
from tests.support.references import phobert_tokenizer, pyvi_tokenize
from tests.support.shared import shared

PIECES = [
    "nghiên cứu khoa học", "học sinh", "Việt Nam", "hoà bình", "TP. Hồ Chí Minh", "1.000.000 đồng", "quá trình",
    ", ", ". ", "! ", "… ", "\n", "\n\n", "\n# Tiêu đề\n", "\n## Chương I\nQUY ĐỊNH CHUNG\n", "\nĐiều 5. Phạm vi\n",
    "\n- mục\n", "\n| a | b |\n", "```\n", "x" * 40, "https://example.com/a/b?c=d", "👩‍👩‍👧", "e\u0301" * 9,
    "\u200b", "\u202e",
]  # fmt: skip
documents = st.lists(
    st.sampled_from(PIECES) | st.text(st.characters(exclude_categories=["Cs"]), max_size=12), max_size=60
)
texts = (
    documents.map(" ".join) | documents.map("".join) | st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
)


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> TextPipeline:
    return TextPipeline.load(phobert_model(tmp_path_factory.mktemp("model")))


def assert_sound(text: str, chunks: list[Chunk], budget: int, *, overlapping: bool) -> None:
    tokenizer = phobert_tokenizer(shared("phobert"))
    assert all(text[c.start : c.end] == c.text == c.text.strip() != "" for c in chunks)
    assert [c.tokens for c in chunks] == [len(tokenizer(pyvi_tokenize()(c.text))["input_ids"]) for c in chunks]
    assert all(c.tokens <= budget for c in chunks)
    if not overlapping:
        assert "".join("".join(c.text.split()) for c in chunks) == "".join(text.split())
    covered = 0
    for chunk in chunks:
        assert not text[covered : chunk.start].strip()
        assert chunk.end > covered
        covered = chunk.end
    assert not text[covered:].strip()


@given(text=texts, max_tokens=st.integers(10, 256), overlap=st.integers(0, 3))
@settings(max_examples=300)
def test_chunks_are_sound(pipeline: TextPipeline, text: str, max_tokens: int, overlap: int) -> None:
    chunker = Chunker(pipeline, max_tokens=max_tokens, overlap_sentences=overlap)
    chunks = chunker.chunk(text)
    assert_sound(text, chunks, max_tokens, overlapping=overlap > 0)
    assert chunker.chunk(text) == chunks


@given(text=texts, max_tokens=st.integers(24, 80))
@settings(max_examples=200)
def test_no_word_is_cut(pipeline: TextPipeline, text: str, max_tokens: int) -> None:
    """Words as pyvi finds them in each sentence; only a word over the budget by itself may be cut."""
    chunks = Chunker(pipeline, max_tokens=max_tokens).chunk(text)
    cuts = {c.start for c in chunks} | {c.end for c in chunks}
    for block in structure_text(text).elements:
        for start, end in sentences(text[block.start : block.end]):
            for word in pipeline.words(text[block.start + start : block.start + end]):
                inside = range(block.start + start + word.start + 1, block.start + start + word.end)
                assert word.tokens > max_tokens - 2 or cuts.isdisjoint(inside)


@pytest.mark.parametrize("name", ["30_2020_ND_CP.md", "HUONG_DAN_SU_DUNG.md", "Phuluc1.md", "Phuluc3.md", "Phuluc5.md"])
@pytest.mark.parametrize("overlap", [0, 2])
def test_real_documents(pipeline: TextPipeline, name: str, overlap: int) -> None:
    text = shared("documents", name).read_text(encoding="utf-8")
    chunks = Chunker(pipeline, overlap_sentences=overlap).chunk(text)
    assert_sound(text, chunks, 256, overlapping=overlap > 0)
    assert all(c.headings for c in chunks)


def test_words_are_pyvis(pipeline: TextPipeline) -> None:
    text = shared("documents", "30_2020_ND_CP.md").read_text(encoding="utf-8")
    words = pipeline.words(text)
    spelled = [normalize("NFC", "_".join(text[word.start : word.end].split())) for word in words]
    assert spelled == pyvi_tokenize()(text).replace("\n", " ").split()
    assert all(before.end <= after.start for before, after in pairwise(words))
