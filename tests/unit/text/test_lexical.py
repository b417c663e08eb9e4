from pathlib import Path
from zlib import crc32

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phoserve.text import TextPipeline, passage_terms, query_terms
from phoserve.text.diacritics import Restored
from phoserve.text.lexical import segmented_terms
from phoserve.text.query import TermWeights
from phoserve.text.vocabulary import Vocabulary, number_words
from phoserve.text.word_terms import WordTermsTable
from tests.support.models import tiny_model


@pytest.fixture
def pipeline(tmp_path: Path) -> TextPipeline:
    return TextPipeline.load(tiny_model(tmp_path))


EXACT = TermWeights(
    folded_syllable=0, folded_pair=0, least_folded=0, most_folded=0, plain_syllable=0, plain_pair=0, joined_word=0
)


def hashes(*terms: str) -> list[int]:
    return sorted(crc32(term.encode()) for term in terms)


def test_pairs_of_neighbours_but_not_across_a_mark(pipeline: TextPipeline) -> None:
    (vector,) = query_terms(pipeline, ["gạo ngon. gạo nhà_máy_nước"], weights=EXACT)
    syllables = ["gạo", "ngon", "nhà", "máy", "nước"]
    pairs = ["gạo_ngon", "gạo_nhà", "nhà_máy", "máy_nước"]
    assert vector.indices.tolist() == hashes(*syllables, *pairs, "nhà_máy_nước")


def test_words_and_their_syllables_in_small_letters_and_new_tones(pipeline: TextPipeline) -> None:
    (vector,) = query_terms(pipeline, ["Học sinh, HÒA. Gạo!"], weights=EXACT)
    assert vector.indices.tolist() == hashes("học_sinh", "học", "sinh", "hoà", "gạo")
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


def overlap(pipeline: TextPipeline, query: str, passage: str, meant: str | None = None) -> float:
    (asked,) = query_terms(pipeline, [query], [Restored(meant, 1.0)] if meant else None)
    (there,) = passage_terms(pipeline, [passage])
    weights = dict(zip(there.indices.tolist(), there.values.tolist(), strict=True))
    asked_terms = zip(asked.indices.tolist(), asked.values.tolist(), strict=True)
    return float(sum(weight * weights.get(term, 0.0) for term, weight in asked_terms))


@pytest.mark.parametrize("query", ["nghỉ phép", "nghi phép", "nghi phep"])
def test_what_is_spelled_exactly_so_scores_highest(pipeline: TextPipeline, query: str) -> None:
    spellings = ["nghỉ phép", "nghi phép", "nghi phep"]
    scores = {spelling: overlap(pipeline, query, spelling) for spelling in spellings}
    assert max(scores, key=scores.__getitem__) == query
    assert min(scores.values()) > 0
    assert overlap(pipeline, query, "gạo ngon") == 0


def test_d_and_đ_fold_together(pipeline: TextPipeline) -> None:
    assert overlap(pipeline, "duong", "đường") > 0
    assert overlap(pipeline, "đường", "duong") > 0


def test_what_was_meant_counts_as_if_it_were_typed(pipeline: TextPipeline) -> None:
    restored = overlap(pipeline, "nghi phep", "nghỉ phép", "nghỉ phép")
    assert restored >= overlap(pipeline, "nghỉ phép", "nghỉ phép") > overlap(pipeline, "nghi phep", "nghỉ phép")


def test_folded_and_canonical_terms_do_not_change_the_weight_of_words(pipeline: TextPipeline) -> None:
    (plain,) = passage_terms(pipeline, ["gạo nghỉ phép"])
    place = plain.indices.tolist().index(hashes("nghỉ")[0])
    assert plain.values[place] == pytest.approx(2.2 / (1 + 1.2 * (1 - 0.75 + 0.75 * 5 / 300)))


def test_numbers_find_their_other_spellings_before_any_neighbour(pipeline: TextPipeline) -> None:
    exact = overlap(pipeline, "số 0912 345 679", "gọi số 0912.345.679 nhé")
    neighbour = overlap(pipeline, "số 0912 345 679", "gọi số 0912 345 678 nhé")
    assert exact > neighbour + 2


def test_articles_are_found_by_their_number(pipeline: TextPipeline) -> None:
    wanted = overlap(pipeline, "khoản 6 Điều 4", "Điều 4. Mượn\n6. Nội dung")
    assert wanted > overlap(pipeline, "khoản 6 Điều 4", "Điều 4. Mượn\n5. Theo khoản 6 Điều 4")
    assert wanted > overlap(pipeline, "khoản 6 Điều 4", "Điều 5. Trả\n6. Theo khoản 6 Điều 4")


def test_invisible_characters_are_not_there(pipeline: TextPipeline) -> None:
    (visible, hidden) = passage_terms(pipeline, ["khoản tạm ứng", "kho\u00adản t\u2060ạm\u00a0ứng"])
    assert visible.indices.tolist() == hidden.indices.tolist()


PARTS = [*"aăâeêioơuưyđĐÀờẾỹhoàHÒA_.,12-\u0301ßİΣ😀", "học", "sinh_", "x" * 70]
WORDS = st.lists(st.sampled_from(PARTS), min_size=1, max_size=9).map("".join)
SEGMENTED = st.lists(WORDS, max_size=30).map(" ".join)


@settings(max_examples=300)
@given(st.lists(SEGMENTED, max_size=4))
def test_terms_of_a_batch_are_those_of_each_text_word_by_word(texts: list[str]) -> None:
    """`segmented_terms` hashes every pair; a batch computes the hashes of pairs from those of their halves."""
    words = number_words((text.split() for text in texts), Vocabulary())
    for (terms, exact), text in zip(WordTermsTable().terms_of(words), texts, strict=True):
        expected, folded = segmented_terms(text)
        assert sorted(terms.tolist()) == sorted(expected + folded)
        assert exact == len(expected)


def test_a_vocabulary_may_grow_between_batches() -> None:
    vocabulary, table = Vocabulary(), WordTermsTable()
    for text in ("gạo ngon", "gạo nếp thơm", "ngon"):
        [(terms, _)] = table.terms_of(number_words([text.split()], vocabulary))
        exact, folded = segmented_terms(text)
        assert sorted(terms.tolist()) == sorted(exact + folded)
