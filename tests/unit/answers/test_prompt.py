"""The prompt fits the LLM's context: cut between units, without repetition, with neighbours if they fit."""

from msgspec.structs import replace

from phoserve.answers.citations import support_of
from phoserve.answers.ports import ChatMessage
from phoserve.answers.prompt import (
    NOT_FOUND,
    NOT_FOUND_ENGLISH,
    Prompt,
    estimate_tokens,
    fit_excerpts,
    is_english,
    join,
    neighbour_ids,
)
from phoserve.documents.records import Passage

SENTENCE = "Câu số {} nói về nghỉ phép của nhân viên trong công ty. "


def passage(ordinal: int, text: str, *, document: str = "11111111111111111111111111111111", start: int = 0) -> Passage:
    return Passage(
        collection="kb",
        document_id=document,
        document_key=document,
        revision=1,
        ordinal=ordinal,
        title="Sổ tay",
        text=text,
        start=start,
        end=start + len(text),
    )


def test_a_passage_that_does_not_fit_is_cut_between_units() -> None:
    long = passage(0, "".join(SENTENCE.format(number) for number in range(40)).strip())
    [(number, kept)] = fit_excerpts([long, passage(1, "Khác hẳn.")], {}, 300).items()
    assert number == 1
    assert long.text.startswith(kept.text)
    assert kept.text.endswith("công ty.")
    assert 100 < estimate_tokens(kept.text) <= 300
    assert kept.end == kept.start + len(kept.text)


def test_what_has_no_room_is_left_out() -> None:
    assert fit_excerpts([passage(0, SENTENCE * 10)], {}, 20) == {}
    assert fit_excerpts([passage(0, SENTENCE * 10)], {}, -5) == {}


def test_a_text_is_given_once_and_numbers_stay() -> None:
    text = "Nhân viên được nghỉ phép."
    other = passage(0, f" {text}\n", document="2" * 32)
    third = passage(0, "Lương trả ngày 5.", document="3" * 32)
    assert list(fit_excerpts([passage(0, text), other, third], {}, 1000)) == [1, 3]


def test_neighbours_are_joined_where_there_is_room() -> None:
    before, hit, after = passage(4, "Trước.", start=0), passage(5, "Giữa.", start=8), passage(6, "Sau.", start=14)
    assert set(neighbour_ids([hit], 1)) == {before.id, after.id}
    assert neighbour_ids([before, hit, after], 1) == neighbour_ids([before, after], 2)[:0] + sorted(
        [replace(hit, ordinal=3).id, replace(hit, ordinal=7).id]
    )
    found = {each.id: each for each in (before, after)}
    joined = fit_excerpts([hit], found, 1000)[1]
    assert (joined.text, joined.start, joined.end, joined.id) == ("Trước.\n\nGiữa.\nSau.", 0, 18, hit.id)
    tight = fit_excerpts([hit], found, estimate_tokens("Nguồn: Sổ tay\nGiữa.") + 17)
    assert tight[1].text == "Giữa."
    # A neighbour that is a hit itself is not given twice.
    assert fit_excerpts([hit, after], found, 1000)[1].text == "Trước.\n\nGiữa."
    assert join(after, hit).text == "Giữa.\nSau."


def test_old_turns_give_way() -> None:
    history = [ChatMessage("user", "dài " * 400), ChatMessage("assistant", "ngắn"), ChatMessage("user", "mới")]
    messages = Prompt().messages("Hỏi?", {}, history, context_tokens=1000)
    assert [each.content for each in messages[1:-1]] == ["ngắn", "mới"]
    room = Prompt().room("Hỏi?", history, context_tokens=4096, max_tokens=1024)
    assert 0 < room < 3072


def test_the_language_follows_the_question() -> None:
    assert is_english("How many days of annual leave are there?")
    assert not is_english("nghi phep nam duoc may ngay")
    assert not is_english("in mau do thi lam the nao")
    assert Prompt().not_found_for("Who is the president of the US?") == NOT_FOUND_ENGLISH
    assert Prompt().not_found_for("Ai là tổng thống Mỹ?") == NOT_FOUND
    assert Prompt(not_found="Không.").not_found_for("Who is the president?") == "Không."


def test_each_sentence_has_its_support() -> None:
    one = passage(0, "Lương trả ngày 5. Nhân viên được nghỉ mười hai ngày.")
    two = passage(0, "Pin bảo hành một năm.", document="2" * 32)
    text = "Nhân viên được nghỉ mười hai ngày [1]. Pin bảo hành một năm. [2][9] Chào bạn."
    found = support_of(text, [one, two])
    assert [text[each.start : each.end] for each in found] == [
        "Nhân viên được nghỉ mười hai ngày [1].",
        "Pin bảo hành một năm. [2][9] ",
        "Chào bạn.",
    ]
    assert [[cited.quote for cited in each.citations] for each in found] == [
        ["Nhân viên được nghỉ mười hai ngày."],
        ["Pin bảo hành một năm."],
        [],
    ]
