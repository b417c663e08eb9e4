"""Logs hold no keys, whatever is logged."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from phoserve.adapters.logs import configure_logs
from phoserve.administration.keys import Role, hide_secrets, new_key

SECRET, _ = new_key("app", Role.READER)


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Path]:
    root, configured = logging.getLogger(), structlog.get_config()
    before, level = list(root.handlers), root.level
    root.handlers = []
    configure_logs(tmp_path / "log")
    yield tmp_path / "log"
    for handler in root.handlers:
        handler.close()
    root.handlers = before
    root.setLevel(level)
    structlog.configure(**configured)


def test_keys_are_cut_in_every_part_of_a_line(file: Path) -> None:
    log = structlog.get_logger("tests.logs")
    log.info("audit", revoked=SECRET, nested={SECRET: [SECRET]}, text=f"key {SECRET!r} does not exist")
    logging.getLogger("library").warning("sent %s", SECRET)
    try:
        raise ValueError(SECRET)
    except ValueError:
        log.exception("failed")
    text = file.read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    assert [line["event"].split()[0] for line in lines] == ["audit", "sent", "failed"]
    assert SECRET not in text
    assert lines[0]["revoked"] == f"{SECRET[:8]}..."


@pytest.mark.parametrize("text", ["", "pho_", "phoserve_requests_in_flight_of_one_key", "a pho_x b", "0f" * 32])
def test_other_texts_stay_as_they_are(text: str) -> None:
    assert hide_secrets(text) == text
