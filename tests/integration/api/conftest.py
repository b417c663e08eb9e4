"""A live API over the local engine, and a live LLM."""

from collections.abc import Iterator

import httpx
import pytest

from tests.support.live import live_api, live_services
from tests.support.llm_process import running_llm
from tests.support.waiting import wait_until

DOCUMENTS = [
    {"id": "leave", "title": "Nghỉ phép", "text": "Công ty có ba phòng. Nhân viên được nghỉ phép mười hai ngày."},
    {"id": "pay", "title": "Lương", "text": "Lương được trả vào ngày mười hằng tháng.", "metadata": {"year": 2024}},
]


@pytest.fixture(scope="session")
def llm_url() -> Iterator[str]:
    with running_llm() as url:
        yield url


@pytest.fixture(scope="module")
def api_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with live_api(live_services(tmp_path_factory.mktemp("model"))) as url:
        fill(url)
        yield url


def fill(url: str, *, collection: str = "kb", headers: dict[str, str] | None = None) -> None:
    """Put the documents into a collection and wait until they can be found."""
    with httpx.Client(base_url=url, headers=headers) as client:
        client.put(f"/v1/collections/{collection}").raise_for_status()
        path = f"/v1/collections/{collection}/documents"
        client.post(path, json={"documents": DOCUMENTS}).raise_for_status()
        wait_until(lambda: all(each["state"] == "ready" for each in client.get(path).json()["documents"]))
