"""Test data outside the checkout: PhoBERT's tokenizer, texts, documents."""

import json
import lzma
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2].parent / "shared"


def shared(*parts: str) -> Path:
    """Return the path of a shared file; where it is absent the test is skipped, or fails if this is CI."""
    path = SHARED.joinpath(*parts)
    if not path.exists():
        reason = f"{Path(SHARED.name, *parts)} does not lie beside the checkout"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return path


def training_texts(*, every: int = 1) -> Iterator[str]:
    """Yield titles, leads, bodies and paragraphs of each `every`-th record of the news and wiki texts."""
    for name in ("news", "wiki"):
        with lzma.open(shared("data", "train", f"{name}.jsonl.xz"), "rt", encoding="utf-8") as lines:
            for number, line in enumerate(lines):
                if number % every == 0:
                    record = json.loads(line)
                    yield from (record[key] for key in ("title", "lead", "body", "text") if record.get(key))
