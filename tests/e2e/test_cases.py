"""Documents as people have them, through the REST API of a running platform: nothing is corrupted or silently lost."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.polling import eventually

CASES = Path(__file__).parents[1] / "cases"
INVISIBLE = dict.fromkeys(map(ord, "\u00ad\u200b\u200e\u2060\ufeff"))
_known: dict[str, "Case"] = {}


class Case:
    """One file in a collection of its own."""

    def __init__(self, http: httpx.Client, collection: str, document_id: str = "") -> None:
        self.http = http
        self.url = f"/v1/collections/{collection}"
        self.document_url = f"{self.url}/documents/{document_id}"

    @property
    def record(self) -> dict[str, Any]:
        return self._get(self.document_url)

    @property
    def passages(self) -> list[dict[str, Any]]:
        return list(self._get(f"{self.document_url}/passages")["passages"])

    @property
    def text(self) -> str:
        return self.http.get(f"{self.document_url}/text").raise_for_status().text

    @property
    def shown(self) -> str:
        """All that passages show."""
        return "\n".join(f"{each['context']}\n{each['text']}" for each in self.passages)

    @property
    def codes(self) -> set[str]:
        return {warning["code"] for warning in self.record["warnings"]}

    def search(self, query: str, **more: Any) -> list[dict[str, Any]]:
        answer = self.http.post(f"{self.url}/search", json={"query": query, "top_k": 5, **more})
        return list(answer.raise_for_status().json()["hits"])

    def ask(self, question: str) -> dict[str, Any]:
        answer: dict[str, Any] = self.http.post(f"{self.url}/answers", json={"question": question}).json()
        return answer

    def quotes(self, question: str) -> str:
        """All quotations of the answer, each behind its table's header."""
        citations = self.ask(question)["citations"]
        return "\n".join(f"{each['context']}\n{each['quote']}" for each in citations)

    def _get(self, url: str) -> dict[str, Any]:
        answer: dict[str, Any] = self.http.get(url).raise_for_status().json()
        return answer


@pytest.fixture
def case(http: httpx.Client) -> Callable[[str], Case]:
    def send(name: str) -> Case:
        if name not in _known:
            collection = f"case-{name.replace('.', '-')}"
            http.put(f"/v1/collections/{collection}").raise_for_status()
            answer = http.post(
                f"/v1/collections/{collection}/documents", files=[("files", (name, (CASES / name).read_bytes()))]
            ).raise_for_status()
            found = Case(http, collection, answer.json()["documents"][0]["id"])
            wait_until_rest(found)
            _known[name] = found
        known = _known[name]
        known.http = http
        return known

    return send


def wait_until_rest(case: Case) -> None:
    def is_at_rest() -> bool:
        counts = case.http.get(case.url).json()["documents"]
        return not counts.get("queued", 0) + counts.get("processing", 0)

    asyncio.run(eventually(is_at_rest, timeout_s=120))


CaseOf = Callable[[str], Case]


def test_every_case_is_ready_and_its_spans_count_in_its_text(case: CaseOf) -> None:
    for path in sorted(CASES.iterdir()):
        if (path.suffix == ".json" and path.stem in {"11_docs", "12_codes"}) or path.name == "README.md":
            continue
        found = case(path.name)
        assert found.record["state"] == "ready", (path.name, found.record["error"])
        text = found.text
        assert all(text[each["start"] : each["end"]] == each["text"] for each in found.passages), path.name


def test_short_correct_lines_stay(case: CaseOf) -> None:
    found = case("10_quy.md")
    for number in (1, 2, 3):
        assert f"Quý {number}" in found.shown
    assert {each["headings"][-1] for each in found.passages} >= {"Quý 1", "Quý 2", "Quý 3"}
    assert found.codes == set()


def test_short_correct_cells_stay(case: CaseOf) -> None:
    shown = case("10_xa.xlsx").shown
    assert all(word in shown for word in ("Mã", "Xã", "Tân Lý", "Bình Quý", "Võ Lao"))


def test_a_stray_byte_is_one_stray_character(case: CaseOf) -> None:
    found = case("31_onebad.txt")
    original = (CASES / "31_onebad.txt").read_bytes().replace(b"\x96", "–".encode()).decode()
    assert found.text.split() == original.split()
    assert found.codes == {"text_repaired"}


