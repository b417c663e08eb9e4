from pathlib import Path

import pytest

from phoserve.errors import ConfigurationError
from phoserve.text import Chunker, TextPipeline
from tests.support.models import tiny_model


@pytest.fixture
def pipeline(tmp_path: Path) -> TextPipeline:
    # Without a segmenter and with a vocabulary of six, a letter is a token but for "học".
    return TextPipeline.load(tiny_model(tmp_path, max_tokens=32, segmenter="none"))


def test_a_section_is_a_chunk_with_its_path(pipeline: TextPipeline) -> None:
    text = "# A\n\n## B\nhọc học.\n\n## C\nhọc.\n"
    chunks = Chunker(pipeline).chunk(text)
    assert [(c.text, c.headings) for c in chunks] == [
        ("# A\n\n## B\nhọc học.", ("A", "B")),
        ("## C\nhọc.", ("A", "C")),
    ]
    assert all(text[c.start : c.end] == c.text for c in chunks)


def test_a_long_section_is_cut_between_paragraphs_into_equal_parts(pipeline: TextPipeline) -> None:
    paragraph = "Học học học học. Học học học."
    chunks = Chunker(pipeline).chunk("\n\n".join([paragraph] * 4))
    assert [c.text for c in chunks] == [f"{paragraph}\n\n{paragraph}"] * 2


def test_overlap_repeats_whole_sentences_of_the_same_section(pipeline: TextPipeline) -> None:
    text = " ".join(f"H {k} học." for k in range(1, 15)) + "\n# B\nhọc"
    first, second, *_, last = Chunker(pipeline, overlap_sentences=1).chunk(text)
    assert first.text.endswith(second.text.split(". ")[0] + ".")
    assert last.text == "# B\nhọc"


def test_words_of_a_long_sentence_stay_whole_and_commas_are_preferred(pipeline: TextPipeline) -> None:
    chunks = Chunker(pipeline, max_tokens=12).chunk("học học học học học, học học học học học học học")
    assert chunks[0].text == "học học học học học,"
    assert {word for c in chunks for word in c.text.replace(",", "").split()} == {"học"}


def test_only_a_word_over_the_budget_is_cut(pipeline: TextPipeline) -> None:
    text = "học " + "x" * 100 + " học"
    chunks = Chunker(pipeline).chunk(text)
    assert "".join(c.text for c in chunks).replace(" ", "") == text.replace(" ", "")
    assert all(c.tokens <= 32 for c in chunks)


@pytest.mark.parametrize("max_tokens", [33, 9, 0, -1])
def test_an_impossible_budget_is_refused(pipeline: TextPipeline, max_tokens: int) -> None:
    with pytest.raises(ConfigurationError, match="choose from 10 to 32"):
        Chunker(pipeline, max_tokens=max_tokens)


@pytest.mark.parametrize("text", ["", " ", "\n\n\t"])
def test_nothing_gives_no_chunks(pipeline: TextPipeline, text: str) -> None:
    assert Chunker(pipeline).chunk(text) == []


def test_many_texts_give_the_chunks_of_each(pipeline: TextPipeline) -> None:
    texts = ["# A\nhọc. " + "Học học học. " * 20, "", "học " + "x" * 100, "# A\nhọc."]
    chunker = Chunker(pipeline, overlap_sentences=1)
    assert chunker.chunk_all(texts) == [chunker.chunk(text) for text in texts]
    assert [bool(chunks) for chunks in chunker.chunk_all(texts)] == [True, False, True, True]
