"""The sample corpus is sound, and its questions cannot be answered by matching words alone."""

import re
import unicodedata
from pathlib import Path

import cli.samples
from cli.samples import SampleDocument, documents, questions
from phoserve.text.tones import modern_tones

MIN_DOCUMENTS = 60
MIN_QUESTIONS = 60
MIN_WORDS, MAX_WORDS = 60, 200
MAX_MEAN_SHARED_SYLLABLES = 0.4  # function words (có, được, thì ...) count too
MAX_SHARED_SYLLABLES = 0.7

_NEW_STYLE = re.compile(r"(?<![^\W_])[^\W_]{0,3}(?:o[àáảãạèéẻẽẹ]|(?<!q)u[ỳýỷỹỵ])(?![^\W_])", re.IGNORECASE)


def _syllables(text: str) -> list[str]:
    return re.findall(r"\w+", modern_tones(text).lower())


def _old_style(text: str) -> bool:
    return modern_tones(text) != text


def _new_style(text: str) -> bool:
    return _NEW_STYLE.search(text) is not None


def _by_id() -> dict[str, SampleDocument]:
    return {document.id: document for document in documents()}


def _shared(query: str, text: str) -> float:
    asked, answered = _syllables(query), set(_syllables(text))
    return sum(syllable in answered for syllable in asked) / len(asked)


def test_there_are_enough_of_each() -> None:
    assert len(documents()) >= MIN_DOCUMENTS
    assert len(questions()) >= MIN_QUESTIONS


def test_ids_are_unique_and_name_the_files() -> None:
    ids = [document.id for document in documents()]
    folder = Path(cli.samples.__file__).parent / "documents"
    assert sorted(ids) == sorted(path.stem for path in folder.iterdir())


def test_documents_have_a_title_and_a_fair_length() -> None:
    for document in documents():
        assert document.text.startswith(f"# {document.title}\n\n"), document.id
        assert document.title.strip(), document.id
        assert MIN_WORDS <= len(document.text.split()) <= MAX_WORDS, document.id


def test_metadata_can_be_filtered_by() -> None:
    for document in documents():
        assert document.metadata.keys() == {"department", "year", "type"}, document.id
    for field in ("department", "year", "type"):
        assert len({document.metadata[field] for document in documents()}) >= 3, field


def test_text_is_in_normal_form_c() -> None:
    texts = [document.text for document in documents()] + [question.query for question in questions()]
    assert all(unicodedata.is_normalized("NFC", text) for text in texts)


def test_every_document_has_a_question_and_every_question_a_document() -> None:
    assert {question.positive_id for question in questions()} == _by_id().keys()


def test_questions_are_asked_once() -> None:
    queries = [question.query for question in questions()]
    assert len(queries) == len(set(queries))


def test_both_styles_of_tone_placement_occur_but_never_in_one_document() -> None:
    texts = [document.text for document in documents()]
    assert sum(map(_old_style, texts)) >= 10
    assert sum(map(_new_style, texts)) >= 10
    assert not [text for text in texts if _old_style(text) and _new_style(text)]


def test_questions_come_in_both_styles() -> None:
    queries = [question.query for question in questions()]
    assert sum(map(_old_style, queries)) >= 3
    assert sum(map(_new_style, queries)) >= 3


def test_questions_share_few_syllables_with_their_answer() -> None:
    answers = _by_id()
    shares = {q.query: _shared(q.query, answers[q.positive_id].text) for q in questions()}
    assert sum(shares.values()) / len(shares) <= MAX_MEAN_SHARED_SYLLABLES
    assert not [query for query, share in shares.items() if share > MAX_SHARED_SYLLABLES]


def test_no_question_is_quoted_from_its_answer() -> None:
    answers = _by_id()
    for question in questions():
        assert question.query.lower() not in answers[question.positive_id].text.lower()