@pytest.mark.parametrize("name", ["07_escaped.json", "07_escaped.jsonl"])
def test_json_is_parsed_into_records(case: CaseOf, name: str) -> None:
    found = case(name)
    assert "\\u" not in found.shown
    [record] = [each for each in found.passages if "CH-2" in each["text"]]
    assert "câu hỏi: Mất thẻ phải làm gì?" in record["text"]
    assert "CH-1" not in record["text"]
    assert "CH-3" not in record["text"]
    assert found.search("mất thẻ phải làm gì")[0]["passage_id"] == record["passage_id"]


@pytest.mark.parametrize("name", ["07_escaped.json", "07_escaped.jsonl"])
def test_json_answers(case: CaseOf, name: str) -> None:
    assert "hai mươi bốn giờ" in case(name).ask("mất thẻ phải làm gì")["answer"]


def test_rows_of_a_csv_file_carry_their_header(case: CaseOf) -> None:
    found = case("06_semicolon.csv")
    header = "Mã | Tên sản phẩm | Đơn giá | Bảo hành (tháng) | Kho"
    assert all(header in (each["context"], each["text"].split("\n")[0]) for each in found.passages)
    assert "SP-1001 | Máy bơm chìm loại 1 công suất 1 kW | 1250000 | 18 | Kho B" in found.text
    assert found.search("SP-1045")[0]["text"].count("SP-1045") == 1


def test_an_answer_quotes_the_row_of_a_csv_file(case: CaseOf) -> None:
    quotes = case("06_semicolon.csv").quotes("Bảo hành máy bơm SP-1045 bao nhiêu tháng?")
    assert "SP-1045" in quotes
    assert "SP-1044" not in quotes
    assert "Bảo hành (tháng)" in quotes


def test_rows_of_a_workbook_carry_their_header_and_values_are_as_displayed(case: CaseOf) -> None:
    found = case("05_long_table.xlsx")
    rows = [each for each in found.passages if "HĐ-2026" in each["text"]]
    assert len(rows) > 1
    for each in rows:
        shown = f"{each['context']}\n{each['text']}"
        assert "Mã HĐ" in shown
        assert "Người phụ trách" in shown
    assert "31/05/2026" in found.shown
    assert "8%" in found.shown
    assert "00:00:00" not in found.shown
    assert "Ẩn" not in found.shown
    assert "hidden_content" in found.codes
    assert rows[-1]["place"]["sheet"]
    assert rows[-1]["place"]["row"] > 2


def test_a_date_finds_its_row(case: CaseOf) -> None:
    assert "31/05/2026" in case("05_long_table.xlsx").search("ngày ký 31/05/2026")[0]["text"]


def test_an_answer_quotes_the_row_of_a_workbook(case: CaseOf) -> None:
    quotes = case("05_long_table.xlsx").quotes("Hợp đồng HĐ-2026050 do ai phụ trách?")
    assert "HĐ-2026050" in quotes
    assert "HĐ-2026049" not in quotes
    assert "Người phụ trách" in quotes


def test_a_formula_without_a_value_is_not_blank(case: CaseOf) -> None:
    found = case("33_formula.xlsx")
    assert "=" in found.shown or "formula_without_value" in found.codes
    assert "formula_without_value" in found.codes


def test_automatic_numbers_are_displayed(case: CaseOf) -> None:
    found = case("04_autonum.docx")
    headings = {each["headings"][-1] for each in found.passages if each["headings"]}
    assert {"Điều 1. Phạm vi điều chỉnh", "Điều 3. Kỷ luật lao động"} <= headings
    assert any(heading.startswith("Điều 2. ") for heading in headings)
    assert "a) " in found.shown
    assert "b) " in found.shown


def test_an_answer_quotes_the_article_that_is_asked_for(case: CaseOf) -> None:
    answer = case("04_autonum.docx").ask("Điều 3 nội quy lao động nói về gì?")
    assert "Kỷ luật" in answer["answer"]


def test_tracked_changes_are_accepted_and_hidden_text_is_left_out(case: CaseOf) -> None:
    shown = case("01_tracked.docx").shown
    assert "350.000" in shown
    assert shown.count("phòng Kế toán") == 1
    assert "phòng Kế toán tầng sáu" in shown
    assert "GHI CHÚ ẨN" not in shown
    assert all(gone not in shown for gone in ("200.000", "tầng hai"))


def test_notes_of_a_slide_are_read_and_hidden_slides_are_not(case: CaseOf) -> None:
    found = case("08_notes.pptx")
    assert "Phương án cắt giảm" not in found.shown
    assert "hidden_content" in found.codes
    assert all(each["place"].get("slide") for each in found.passages)


def test_a_chart_is_read_as_its_data(case: CaseOf) -> None:
    assert "21,4" in case("34_chart.pptx").shown
    assert "Miền Trung" in case("34_chart.pptx").shown


