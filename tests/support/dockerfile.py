"""The instructions in the stages of `deploy/Dockerfile`."""

import json
import re
from functools import cache
from typing import Final

from tests.support.chart import ROOT

DOCKERFILE: Final = ROOT / "deploy" / "Dockerfile"


def inherited(stage: str, instruction: str) -> str | None:
    """The last instruction of that kind in the stage, or in those it is made from."""
    stages, at = _stages(), stage
    while at in stages:
        at, text = stages[at]
        if found := re.findall(rf"^{instruction} (.+)$", text, flags=re.MULTILINE):
            return str(found[-1])
    return None


def health_check(stage: str) -> list[str]:
    """The command by which Docker asks whether the image's program is well."""
    words: list[str] = json.loads((inherited(stage, "HEALTHCHECK") or "").partition(" CMD ")[2])
    return words


def entrypoint(stage: str) -> list[str]:
    """The program that the image starts."""
    words: list[str] = json.loads(inherited(stage, "ENTRYPOINT") or "[]")
    return words


@cache
def _stages() -> dict[str, tuple[str, str]]:
    """Each stage's parent and instructions."""
    parts = re.split(r"^FROM (\S+) AS (\S+)$", DOCKERFILE.read_text().replace("\\\n", " "), flags=re.MULTILINE)
    return {parts[at + 1]: (parts[at], parts[at + 2]) for at in range(1, len(parts), 3)}
