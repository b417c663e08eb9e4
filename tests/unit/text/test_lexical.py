from pathlib import Path
from zlib import crc32

import numpy as np
import pytest

from phoserve.text import TextPipeline, passage_terms, query_terms
from tests.support.models import tiny_model


@pytest.fixture
def pipeline(tmp_path: Path) -> TextPipeline:
    return TextPipeline.load(tiny_model(tmp_path))


def hashes(*terms: str) -> list[int]:
    return sorted(crc32(term.encode()) for term in terms)


def test_pairs_of_neighbours_but_not_across_a_mark(pipeline: TextPipeline) -> None:
    (vector,) = query_terms(pipeline, ["gạo ngon. gạo nhà_máy_nước"])
    syllables = ["gạo", "ngon", "nhà", "máy", "nước"]
    pairs = ["gạo_ngon", "gạo_nhà", "nhà_máy", "máy_nước"]
    assert vector.indices.tolist() == hashes(*syllables, *pairs, "nhà_máy_nước")


def test_words_and_their_syllables_in_small_letters_and_new_tones(pipeline: TextPipeline) -> None:
    (vector,) = query_terms(pipeline, ["Học sinh, HÒA. 1.000!"])
    assert vector.indices.tolist() == hashes("học_sinh", "học", "sinh", "hoà", "1.000")
    assert vector.values.tolist() == [1.0] * 5
    assert vector.indices.dtype == np.dtype(np.uint32)
    assert vector.values.dtype == np.dtype(np.float32)


def test_a_term_counts_less_the_more_it_is_repeated_and_the_longer_the_text(pipeline: TextPipeline) -> None:
    once, twice, longer = passage_terms(pipeline, ["gạo", "gạo, gạo", "gạo" + ", ngô" * 300])
    place = longer.indices.tolist().index(hashes("gạo")[0])
    assert once.values[0] < twice.values[0] < 2 * once.values[0]
    assert longer.values[place] < once.values[0]


def test_no_terms(pipeline: TextPipeline) -> None:
    empty, marks = passage_terms(pipeline, ["", " . "])
    assert empty.indices.tolist() == marks.indices.tolist() == []