def test_a_mail_keeps_its_lines_and_takes_its_subject_as_title(case: CaseOf) -> None:
    found = case("09_alt.eml")
    assert found.record["title"] == "Lịch họp giao ban"
    assert found.search("họp giao ban")[0]["title"] == "Lịch họp giao ban"
    assert "> Ngày 1/9, anh Bách viết:\n> Họp lúc tám giờ thứ hai." in found.text
    assert found.text.count("Họp giao ban chuyển sang mười giờ sáng thứ năm.") == 1


@pytest.mark.parametrize("words", ["khoản tạm ứng", "nghỉ thai sản", "mật khẩu wifi", "trung tâm dữ liệu"])
def test_invisible_characters_hide_no_words(case: CaseOf, words: str) -> None:
    found = case("13_invisible.txt")
    [hit, *_] = found.search(words, mode="lexical")
    visible = hit["text"].translate(INVISIBLE).lower().replace("trungtâmdữliệu", "trung tâm dữ liệu")
    assert words in visible.replace("\xa0", " ")
    assert found.text[hit["start"] : hit["end"]] == hit["text"]


@pytest.mark.parametrize("words", ["khoản tạm ứng", "nghỉ thai sản", "mật khẩu wifi", "trung tâm dữ liệu"])
def test_invisible_characters_are_highlighted_over(case: CaseOf, words: str) -> None:
    hit = case("13_invisible.txt").search(words, mode="lexical")[0]
    marked = " ".join(hit["text"][start:end] for start, end in hit["highlights"]).translate(INVISIBLE).lower()
    assert len("".join(words.split())) <= len("".join(marked.split()))


def test_clauses_of_a_typed_law_have_their_article(case: CaseOf) -> None:
    found = case("14_law.txt")
    articles = [each["headings"][-1] for each in found.passages]
    assert {heading.split(".")[0] for heading in articles} >= {f"Điều {number}" for number in range(1, 13)}
    for each in found.passages:
        begun = [line for line in each["text"].split("\n") if line.startswith("Điều ")]
        assert begun in ([], [each["headings"][-1]])


def test_a_clause_is_found_by_its_number(case: CaseOf) -> None:
    first = case("14_law.txt").search("khoản 6 Điều 4")[0]
    assert first["headings"][-1].startswith("Điều 4.")
    assert "\n6. " in f"\n{first['text']}"


def test_an_answer_is_from_the_article_that_is_asked_for(case: CaseOf) -> None:
    answer = case("14_law.txt").ask("Điều 11 quy định về gì?")
    hits = {hit["passage_id"]: hit["headings"][-1] for hit in answer["hits"]}
    assert answer["citations"]
    assert all(hits[each["passage_id"]].startswith("Điều 11.") for each in answer["citations"])


def test_an_answer_quotes_a_point_alone(case: CaseOf) -> None:
    [citation] = case("14_law.txt").ask("Điểm b khoản 3 Điều 9 quy định gì?")["citations"]
    assert citation["quote"].startswith("b)")
    assert "\n" not in citation["quote"]


def test_a_clause_that_continues_in_the_next_passages_is_quoted_whole(case: CaseOf) -> None:
    sent = case("quy_dinh_dai.txt")
    clause = sent.text[sent.text.index("2. Thể thức văn bản hành chính") : sent.text.index("\n3. Văn bản điện tử")]
    assert not any(clause in each["text"] for each in sent.passages)
    answer = sent.ask("khoản 2 Điều 8 quy định gì?")
    assert [each["quote"] for each in answer["citations"]] == [clause]
    assert sent.text[answer["citations"][0]["start"] : answer["citations"][0]["end"]] == clause


def test_the_documents_show_what_was_meant(case: CaseOf) -> None:
    sent = case("quy_dinh_dai.txt")
    answer = sent.http.post(
        f"{sent.url}/search", json={"query": "co chu cua quoc hieu la bao nhieu", "top_k": 1}
    ).json()
    assert answer["query_used"] == "cỡ chữ của quốc hiệu là bao nhiêu"
    assert "cỡ chữ từ 12 đến 13" in answer["hits"][0]["text"]


