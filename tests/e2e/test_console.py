"""The page in a real browser: upload, search, ask, delete; by keyboard, in both languages, under its own policy."""

import os
import re
import shutil
import unicodedata
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect, sync_playwright

from tests.support.patience import patient
from tests.support.platform import Platform
from tests.support.waiting import wait_until

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
TITLE = "Nuôi mèo ở văn phòng"
TEXT = f"# {TITLE}\n\nNhân viên được mang mèo đến vào thứ Sáu. Mèo phải được tiêm phòng dại trước đó.\n"

pytestmark = pytest.mark.skipif(
    CHROMIUM is None and "CI" not in os.environ, reason="no chromium: apt-get install chromium"
)


@pytest.fixture(scope="module")
def page(platform: Platform) -> Iterator[Page]:
    problems: list[str] = []
    expect.set_options(timeout=patient(15_000))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_context(locale="vi-VN", viewport={"width": 1280, "height": 900}).new_page()
        page.set_default_timeout(patient(30_000))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda said: problems.append(said.text) if said.type == "error" else None)
        page.goto(platform.url)
        yield page
        browser.close()
    assert problems == [], "the page broke its own policy or threw"


@pytest.fixture(scope="module")
def uploaded(page: Page, tmp_path_factory: pytest.TempPathFactory) -> Page:
    page.locator("#new-collection").click()
    page.locator("#prompt-input").fill("thu-nghiem")
    page.keyboard.press("Enter")
    expect(page.locator('#collections button[aria-current="true"]')).to_contain_text("thu-nghiem")
    page.get_by_role("tab", name="Tài liệu").click()
    file = tmp_path_factory.mktemp("files") / "meo.md"
    file.write_text(TEXT, encoding="utf-8")
    page.locator("#files").set_input_files(file)
    expect(page.locator("#documents .state.ready")).to_have_count(1, timeout=patient(30_000))
    return page


def test_an_uploaded_file_becomes_ready_before_ones_eyes(uploaded: Page) -> None:
    expect(uploaded.locator("#documents .title")).to_have_text(TITLE)  # the file's own, not its name
    expect(uploaded.locator("#collections")).to_contain_text("thu-nghiem1")


def test_search_as_you_type_marks_the_words(uploaded: Page) -> None:
    uploaded.get_by_role("tab", name="Tìm kiếm").click()
    uploaded.locator("#query").press_sequentially("mèo", delay=30)
    expect(uploaded.locator("#hits .hit mark").first).to_have_text(re.compile("mèo", re.IGNORECASE))
    for mode in ("Từ ngữ", "Ý nghĩa", "Kết hợp"):
        uploaded.get_by_text(mode, exact=True).click()
        expect(uploaded.locator("#hits .hit")).to_have_count(1)
    uploaded.locator("#query").fill("zzzz")
    uploaded.get_by_text("Từ ngữ", exact=True).click()
    expect(uploaded.locator("#hits .empty")).to_be_visible()
    uploaded.get_by_text("Kết hợp", exact=True).click()


def test_an_answer_is_cited_and_leads_to_its_source(uploaded: Page) -> None:
    uploaded.get_by_role("tab", name="Hỏi").click()
    uploaded.locator("#question").fill("Nhân viên được mang mèo đến vào thứ mấy?")
    uploaded.keyboard.press("Enter")
    expect(uploaded.locator("#answer")).to_contain_text("mang mèo đến vào thứ Sáu")
    uploaded.locator("#answer .cite").first.click()
    expect(uploaded.locator("#sources .hit.cited mark").first).to_contain_text("thứ Sáu")
    uploaded.keyboard.press("Enter")
    expect(uploaded.locator("#reader")).to_be_visible()
    uploaded.keyboard.press("Escape")
    expect(uploaded.locator("#reader")).to_be_hidden()


