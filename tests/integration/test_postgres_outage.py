"""The deployed API while PostgreSQL is away: searches continue, writes get 503, and it recovers by itself."""

import time
from pathlib import Path

from tests.support.deployed import deployed
from tests.support.waiting import wait_until

NO_TRITON = "127.0.0.1:1"


def document(id_: str) -> dict[str, object]:
    return {"documents": [{"id": id_, "text": "Điều 1. Nghỉ phép mười hai ngày."}]}


def test_searches_continue_and_writes_are_refused(tmp_path: Path) -> None:
    with deployed(tmp_path, NO_TRITON) as platform:
        _, http = platform.api()
        assert http.put("/v1/collections/kb").status_code == 201
        assert http.post("/v1/collections/kb/documents", json=document("d1")).status_code == 202
        search = {"query": "nghỉ phép", "mode": "lexical"}  # needs no Triton
        assert http.post("/v1/collections/kb/search", json=search).status_code == 200

        platform.postgres.stop()
        time.sleep(1.5)  # what was read is no longer fresh
        for _ in range(5):
            assert http.post("/v1/collections/kb/search", json=search).status_code == 200
        for refused in (
            http.post("/v1/collections/kb/documents", json=document("d2")),
            http.put("/v1/collections/other"),
            http.delete("/v1/collections/kb/documents/d1"),
        ):
            assert refused.status_code == 503
            assert "PostgreSQL" in refused.json()["detail"]
            assert int(refused.headers["retry-after"]) >= 1
        dependencies = http.get("/health/ready").json()["dependencies"]
        assert dependencies["registry"]["ok"] is False
        assert dependencies["index"]["ok"] is True

        platform.postgres.start()
        wait_until(lambda: http.post("/v1/collections/kb/documents", json=document("d2")).status_code == 202)
        assert http.get("/v1/collections/kb").json()["documents"] == {"queued": 2}
