"""Documentation, docstrings, comments and messages are plain technical English."""

from pathlib import Path
from typing import Final

import pytest

from tests.support.prose import DIALECT, PATTERNS, check_text, find_dialect, read_prose

ROOT: Final = Path(__file__).parents[2]


def test_no_dialect_words() -> None:
    findings = find_dialect(ROOT)
    assert not findings, "\n".join(map(str, findings))


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("nobody works on the document", "nobody"),
        ("whoever comes next starts", "whoever"),
        ("the record lies in Redis", "lies"),
        ("where the document stands", "stands"),
        ("The log says which.", "says"),
        ("a host that goes on", "goes on"),
        ("two calls are under way", "under way"),
        ("## What happens when", "clause-title"),
        ("# 44. What is shown is read", "clause-title"),
        ("### Who is asked what", "clause-title"),
    ],
)
def test_dialect_is_found(text: str, word: str) -> None:
    assert [finding.word for finding in check_text("docs/page.md", 1, text)] == [word]


@pytest.mark.parametrize(
    "text",
    [
        "KEDA stands for Kubernetes Event-driven Autoscaling",
        "run it on a stand-alone server",
        "`--nobody-works` is an alias",
        "the warehouse has a mushroom",
        "understand the essay",
        "## Health checks",
    ],
)
def test_plain_text_passes(text: str) -> None:
    assert not list(check_text("docs/page.md", 1, text))


def test_docstrings_comments_and_messages_are_read(tmp_path: Path) -> None:
    source = (
        '"""Module."""\nX = 1  # a comment\n"""About X."""\nraise ValueError("the file is empty")\nNAME = "nobody"\n'
    )
    file = tmp_path / "module.py"
    file.write_text(source)
    lines = {text for _, text in read_prose(file, "phoserve/module.py")}
    assert lines == {"Module.", "# a comment", "About X.", "the file is empty"}
    assert {text for _, text in read_prose(file, "tests/module.py")} == {"Module.", "# a comment", "About X."}


def test_every_word_has_a_replacement() -> None:
    assert PATTERNS.keys() == DIALECT.keys()
    assert all(better for _, better in DIALECT.values())