def test_only_the_content_of_a_page_is_read(case: CaseOf) -> None:
    found = case("16_noise.html")
    assert "Sơ đồ quy trình xin nghỉ: nhân viên, trưởng phòng, nhân sự" in found.shown
    assert "10^3" in found.shown
    assert "Dịp lễ | Số ngày\nTết Dương lịch | 1\nQuốc khánh | 2\n| bù 1" in found.text
    noise = ("ẩn", "cookie", "Trang chủ", "Tin tức", "2026", "JSONLD", "trang trí", "JavaScript", "góp ý", "Tìm kiếm")
    assert [word for word in noise if word in found.shown] == []
    assert found.record["title"] == "Quy định nghỉ lễ"


def test_embedded_pictures_are_left_out(case: CaseOf) -> None:
    found = case("18_b64.md")
    assert "Tủ điện chính đặt ở tầng hầm một." in found.shown
    assert max(map(len, found.shown.split())) < 40
    assert found.codes == {"image_skipped"}


def test_embedded_pictures_are_left_out_of_text_as_json_too(http: httpx.Client) -> None:
    collection = Case(http, "case-json-b64", "b64")
    http.put(collection.url).raise_for_status()
    document = {"id": "b64", "text": (CASES / "18_b64.md").read_text(encoding="utf-8")}
    http.post(f"{collection.url}/documents", json={"documents": [document]}).raise_for_status()
    wait_until_rest(collection)
    assert max(map(len, collection.shown.split())) < 40


def test_a_sentence_across_pages_is_whole(case: CaseOf) -> None:
    sentence = (
        "Khi phát hiện cáp thang máy bị tưa quá sáu sợi trên một bước bện thì kỹ thuật viên phải dừng thang ngay "
        "lập tức và báo cho cơ quan kiểm định trong vòng hai giờ."
    )
    found = case("20_break.pdf")
    assert any(sentence in " ".join(each["text"].split()) for each in found.passages)
    answer = found.ask("Phát hiện cáp thang máy bị tưa thì phải làm gì?")["answer"]
    assert "trong vòng hai giờ" in answer


def test_a_page_that_is_an_image_is_read_or_named(case: CaseOf) -> None:
    found = case("22_mixed.pdf")
    named = any(warning["place"].get("page") == 2 for warning in found.record["warnings"])
    assert "nghin dong" in found.text or named


@pytest.fixture
def short_documents(http: httpx.Client) -> Case:
    found = Case(http, "case-short")
    if http.get(found.url).status_code == 404:
        http.put(found.url).raise_for_status()
        rows = json.loads((CASES / "11_docs.json").read_text(encoding="utf-8"))
        documents = [{"id": id_, "title": title, "text": text} for id_, title, text in rows]
        http.post(f"{found.url}/documents", json={"documents": documents}).raise_for_status()
        wait_until_rest(found)
    return found


@pytest.mark.parametrize(
    ("query", "best"),
    [
        ("nghi phep", "np"),
        ("nghi phep nam", "np"),
        ("gio di lam", "dl"),
        ("duong so bay", "dg"),
        ("thuong le quoc khanh", "tl"),
        ("khieu nai luong", "kn"),
        ("gui xe o dau", "gx"),
    ],
)
def test_queries_without_diacritics(short_documents: Case, query: str, best: str) -> None:
    assert short_documents.search(query)[0]["document_id"] == best


@pytest.fixture
def codes(http: httpx.Client) -> Case:
    found = Case(http, "case-codes")
    if http.get(found.url).status_code == 404:
        http.put(found.url).raise_for_status()
        rows = json.loads((CASES / "12_codes.json").read_text(encoding="utf-8"))
        documents = [{"id": id_, "text": text} for id_, text in rows]
        http.post(f"{found.url}/documents", json={"documents": documents}).raise_for_status()
        wait_until_rest(found)
    return found


@pytest.mark.parametrize(
    ("query", "best"),
    [
        ("0912 345 679", "p2"),
        ("0912345679", "p2"),
        ("0912.345.679", "p2"),
        ("0912.345.678", "p1"),
        ("4560000", "m1"),
        ("4,560,000", "m1"),
        ("1903 3456 7890 12", "s1"),
        ("huong-dan/vpn", "u1"),
        ("E4013", "e2"),
        ("84 24 3826 9999", "p3"),
    ],
)
def test_codes_phones_and_amounts(codes: Case, query: str, best: str) -> None:
    first = codes.search(query)[0]
    assert first["document_id"] == best
    assert first["highlights"]


def test_an_old_workbook_is_read_as_displayed(case: CaseOf) -> None:
    found = case("40_old_workbook.xls")
    assert "A | Ngày 05 tháng 03 năm 2024 | 1.234.567,5 đồng | x" in found.shown
    assert not any(word in found.shown for word in ("VERYHIDDEN", "KÍN"))
    assert found.codes == {"hidden_content"}
