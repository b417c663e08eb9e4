"""A page of another host in a real browser: it neither reads, changes nor plants anything on a server without keys."""

import os
import shutil
import threading
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.support.platform import Platform

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
EVIL = "evil.test"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    f"--host-resolver-rules=MAP {EVIL} 127.0.0.1",
    # The server's own guard is tested here, not the browser's for private networks.
    "--disable-features=LocalNetworkAccessChecks,BlockInsecurePrivateNetworkRequests,PrivateNetworkAccessSendPreflights",
]
COLLECTION = "cua-toi"
FETCH = """async ([url, options]) => {
    try {
        const answer = await fetch(url, options);
        return {type: answer.type, status: answer.status, text: answer.type === "opaque" ? "" : await answer.text()};
    } catch (error) { return {type: "error", status: 0, text: String(error)}; }
}"""
FORM = """([url, kind, field, value]) => {
    const form = document.createElement("form");
    form.method = "POST"; form.action = url; form.enctype = kind;
    const input = document.createElement("input");
    input.name = field; input.value = value;
    form.append(input); document.body.append(form); form.submit();
}"""

pytestmark = pytest.mark.skipif(
    CHROMIUM is None and "CI" not in os.environ, reason="no chromium: apt-get install chromium"
)


class EvilPage(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = b"<!doctype html><title>evil</title>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def evil_url() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), EvilPage) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://{EVIL}:{server.server_port}/"
        server.shutdown()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def browser_page(browser: Browser) -> Iterator[Page]:
    """A page of its own for each test: one that another test sent somewhere may still be on its way."""
    page = browser.new_page()
    yield page
    page.close()


@pytest.fixture
def evil(browser_page: Page, evil_url: str) -> Page:
    browser_page.goto(evil_url)
    assert browser_page.title() == "evil"
    return browser_page


@pytest.fixture
def documents(platform: Platform) -> Iterator["partial[list[str]]"]:
    """The ids of the documents in a collection with one document; the test ends with the same."""
    with httpx.Client(base_url=platform.url) as client:
        client.put(f"/v1/collections/{COLLECTION}", json={}).raise_for_status()
        sent = {"documents": [{"id": "quy", "text": "Quý khách được đổi hàng trong bảy ngày."}]}
        client.post(f"/v1/collections/{COLLECTION}/documents", json=sent).raise_for_status()

        def listed(http: httpx.Client) -> list[str]:
            found = http.get(f"/v1/collections/{COLLECTION}/documents").raise_for_status().json()
            return [each["id"] for each in found["documents"]]

        yield partial(listed, client)
        assert listed(client) == ["quy"], "nothing was deleted or planted"
        client.delete(f"/v1/collections/{COLLECTION}").raise_for_status()


def statuses(page: Page, path: str) -> list[int]:
    """The statuses of the browser's requests for `path` from now on."""
    seen: list[int] = []
    page.on("response", lambda answer: seen.append(answer.status) if path in answer.url else None)
    return seen


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "multipart/form-data", "text/plain"])
def test_a_form_plants_nothing(evil: Page, platform: Platform, documents: "partial[list[str]]", kind: str) -> None:
    url = f"{platform.url}/v1/collections/{COLLECTION}/documents"
    field, rest = '{"documents": [{"id": "x", "text": "', '"}]}'
    with evil.expect_response(lambda answer: answer.url == url) as answered:
        evil.evaluate(FORM, [url, kind, field, rest])
    assert answered.value.status == 403
    assert documents() == ["quy"]


@pytest.mark.parametrize("mode", ["no-cors", "cors"])
@pytest.mark.parametrize(
    ("method", "path", "kind"),
    [
        ("POST", f"/v1/collections/{COLLECTION}/documents", "text/plain"),
        ("POST", f"/v1/collections/{COLLECTION}/documents", "application/json"),
        ("POST", f"/v1/collections/{COLLECTION}/search", "text/plain"),
        ("PUT", "/v1/collections/la", "application/json"),
        ("DELETE", f"/v1/collections/{COLLECTION}/documents/quy", "text/plain"),
        ("DELETE", f"/v1/collections/{COLLECTION}", "text/plain"),
    ],
)
def test_fetch_changes_nothing(
    evil: Page, platform: Platform, documents: "partial[list[str]]", mode: str, method: str, path: str, kind: str
) -> None:
    seen = statuses(evil, path)
    body = '{"documents": [{"id": "x", "text": "a"}], "query": "hàng"}'
    options = {"method": method, "mode": mode, "headers": {"Content-Type": kind}, "body": body}
    if method == "DELETE":
        del options["body"]
    answer = evil.evaluate(FETCH, [platform.url + path, options])
    assert answer["type"] in {"error", "opaque"}, "the page reads nothing"
    assert all(status >= 400 for status in seen)
    assert documents() == ["quy"]
    assert httpx.get(f"{platform.url}/v1/collections/la").status_code == 404


def test_a_page_reads_nothing(evil: Page, platform: Platform, documents: "partial[list[str]]") -> None:
    for mode in ("cors", "no-cors"):
        answer = evil.evaluate(FETCH, [f"{platform.url}/v1/collections", {"mode": mode}])
        assert answer["type"] in {"error", "opaque"}
        assert not answer["text"] or answer["type"] == "error"
    assert documents() == ["quy"]


def test_a_host_name_that_now_resolves_to_the_server_is_refused(
    browser_page: Page, platform: Platform, documents: "partial[list[str]]"
) -> None:
    """DNS rebinding: to the browser, the attacker's page and the API have one origin."""
    rebound = platform.url.replace("127.0.0.1", EVIL)
    answer = browser_page.goto(f"{rebound}/v1/collections")
    assert answer is not None
    assert answer.status == 421
    for method, path in (("GET", "/v1/collections"), ("DELETE", f"/v1/collections/{COLLECTION}")):
        found = browser_page.evaluate(FETCH, [rebound + path, {"method": method}])
        assert found["status"] == 421
        assert COLLECTION not in found["text"].replace(path, "")
    assert documents() == ["quy"]
