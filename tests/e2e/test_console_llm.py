"""The page while its LLM fails: the person always sees what happened."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from phoserve.adapters.openai_chat import ChatSettings, OpenAIChat
from tests.e2e.test_console import CHROMIUM, FLAGS
from tests.integration.api.conftest import fill
from tests.support.live import live_api, live_services
from tests.support.llm_process import running_llm

QUESTION = "Nhân viên được nghỉ phép mười hai ngày?"
FAULTS = ["cut", "stalled", "garbage", "foreign", "late-error", "html", "empty", "nothing", "only-thinking", "broken",
          "wrong", "missing", "picky", "busy", "silent", "comments"]  # fmt: skip

pytestmark = pytest.mark.skipif(
    CHROMIUM is None and "CI" not in os.environ, reason="no chromium: apt-get install chromium"
)


@pytest.fixture(scope="module")
def llm_url() -> Iterator[str]:
    with running_llm() as url:
        yield url


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser.new_context(locale="vi-VN").new_page()
        browser.close()


def ask(page: Page, url: str, question: str = QUESTION) -> None:
    page.goto(url)
    expect(page.locator('#collections button[aria-current="true"]')).to_contain_text("kb")
    page.get_by_role("tab", name="Hỏi").click()
    page.locator("#question").fill(question)
    page.keyboard.press("Enter")


@pytest.fixture
def serving(tmp_path: Path, llm_url: str, request: pytest.FixtureRequest) -> Iterator[str]:
    model, falls_back = request.param
    chat = OpenAIChat(
        ChatSettings(url=llm_url, model=model, first_token_timeout_s=0.6, idle_timeout_s=0.5, max_retries=0)
    )
    with live_api(live_services(tmp_path, chat=chat, falls_back=falls_back)) as url:
        fill(url)
        yield url


@pytest.mark.parametrize("serving", [(fault, True) for fault in FAULTS], indirect=True)
def test_a_fault_is_replaced_by_a_quotation_and_said(page: Page, serving: str) -> None:
    ask(page, serving)
    expect(page.locator("#answer-notes .fallback")).to_contain_text("LLM gặp lỗi", timeout=15_000)
    expect(page.locator("#answer")).to_contain_text("Nhân viên được nghỉ phép mười hai ngày.")
    expect(page.locator("#ask-status")).to_contain_text("Trích nguyên văn")
    page.locator("#answer .cite").first.click()
    expect(page.locator("#sources .hit.cited mark").first).to_be_visible()


@pytest.mark.parametrize("serving", [("broken", False), ("cut", False), ("silent", False)], indirect=True)
def test_without_fallback_the_fault_is_shown(page: Page, serving: str) -> None:
    ask(page, serving)
    expect(page.locator("#answer-notes .bad")).to_contain_text("LLM", timeout=15_000)
    expect(page.locator("#ask-status")).to_have_text("Không trả lời được.")
    expect(page.locator("#answer")).not_to_be_empty()


@pytest.mark.parametrize("serving", [("thinking", True), ("unopened", True), ("reasoning", True)], indirect=True)
def test_reasoning_is_not_shown(page: Page, serving: str) -> None:
    ask(page, serving)
    expect(page.locator("#ask-status")).to_contain_text("LLM soạn", timeout=15_000)
    assert page.locator("#answer").inner_text() == "Nhân viên được nghỉ phép mười hai ngày 1. Xem thêm sổ tay."


@pytest.mark.parametrize("serving", [("markdown", True)], indirect=True)
def test_markdown_is_rendered(page: Page, serving: str) -> None:
    ask(page, serving)
    expect(page.locator("#answer strong")).to_have_text("Phép năm:", timeout=15_000)
    expect(page.locator("#answer li")).to_have_count(2)
    expect(page.locator("#answer code")).to_have_text("hưởng")
    assert "*" not in page.locator("#answer").inner_text()


@pytest.mark.parametrize("serving", [("short", True)], indirect=True)
def test_a_cut_answer_is_called_incomplete(page: Page, serving: str) -> None:
    ask(page, serving)
    expect(page.locator("#answer-notes .incomplete")).to_contain_text("chưa trọn vẹn", timeout=15_000)


@pytest.mark.parametrize("serving", [("image", True)], indirect=True)
def test_an_image_is_not_loaded_and_feedback_is_given(page: Page, serving: str) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    ask(page, serving)
    page.get_by_role("button", name="Hữu ích", exact=True).click(timeout=15_000)
    expect(page.locator("#answer-notes .feedback")).to_contain_text(re.compile("cảm ơn"))
    assert page.locator("#answer img").count() == 0
    assert not any("127.0.0.1:9/" in each for each in asked)
