"""`phoserve up` opens a state folder that version 0.1 wrote: every collection, document, state and original is there.

`tests/data/state-0.1.tar.xz` was written by version 0.1 over its API: documents as text and as files, one replaced, one
deleted, one that cannot be read, and one that was being indexed when the platform was killed.
"""

import tarfile
from pathlib import Path
from typing import Any, Final

import httpx

from tests.support.platform import Platform
from tests.support.waiting import wait_until

ARCHIVE: Final = Path(__file__).parents[1] / "data" / "state-0.1.tar.xz"
HANDBOOK: Final = {f"d{n}": f"Điều {n}. Nhân viên được nghỉ phép {n + 10} ngày mỗi năm." for n in range(5)} | {
    "d1": "Điều 1 sửa đổi. Nghỉ bù ba ngày.",
    "q1": "Văn bản đến ngay trước khi tắt. " * 3000,
}


def get(http: httpx.Client, path: str) -> Any:
    return http.get(f"/v1/collections{path}").raise_for_status().json()


def test_a_state_of_version_01_is_taken_over(tmp_path: Path) -> None:
    state = tmp_path / "state"
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(state, filter="data")
    with Platform(state, "--no-samples") as platform, platform.client() as http:
        assert [each["documents"] for each in platform.events if each["event"] == "taken_over"] == [8]
        found = {each["name"]: each["description"] for each in get(http, "")["collections"]}
        assert found == {"luat": "Luật", "so-tay": "Sổ tay nhân viên", "trong": ""}
        wait_until(lambda: get(http, "/so-tay")["documents"] == {"ready": 6}, timeout_s=120)
        documents = {each["id"]: each for each in get(http, "/so-tay/documents")["documents"]}
        assert list(documents) == ["q1", "d4", "d3", "d2", "d1", "d0"], "newest first, and the deleted one is gone"
        for id_, text in HANDBOOK.items():
            assert http.get(f"/v1/collections/so-tay/documents/{id_}/original").raise_for_status().text == text
            if id_ != "q1":
                number = int(id_[1:])
                assert documents[id_]["title"] == f"Điều {number}"
                assert documents[id_]["metadata"] == {"year": 2018 + number, "tags": ["nghỉ phép", f"t{number % 2}"]}
                assert documents[id_]["revision"] == (2 if id_ == "d1" else 1)
        readable, damaged = sorted(
            get(http, "/luat/documents")["documents"], key=lambda each: str(each["state"]) == "failed"
        )
        assert (readable["state"], damaged["state"]) == ("ready", "failed")
        original = http.get(f"/v1/collections/luat/documents/{readable['id']}/original").raise_for_status().text
        assert original == "# Nghị định 30\n\nVăn thư lưu trữ theo quy định."
        search = {"query": "nghỉ bù ba ngày", "filter": {"year": 2019}}
        hits = http.post("/v1/collections/so-tay/search", json=search).raise_for_status().json()["hits"]
        assert [hit["document_id"] for hit in hits] == ["d1"]
    assert (state / "index" / "documents-0.1" / "shard").is_dir(), "the old records are kept"
    with Platform(state, "--no-samples") as platform, platform.client() as http:
        assert "taken_over" not in {each["event"] for each in platform.events}
        assert get(http, "/so-tay")["documents"] == {"ready": 6}
