"""The console has words for every code that the documentation lists, and for every place of a warning."""

import re
from pathlib import Path

import pytest

from api.problems import CODES
from phoserve.text.blocks import Place

ROOT = Path(__file__).parents[3]
CONSOLE = ROOT / "api/console"
WORDS = (CONSOLE / "i18n.js").read_text(encoding="utf-8")
VIETNAMESE, ENGLISH = WORDS.split("\n  en: {")
INGESTION = (ROOT / "docs/ingestion.md").read_text(encoding="utf-8")


def codes_of_table(head: str) -> list[str]:
    """The codes in the first column of the documentation's table with this head."""
    _, table = INGESTION.split(f"| {head} | meaning |\n")
    return re.findall(r"`(\w+)`", "\n".join(row.split("|")[1] for row in table.split("\n\n")[0].splitlines()))


@pytest.mark.parametrize("code", codes_of_table("warning"))
def test_warnings(code: str) -> None:
    assert f"warning_{code}:" in VIETNAMESE


@pytest.mark.parametrize("code", [*codes_of_table("code"), "abandoned"])
def test_failures(code: str) -> None:
    assert f"error_{code}:" in VIETNAMESE


@pytest.mark.parametrize(
    "code", sorted({*CODES.values(), "unauthorized", "forbidden", "not_found", "conflict", "internal_server_error"})
)
def test_problems(code: str) -> None:
    assert f"problem_{code}:" in VIETNAMESE


def test_every_word_of_the_page_is_in_both_languages() -> None:
    files = [*CONSOLE.glob("*.js"), CONSOLE / "index.html"]
    text = "\n".join(each.read_text(encoding="utf-8") for each in files)
    used = {
        *re.findall(r'\bt\("(\w+)"', text),
        *re.findall(r'data-i18n[a-z-]*="(\w+)"', text),
        *re.findall(r'\bbutton\("(\w+)"', text),
    }
    assert len(used) > 50
    for word in used:
        assert re.search(rf"\b{word}: \"", VIETNAMESE), word
        assert re.search(rf"\b{word}: \"", ENGLISH), word


@pytest.mark.parametrize("kind", Place.__struct_fields__)
def test_places(kind: str) -> None:
    assert f"place_{kind}:" in VIETNAMESE
    assert f"place_{kind}:" in ENGLISH
