"""Nothing that was acknowledged is lost, and nothing is found twice, whenever the whole platform is killed."""

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from tests.e2e.test_main_job import document_states
from tests.support.patience import patient
from tests.support.platform import Platform
from tests.support.waiting import wait_until

DOCUMENTS = 200
KILLS = 3
TEXT = (
    "Tài liệu số {number}: mã tra cứu duy nhất là MATRACUU{number:04d}. " + "Nội dung nói về quy trình làm việc. " * 8
)


class Poster:
    """Posts the documents one by one over several connections, and knows which were acknowledged."""

    def __init__(self, platform: Platform) -> None:
        self.acknowledged: set[str] = set()
        self._platform = platform
        self._left = list(range(DOCUMENTS))
        self._lock = threading.Lock()

    def run(self) -> None:
        with ThreadPoolExecutor(4) as pool:
            for _ in range(4):
                pool.submit(self._post_all)

    def _post_all(self) -> None:
        while True:
            with self._lock:
                if not self._left:
                    return
                number = self._left.pop()
            if self._post(number):
                self.acknowledged.add(f"d{number}")
            else:
                with self._lock:
                    self._left.append(number)
                time.sleep(0.2)  # it is down: ask again, as a client would

    def _post(self, number: int) -> bool:
        body = {"documents": [{"id": f"d{number}", "title": f"Số {number}", "text": TEXT.format(number=number)}]}
        try:
            response = httpx.post(f"{self._platform.url}/v1/collections/kb/documents", json=body, timeout=patient(30))
        except httpx.HTTPError:
            return False
        return response.status_code == 202


def test_acknowledged_documents_survive_kill_9(state: Path) -> None:
    rng = random.Random(20)
    platform = Platform(state, "--no-samples").start()
    httpx.put(f"{platform.url}/v1/collections/kb", json={}).raise_for_status()
    poster = Poster(platform)
    posting = threading.Thread(target=poster.run)
    posting.start()
    for _ in range(KILLS):
        time.sleep(rng.uniform(0.3, 2.0))  # the moment is the point of the test: any will do
        platform.kill()
        platform.start()
    posting.join()
    with platform.client() as http:
        wait_until(lambda: set(document_states(http, "kb").values()) == {"ready"}, timeout_s=240)
        assert poster.acknowledged <= set(document_states(http, "kb"))
        assert len(poster.acknowledged) == DOCUMENTS
        for number in range(DOCUMENTS):
            query = {"query": f"MATRACUU{number:04d}", "mode": "lexical", "top_k": 20}
            hits = http.post("/v1/collections/kb/search", json=query).raise_for_status().json()["hits"]
            passages = [hit["passage_id"] for hit in hits if hit["document_id"] == f"d{number}"]
            assert len(passages) == 1, f"document d{number} was found {len(passages)} times"
    assert platform.stop() == 0
