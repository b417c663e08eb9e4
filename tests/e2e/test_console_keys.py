"""The page of a server with keys: asks for one, reports a refused one, and keeps a valid one for the tab."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect, sync_playwright

from api.keys import FixedKeys, Role, new_key
from tests.e2e.test_console import CHROMIUM, FLAGS
from tests.integration.api.conftest import fill
from tests.support.live import live_api, live_services

pytestmark = pytest.mark.skipif(
    CHROMIUM is None and "CI" not in os.environ, reason="no chromium: apt-get install chromium"
)


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[tuple[str, str]]:
    secret, entry = new_key("web", Role.WRITER)
    with live_api(live_services(tmp_path, keys=FixedKeys((entry,)))) as url:
        fill(url, headers={"Authorization": f"Bearer {secret}"})
        yield url, secret


def test_a_refused_key_is_reported_and_a_valid_one_opens_the_page(serving: tuple[str, str]) -> None:
    url, secret = serving
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_context(locale="vi-VN").new_page()
        page.goto(url)
        expect(page.locator("#prompt-text")).not_to_contain_text("không nhận")
        page.locator("#prompt-input").fill("wrong")
        page.keyboard.press("Enter")
        expect(page.locator("#prompt-text")).to_contain_text("không nhận khoá này")
        page.locator("#prompt-input").fill(secret)
        page.keyboard.press("Enter")
        expect(page.locator("#collections")).to_contain_text("kb")
        page.reload()
        expect(page.locator("#collections")).to_contain_text("kb")
        browser.close()