def test_the_keyboard_is_enough(uploaded: Page) -> None:
    uploaded.get_by_role("tab", name="Tài liệu").focus()
    uploaded.keyboard.press("ArrowRight")
    expect(uploaded.locator("#tab-search")).to_be_focused()
    uploaded.keyboard.press("/")
    expect(uploaded.locator("#query")).to_be_focused()
    uploaded.keyboard.type("tiêm phòng")
    expect(uploaded.locator("#hits .hit")).to_have_count(1)
    uploaded.keyboard.press("ArrowDown")
    expect(uploaded.locator("#hits .hit").first).to_be_focused()


def test_both_languages_and_both_themes(uploaded: Page) -> None:
    uploaded.locator("#language").click()
    expect(uploaded.get_by_role("tab", name="Documents")).to_be_visible()
    assert "{" not in uploaded.locator("body").inner_text()
    backgrounds = set()
    for _ in range(3):
        uploaded.locator("#theme").click()
        backgrounds.add(uploaded.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert len(backgrounds) == 2
    uploaded.locator("#language").click()
    expect(uploaded.get_by_role("tab", name="Tài liệu")).to_be_visible()


def test_markup_in_a_document_stays_text(uploaded: Page, platform: Platform) -> None:
    hostile = "<img src=x onerror=alert(1)> <script>alert(2)</script> con voi"
    with platform.client() as http:
        body = {"documents": [{"id": "<b>", "title": "<i>voi</i>", "text": hostile}]}
        http.post("/v1/collections/thu-nghiem/documents", json=body).raise_for_status()
    uploaded.get_by_role("tab", name="Tài liệu").click()
    row = uploaded.locator("#documents tr", has_text="<i>voi</i>")
    expect(row.locator(".state.ready")).to_be_visible(timeout=patient(30_000))
    uploaded.get_by_role("tab", name="Tìm kiếm").click()
    uploaded.locator("#query").fill("con voi")
    expect(uploaded.locator("#hits .hit").first).to_contain_text("<script>alert(2)</script>")
    assert uploaded.locator("#hits img, #hits script").count() == 0


def test_documents_with_warnings_and_failures_are_listed(uploaded: Page, tmp_path: Path) -> None:
    files = {
        unicodedata.normalize(
            "NFD", "Quy chế cũ.txt"
        ): b"C\xf3 l\xe9i v\xe0 d\xe0i",  # TCVN3: a warning without a place
        "hỏng.pdf": b"%PDF-1.4 broken",
        "máy.exe": b"MZ\x90\x00" + bytes(500),
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    uploaded.get_by_role("tab", name="Tài liệu").click()
    uploaded.locator("#files").set_input_files([tmp_path / name for name in files])
    expect(uploaded.locator("#documents .state.failed")).to_have_count(2, timeout=patient(30_000))
    uploaded.reload()
    uploaded.locator("#collections button", has_text="thu-nghiem").click()
    uploaded.get_by_role("tab", name="Tài liệu").click()
    row = uploaded.locator("#documents tr", has_text="Quy chế cũ.txt")
    expect(row.locator(".warning")).to_have_text("Đã sửa bảng mã của văn bản")
    expect(uploaded.locator("#documents tr", has_text="máy.exe").locator(".error")).to_contain_text("chưa đọc được")
    expect(uploaded.locator(".toasts .bad")).to_have_count(0)


def test_a_phone_shows_whole_titles(uploaded: Page) -> None:
    desk = uploaded.viewport_size
    uploaded.set_viewport_size({"width": 390, "height": 844})
    uploaded.get_by_role("tab", name="Tài liệu").click()
    title = uploaded.locator("#documents tr", has_text="Quy chế cũ.txt").locator("td").first
    assert (title.bounding_box() or {"width": 0})["width"] > 250
    assert (uploaded.locator(".side").bounding_box() or {"height": 999})["height"] < 200
    assert uploaded.evaluate("document.documentElement.scrollWidth") <= 390
    uploaded.set_viewport_size(desk or {"width": 1280, "height": 900})


NAMES = {"Sổ tay (2026)": "so-tay-2026", "Đơn từ": "don-tu", "KB_1": "KB_1"}


@pytest.mark.parametrize("given", NAMES)
def test_a_collection_may_be_named_in_vietnamese(uploaded: Page, platform: Platform, given: str) -> None:
    uploaded.locator("#new-collection").click()
    uploaded.locator("#prompt-input").fill(given)
    uploaded.keyboard.press("Enter")
    expect(uploaded.locator('#collections button[aria-current="true"]')).to_contain_text(NAMES[given])
    with platform.client() as http:
        http.delete(f"/v1/collections/{NAMES[given]}").raise_for_status()
    uploaded.reload()
    uploaded.locator("#collections button", has_text="thu-nghiem").click()


def test_a_list_that_arrives_late_does_not_replace_a_newer_one(uploaded: Page, platform: Platform) -> None:
    held: list[Route] = []

    def hold(route: Route) -> None:
        if held:
            route.continue_()
        else:
            held.append(route)

    uploaded.route("**/v1/collections", hold)
    uploaded.reload()
    uploaded.locator("#new-collection").click()
    uploaded.locator("#prompt-input").fill("moi")
    uploaded.keyboard.press("Enter")
    current = uploaded.locator('#collections button[aria-current="true"]')
    expect(current).to_contain_text("moi")
    held[0].fulfill(json={"collections": []})
    uploaded.wait_for_timeout(500)
    expect(current).to_contain_text("moi")
    uploaded.unroute("**/v1/collections")
    with platform.client() as http:
        http.delete("/v1/collections/moi").raise_for_status()
    uploaded.reload()
    uploaded.locator("#collections button", has_text="thu-nghiem").click()


def test_a_file_sent_again_is_the_same_document(uploaded: Page, platform: Platform, tmp_path: Path) -> None:
    file = tmp_path / "Quy định đỗ xe.md"
    file.write_text("# Đỗ xe\n\nGửi xe ở tầng hầm.\n", encoding="utf-8")
    uploaded.get_by_role("tab", name="Tài liệu").click()
    row = uploaded.locator("#documents tr", has_text="Quy định đỗ xe.md")
    uploaded.locator("#files").set_input_files(file)
    expect(row.locator(".state.ready")).to_have_count(1, timeout=patient(30_000))
    uploaded.locator("#files").set_input_files(file)
    expect(uploaded.locator(".toast", has_text="đã có và không đổi")).to_have_count(1)
    file.write_text("# Đỗ xe\n\nGửi xe ở sân sau.\n", encoding="utf-8")
    with platform.client() as http:

        def is_live(revision: int) -> bool:
            found = http.get("/v1/collections/thu-nghiem/documents", params={"id": file.name}).json()["documents"]
            return bool(found[0]["live_revision"] == revision)

        for button, revision in (("cancel", 1), ("ok", 2)):
            uploaded.locator("#files").set_input_files(file)
            expect(uploaded.locator("#prompt-text")).to_contain_text("Quy định đỗ xe.md")
            uploaded.locator(f"#prompt button[value={button}]").click()
            expect(uploaded.locator("#counts")).not_to_contain_text("Đang gửi")
            wait_until(partial(is_live, revision), timeout_s=30)
    expect(row.locator(".state.ready")).to_have_count(1)
    row.locator(".title").click()
    expect(uploaded.locator("#reader-body")).to_contain_text("sân sau")
    uploaded.keyboard.press("Escape")


def test_the_reader_gives_the_original_and_the_whole_text(uploaded: Page) -> None:
    uploaded.get_by_role("tab", name="Tài liệu").click()
    uploaded.locator("#documents tr", has_text="Quy định đỗ xe.md").locator(".title").click()
    with uploaded.expect_download() as download:
        uploaded.get_by_role("button", name="Tải bản gốc").click()
    assert download.value.suggested_filename == "Quy định đỗ xe.md"
    assert "sân sau" in Path(download.value.path()).read_text(encoding="utf-8")
    uploaded.get_by_role("button", name="Toàn văn").click()
    expect(uploaded.locator("#reader-body p")).to_contain_text(["Gửi xe ở sân sau."])
    uploaded.keyboard.press("Escape")


@pytest.mark.parametrize("width", [1280, 390])
def test_long_headings_and_titles_stay_on_the_page(uploaded: Page, platform: Platform, width: int) -> None:
    chapters = "\n\n".join(f"{'#' * level} Chương {level} {'TRÌNH BÀY VĂN BẢN ' * 8}" for level in (2, 3, 4))
    text = f"# {'Quy định về thể thức ' * 6}\n\n{chapters}\n\nDấu giáp lai đóng ở mép phải.\n"
    with platform.client() as http:
        body = {"documents": [{"id": "dai", "text": text, "title": "Quy định về thể thức " * 6}]}
        http.post("/v1/collections/thu-nghiem/documents", json=body).raise_for_status()
    desk = uploaded.viewport_size
    uploaded.set_viewport_size({"width": width, "height": 844})
    uploaded.get_by_role("tab", name="Tài liệu").click()
    row = uploaded.locator('#documents tr[data-id="dai"]')
    expect(row.locator(".state.ready")).to_be_visible(timeout=patient(30_000))
    uploaded.get_by_role("tab", name="Tìm kiếm").click()
    uploaded.locator("#query").fill("dau giap lai")
    hit = uploaded.locator("#hits .hit", has_text="Dấu giáp lai").first
    expect(hit.locator(".text")).not_to_contain_text("Quy định")  # the title is above it
    box = hit.bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= width
    expect(uploaded.locator("#search-status")).to_contain_text("Đã tìm: “dấu giáp lai”")
    uploaded.set_viewport_size(desk or {"width": 1280, "height": 900})


def test_filters_name_unknown_fields_and_take_titles(uploaded: Page) -> None:
    uploaded.get_by_role("tab", name="Tìm kiếm").click()
    uploaded.locator("#query").fill("văn bản")

    def add(field: str, value: str) -> None:
        uploaded.locator("#filter-field").fill(field)
        uploaded.locator("#filter-value").fill(value)
        uploaded.keyboard.press("Enter")

    add("phòng ban", "nhân sự")
    expect(uploaded.locator("#search-status")).to_contain_text("Không tài liệu nào có trường “phòng ban”.")
    uploaded.locator("#filters .chip").click()
    add("tiêu đề", "the thuc")
    expect(uploaded.locator("#hits .hit").first).to_contain_text("Quy định về thể thức")
    uploaded.locator("#filters .chip").click()


def test_a_question_without_an_answer_leads_to_a_search(uploaded: Page) -> None:
    uploaded.get_by_role("tab", name="Hỏi").click()
    uploaded.locator("#question").fill("Giá vé tàu lên sao Hoả là bao nhiêu?")
    uploaded.keyboard.press("Enter")
    expect(uploaded.locator("#ask-status")).to_contain_text("Không có câu trả lời")
    uploaded.get_by_role("button", name="Tìm “Giá vé tàu lên sao Hoả").click()
    expect(uploaded.locator("#query")).to_have_value("Giá vé tàu lên sao Hoả là bao nhiêu?")
    expect(uploaded.locator("#search-status")).to_contain_text("đoạn")


def test_deleting_needs_consent_and_is_final(uploaded: Page, tmp_path: Path) -> None:
    uploaded.get_by_role("tab", name="Tài liệu").click()
    row = uploaded.locator("#documents tr", has_text=TITLE)
    row.get_by_role("button", name=f"Xoá {TITLE}").click()
    uploaded.locator("#prompt button[value=cancel]").click()
    expect(row).to_have_count(1)
    row.get_by_role("button", name=f"Xoá {TITLE}").click()
    uploaded.locator("#prompt-ok").click()
    expect(row).to_have_count(0)
    uploaded.get_by_role("tab", name="Tìm kiếm").click()
    uploaded.locator("#query").fill("mèo tiêm phòng")
    uploaded.get_by_text("Từ ngữ", exact=True).click()
    expect(uploaded.locator("#hits .empty")).to_be_visible()
    uploaded.screenshot(path=tmp_path / "console.png")
